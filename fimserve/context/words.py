"""Words of source text: identifiers, and the parts that compound ones are made of."""

import re

__all__ = ["identifiers_of", "words_of"]

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
MAX_WORD_CHARS = 80


def identifiers_of(text: str) -> list[str]:
    """Return the identifiers of a text in order, keywords among them."""
    return [word for word in _IDENTIFIER.findall(text) if len(word) <= MAX_WORD_CHARS]


def words_of(text: str) -> list[str]:
    """Return the words by which texts are compared: identifiers, and parts of compound ones.

    `readUserName` and `read_user_name` have the parts `read`, `user` and `name` in common. Letters
    that stand alone say nothing and are left out.

    Args:
        text: Source text.

    Returns:
        Lower-case words, with repetitions.
    """
    words: list[str] = []
    for name in identifiers_of(text):
        if len(name) > 1:
            words.append(name.lower())
            parts = _PART.findall(name)
            if len(parts) > 1:
                words += [part.lower() for part in parts if len(part) > 1]
    return words
