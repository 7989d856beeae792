"""How like two texts are: edit similarity, and the identifiers that both use.

CrossCodeEval's measures (`scripts/eval_metric.py` and `eval_utils.py` of amazon-science/cceval):
identifiers are what is left of a text's words without string literals, numbers and the keywords of
its language.
"""

import re

from rapidfuzz import fuzz

from fimeval.keywords import find_keywords

STRING = re.compile(r"\"([^\"\\]*(\\.[^\"\\]*)*)\"|'([^'\\]*(\\.[^'\\]*)*)'")
WORD = re.compile(r"\w+")
IDENTIFIER_START = re.compile(r"[_a-zA-Z]")


def find_edit_similarity(one: str, other: str) -> float:
    """Return the edit similarity of two texts without white space at their ends, 0 to 1.

    Rounded to a whole per cent as fuzzywuzzy does, whose numbers this equals.
    """
    return round(fuzz.ratio(one.strip(), other.strip())) / 100


def list_lines(text: str) -> list[str]:
    """Return the lines of a text that are not blank, without their indentation."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def match_lines(one: str, other: str) -> float:
    """Return 1.0 where both texts have the same lines but for blank ones and indentation."""
    return float(list_lines(one) == list_lines(other))


def list_identifiers(text: str, language: str) -> list[str]:
    """Return the identifiers of a text in their order, repetitions included.

    Args:
        text: Code, whole or a piece.
        language: Language id; one without a list of keywords has none.

    Returns:
        The identifiers.
    """
    keywords = find_keywords(language)
    return [
        word
        for word in WORD.findall(STRING.sub("", text))
        if IDENTIFIER_START.match(word) and word not in keywords
    ]


def match_identifiers(one: str, other: str, language: str) -> float:
    """Return 1.0 where both texts have the same identifiers in the same order."""
    return float(list_identifiers(one, language) == list_identifiers(other, language))


def find_identifier_f1(one: str, other: str, language: str) -> float:
    """Return the F1 of one text's set of identifiers against the other's; 0 where both are empty.

    Args:
        one: A text.
        other: Another one.
        language: Language id of both.

    Returns:
        2 * common / (size of one + size of the other).
    """
    ours = set(list_identifiers(one, language))
    theirs = set(list_identifiers(other, language))
    size = len(ours) + len(theirs)
    return 2 * len(ours & theirs) / size if size else 0.0
