"""Lines that belong to the block above them though they are indented less: `else`, `}`, `end`.

One table for all languages: a clause belongs to its head, so `else` after `if` goes on and `else`
after `def` does not. Knows nothing of tokens.
"""

from __future__ import annotations

import re

_HEADS = {
    "else": "if elif elsif else for while try except catch unless case when",
    "elif": "if elif",
    "elsif": "if elsif",
    "except": "try except",
    "catch": "try catch",
    "rescue": "begin def rescue do",
    "ensure": "begin def rescue do",
    "finally": "try except catch else",
    "case": "match switch select case",
    "default": "switch select case",
    "when": "case when",
    "then": "if elif",
    "while": "do",
}
_CLAUSES = {clause: frozenset(heads.split()) for clause, heads in _HEADS.items()}
_END_WORDS = frozenset({"end", "fi", "done", "esac", "endif", "endfunction", "endfor", "endwhile"})
_LAST_CLAUSES = frozenset({"else", "finally", "ensure"})
_ELSE_IF = re.compile(r"[\s})\]]*else\s+if\b")
_WORD = re.compile(r"[\s})\]]*([A-Za-z]+)")


def first_word(line: str) -> str:
    """Return the first word of a line, closing brackets before it left out; maybe none."""
    match = _WORD.match(line)
    return match[1] if match else ""


def is_clause_of(line: str, head: str) -> bool:
    """Return whether a line goes on with the statement that another line began."""
    heads = _CLAUSES.get(first_word(line))
    words = set(re.findall(r"[A-Za-z]+", head))
    return heads is not None and (first_word(head) in heads or bool(words & heads & _BLOCK_WORDS))


def is_clause(line: str) -> bool:
    """Return whether a line can only go on with a statement."""
    return first_word(line) in _CLAUSES and first_word(line) not in ("case", "default", "while")


def is_last_clause(line: str) -> bool:
    """Return whether no further clause may follow a clause: `else`, but not `else if`."""
    return first_word(line) in _LAST_CLAUSES and not _ELSE_IF.match(line)


def is_end(line: str) -> bool:
    """Return whether a line only closes what was open: brackets, or a word such as `end`."""
    text = line.strip()
    return bool(text) and (text.rstrip(";,") in _END_WORDS or not text.strip(")]};,"))


def starts_with_closer(line: str) -> bool:
    """Return whether a line starts with a closing bracket."""
    return line.lstrip()[:1] in (")", "]", "}")


# Heads that may stand behind something else on their line, as in `x = if a {` or `async for`.
_BLOCK_WORDS = frozenset({"if", "for", "while", "match", "switch", "try", "do"})
