"""CrossCodeEval's cut: an answer is one statement, and comments do not count.

As in `scripts/eval_utils.py` of amazon-science/cceval at 25f9cab, faults included: with
`is_official` an answer that begins with `;`, `{` or `}` is not cut at all, `//` begins a comment in
Python too, and `#` one everywhere.
"""

import re

from fimeval.syntax import parse

DELIMITERS = ";{}"

HASH_COMMENT = re.compile(r"#.*")
SLASH_COMMENT = re.compile(r"//.*")


def cut_statement(prefix: str, text: str, language: str, is_official: bool) -> str:
    """Return the first statement of an answer.

    Python: the shortest piece that ends ahead of a newline and parses behind the prefix. Other
    languages: up to the first `;`, `{` or `}`, included.

    Args:
        prefix: Text before the hole.
        text: The answer.
        language: Language id.
        is_official: Whether the published scorer's faults are kept.

    Returns:
        The piece; the whole answer where no statement ends in it.
    """
    if language == "python":
        return _cut_python(prefix, text, is_official)
    ends = [index for index, char in enumerate(text) if char in DELIMITERS]
    if not ends or (is_official and ends[0] == 0):
        return text
    return text[: ends[0] + 1]


def drop_comments(text: str, language: str, is_official: bool) -> str:
    """Return a text without its line comments.

    Args:
        text: Code.
        language: Language id.
        is_official: Whether both marks count in every language, as in the published scorer.

    Returns:
        The text; marks inside of strings count too, as they do there.
    """
    if is_official:
        return SLASH_COMMENT.sub("", HASH_COMMENT.sub("", text))
    return (HASH_COMMENT if language == "python" else SLASH_COMMENT).sub("", text)


def _cut_python(prefix: str, text: str, is_official: bool) -> str:
    for end, char in enumerate(text):
        # The published scorer looks one character ahead, so a piece has at least one character.
        if char == "\n" and end > 0 and _parses(prefix + text[:end]):
            piece = text[:end].rstrip()
            if piece or is_official:
                return piece
    return text


def _parses(text: str) -> bool:
    # MISSING nodes are no ERROR nodes, and the published scorer looks for the latter alone.
    return not _has_error_node(text)


def _has_error_node(text: str) -> bool:
    root = parse(text, "python").root_node
    if not root.has_error:
        return False
    pending = [root]
    while pending:
        node = pending.pop()
        if node.type == "ERROR":
            return True
        pending.extend(child for child in node.children if child.has_error)
    return False
