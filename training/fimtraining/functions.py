"""Cut one function out of a source file: what a short file, an exercise or a snippet looks like.

Found by the shape of lines alone, no parser: a line that opens a function, the comments and
decorators right above it, and what is indented deeper behind it. Knows nothing of holes or tokens.
"""

import random
import re
from typing import NamedTuple


class FunctionText(NamedTuple):
    """A function as a text of its own, moved to the left margin."""

    text: str
    body_start: int
    """Where the statements begin, behind signature and docstring."""


_JAVASCRIPT = re.compile(
    r"^[ \t]*(?:export +)?(?:default +)?(?:async +)?"
    r"(?:function\b[^\n]*|(?:const|let|var) +\w+ *= *(?:async *)?(?:function\b|\()[^\n]*)\{[ \t]*$",
    re.MULTILINE,
)
_OPENINGS = {
    "python": re.compile(r"^[ \t]*(?:async +)?def +\w+[^\n]*", re.MULTILINE),
    "go": re.compile(r"^func\b[^\n]*\{[ \t]*$", re.MULTILINE),
    "java": re.compile(
        r"^[ \t]*(?:(?:public|protected|private|static|final|abstract|synchronized)\s+)+"
        r"[^\n=;]*\([^\n;]*\{[ \t]*$",
        re.MULTILINE,
    ),
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "rust": re.compile(
        r"^[ \t]*(?:pub(?:\([^)]*\))? +)?(?:(?:const|async|unsafe) +)*fn +\w+[^\n;]*\{[ \t]*$",
        re.MULTILINE,
    ),
    # The brace may stand on a line of its own.
    "csharp": re.compile(
        r"^[ \t]*(?:(?:public|protected|private|internal|static|override|virtual|async|sealed|"
        r"partial|unsafe|new)\s+)+[^\n=;]*\([^\n;]*\)[^\n;{]*(?:\n[ \t]*)?\{[ \t]*$",
        re.MULTILINE,
    ),
    "cpp": re.compile(
        r"^[ \t]*(?!(?:if|else|for|while|switch|do|catch|return|namespace|using|typedef|enum|class|"
        r"struct|union)\b)[\w:<>,&*~][\w:<>,&*~ \t]*[\w>&*][ \t&*]+[\w:~]+\([^\n;]*\)[^\n;{=]*"
        r"(?:\n[ \t]*)?\{[ \t]*$",
        re.MULTILINE,
    ),
}
_ABOVE = re.compile(r"[ \t]*(?:#|//|/\*|\*|@)")
_IMPORT = re.compile(r"^(?:import|from) [^\n(]*\n", re.MULTILINE)
_DOCSTRING = re.compile(r"\s*[rRbBuU]{0,2}(?:\"\"\".*?\"\"\"|'''.*?''')[^\n]*\n", re.DOTALL)
_MAX_IMPORTS = 3


def draw_function(
    text: str, language: str, max_chars: int, rng: random.Random
) -> FunctionText | None:
    """Return one of a file's functions, documented ones first in Python, or None.

    Args:
        text: Source file.
        language: Language of the corpus; one without a rule has no functions.
        max_chars: Longer functions are not taken.
        rng: Source of every choice.

    Returns:
        The function, in Python mostly behind a few of the file's imports.
    """
    opening = _OPENINGS.get(language)
    heads = list(opening.finditer(text)) if opening else []
    rng.shuffle(heads)
    best = None
    for head in heads[:6]:
        found = _cut(text, head, language)
        if found is None or len(found.text) > max_chars:
            continue
        if language != "python" or found.has_docstring or rng.random() < 0.2:
            best = found
            break
        best = best or found
    if best is None:
        return None
    imports = _draw_imports(text, best.text, rng) if language == "python" else ""
    return FunctionText(imports + best.text, len(imports) + best.body_start)


class _Cut(NamedTuple):
    text: str
    body_start: int
    has_docstring: bool


def _cut(text: str, head: re.Match[str], language: str) -> _Cut | None:
    indent = len(head[0]) - len(head[0].lstrip(" \t"))
    start = _first_line_above(text, head.start(), indent)
    end = _end_of_block(text, head.end(), indent, closes=language != "python")
    if end is None:
        return None
    lines = text[start:end].splitlines(keepends=True)
    # Lines of a string may stand left of the function; they keep what they have.
    shifted = [line[indent:] if not line[:indent].strip(" \t\n") else line for line in lines]
    shifted = [line if line.endswith("\n") else line + "\n" for line in shifted]
    whole = "".join(line or "\n" for line in shifted)
    body = _body_start(whole, language)
    if whole.count("\n", body) < 2:
        return None
    has_docstring = language == "python" and ('"""' in whole[:body] or "'''" in whole[:body])
    return _Cut(whole, body, has_docstring)


def _first_line_above(text: str, at: int, indent: int) -> int:
    """Return where the comments and decorators right above a line begin."""
    while at > 0:
        above = text.rfind("\n", 0, at - 1) + 1
        line = text[above : at - 1]
        if not _ABOVE.match(line) or len(line) - len(line.lstrip(" \t")) < indent:
            break
        at = above
    return at


def _end_of_block(text: str, at: int, indent: int, *, closes: bool) -> int | None:
    """Return the end of the lines indented deeper than `indent`, with the closing line if any."""
    end: int | None = None
    at = text.find("\n", at) + 1
    while at:
        following = text.find("\n", at) + 1
        line = text[at : following or len(text)]
        words = line.lstrip(" \t")
        if words.strip():
            if len(line) - len(words) <= indent:
                is_closing = words[0] in ")]}"
                if is_closing and (closes or words.rstrip().endswith(":")):
                    end = following or len(text)
                    if closes:
                        break
                else:
                    break
            else:
                end = following or len(text)
        at = following
    return end


def _body_start(text: str, language: str) -> int:
    opening = _OPENINGS[language].search(text)
    at = opening.end() if opening else 0
    if language == "python":
        # A signature over several lines ends with the first line that ends with a colon.
        while text[:at].rstrip()[-1:] != ":":
            following = text.find("\n", at + 1)
            if following < 0:
                return len(text)
            at = following
        docstring = _DOCSTRING.match(text, at)
        return docstring.end() if docstring else text.find("\n", at) + 1
    return text.find("\n", at) + 1


def _draw_imports(text: str, function: str, rng: random.Random) -> str:
    """Return a few of the file's imports, those first whose names the function has."""
    if rng.random() < 0.4:
        return ""
    words = set(re.findall(r"\w+", function))
    found = [m[0] for m in _IMPORT.finditer(text)]
    used = [line for line in found if words & set(re.findall(r"\w+", line.rpartition("import")[2]))]
    chosen = used[:_MAX_IMPORTS]
    return "".join(chosen) + "\n\n" if chosen else ""
