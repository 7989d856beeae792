"""Reads repository, paths and pieces of other files back from the text in which they were laid out.

The reverse of `layout.py` for everything but the order's own markers. What a layout does not show,
such as where a piece without a header ends, is not guessed: it stays one text.
"""

import re
from typing import NamedTuple

from fimserve.prompt.format import FimFormat
from fimserve.prompt.parts import Snippet
from fimserve.prompt.template import Marker, Slot, Template, Words

_UNNAMED = "filename"
"""What stands where a path is unknown, in the families that always write one."""
_FREE_START = "Context:\n\n"
"""How llama.vscode begins what it puts before a template; no line end closes it."""
_BARE_PATH = r"[\w@+\-]*[./\\][\w@+\-./\\]*"
"""A path where a word of code could stand: no blanks, and a dot or a slash. There is only one way
to match it, so that long lines take linear time."""
_ANY_PATH = r"[^\n]*[^\n ]"
"""A path where only a path can stand. Codestral's two headers differ by a blank behind it."""
_PATH_LINE = re.compile(rf"({_BARE_PATH})\n")


class Context(NamedTuple):
    """What was said of the current file's surroundings, and the text that followed."""

    repo: str | None = None
    path: str | None = None
    snippets: tuple[Snippet, ...] = ()
    rest: str = ""
    """Text behind the headers; the start of the prefix where they stand inside it."""


class HeaderReader:
    """Reads the context of one family's prompts.

    Args:
        fim_format: The family's format.
    """

    def __init__(self, fim_format: FimFormat) -> None:
        self._format = fim_format
        markers = fim_format.markers
        self._repo_marker = markers.get("repo")
        self._file_marker = markers.get("file")
        self._snippet_tail = _tail_of(fim_format)
        self._snippet_header = _compile_header(fim_format.snippet)
        self._current_header = _compile_header((*fim_format.current, Slot("text")))
        # CodeGemma's marker stands between pieces, everybody else's before each.
        self._divides = Marker("file") in fim_format.snippet[1:]
        self._names_all = any(
            isinstance(piece, Words) and piece.text.startswith(_UNNAMED)
            for piece in fim_format.unnamed_snippet
        )

    def read_lead(self, text: str) -> Context | None:
        """Return what stands before the order's first marker, or None where it is no layout.

        Args:
            text: All of it, maybe nothing.

        Returns:
            The context, its `rest` empty.
        """
        if not text:
            return Context()
        if self._file_marker:
            return self._read_files(text)
        read = self._read_sections(text)
        if read is None or not read.rest:
            return read
        last = Snippet(read.path or "", read.rest.removesuffix(self._snippet_tail))
        return Context(snippets=(*read.snippets, last))

    def read_free_text(self, text: str) -> Context | None:
        """Return text without any header as one piece, or None where it is none of another file.

        Whole lines, without markers; what else stands before a template is source code about
        templates.

        Args:
            text: What stands before the order's first marker.

        Returns:
            One snippet without a path.
        """
        is_whole_lines = text.endswith("\n") or text.startswith(_FREE_START)
        if not is_whole_lines or any(m in text for m in self._format.markers.values()):
            return None
        return Context(snippets=(Snippet("", text.removesuffix("\n")),))

    def announces_path(self, lead: str) -> bool:
        """Return whether a lead ends where the current file's path follows, inside the prefix."""
        return self._file_marker is not None and lead.endswith(self._file_marker)

    def read_prefix(self, text: str) -> Context:
        """Return the headers with which a prefix begins, where the family writes them there."""
        return self._read_sections(text) or Context(rest=text)

    def read_path_line(self, text: str) -> Context:
        """Return a first line that is a path, and the prefix behind it."""
        match = _PATH_LINE.match(text)
        return Context(path=match[1], rest=text[match.end() :]) if match else Context(rest=text)

    def _read_files(self, text: str) -> Context | None:
        """Read pieces that markers announce or, as in CodeGemma, divide."""
        repo: str | None = None
        marker = self._file_marker or ""
        if self._repo_marker and text.startswith(self._repo_marker):
            name, found, text = text[len(self._repo_marker) :].partition(marker)
            repo, text = name.removesuffix("\n"), found + text
        if marker not in text and not (self._divides and _PATH_LINE.fullmatch(text)):
            return None
        first, *pieces = text.split(marker)
        if not self._format.snippet:  # StarCoder: only the path of the current file
            is_path = not first and len(pieces) == 1 and "\n" not in pieces[0]
            return Context(path=pieces[0]) if is_path else None
        if self._divides:
            pieces.insert(0, first)
        elif first:
            return None
        *others, current = pieces
        files = [self._read_file(piece) for piece in others]
        line, found, rest = current.partition("\n")
        is_header = found and not rest and (not self._divides or _PATH_LINE.fullmatch(current))
        if current and not is_header:
            files.append(self._read_file(current))
        path = line if is_header and line != _UNNAMED else None
        return Context(repo, path, tuple(files))

    def _read_file(self, piece: str) -> Snippet:
        line, found, text = piece.partition("\n")
        if not found or not (self._names_all or re.fullmatch(_BARE_PATH, line)):
            line, text = "", piece
        return Snippet("" if line == _UNNAMED else line, text.removesuffix(self._snippet_tail))

    def _read_sections(self, text: str) -> Context | None:
        """Read pieces under headers of plain text; None where it does not begin with one."""
        found = self._find_headers(text)
        if not found or found[0].start() > 0:
            return None
        ends = [match.start() for match in found[1:]] + [len(text)]
        *others, (path, rest) = [
            (match["path"], text[match.end() : end]) for match, end in zip(found, ends, strict=True)
        ]
        tail = self._snippet_tail
        snippets = tuple(Snippet(other, piece.removesuffix(tail)) for other, piece in others)
        return Context(None, path, snippets, rest)

    def _find_headers(self, text: str) -> list[re.Match[str]]:
        """Return the headers of all pieces; the last one is the current file's."""
        if self._snippet_header is None or self._current_header is None:
            return []
        tail = self._snippet_tail
        found = [
            match
            for match in self._snippet_header.finditer(text)
            if match.start() == 0 or text.endswith(tail, 0, match.start())
        ]
        if self._snippet_header == self._current_header:
            return found
        current = self._current_header.search(text)
        if current is None:
            return []
        return [*(match for match in found if match.end() <= current.start()), current]


def _compile_header(template: Template) -> re.Pattern[str] | None:
    """Return what finds a header of plain text; None where a marker announces the pieces."""
    pattern = ""
    for piece in template:
        if isinstance(piece, Words):
            pattern += re.escape(piece.text)
        elif isinstance(piece, Slot) and piece.name == "path" and pattern:
            is_comment = pattern == re.escape("#")
            pattern += rf"(?P<path>{_BARE_PATH if is_comment else _ANY_PATH})"
        else:
            break
    return re.compile(rf"^{pattern}", re.M) if pattern else None


def _tail_of(fim_format: FimFormat) -> str:
    """Return what a layout writes behind the text of a piece."""
    tail = fim_format.snippet_end if fim_format.strip_snippets else ""
    if Slot("text") in fim_format.snippet:
        after = fim_format.snippet[fim_format.snippet.index(Slot("text")) + 1 :]
        tail += "".join(piece.text for piece in after if isinstance(piece, Words))
    return tail
