"""Source files that the benches type at: a directory's, or this project's own.

Plain texts in the order of their paths, so that the same files give the same prompts.
"""

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fimeval.errors import EvalError

SOURCE_PACKAGES = ("fimserve", "fimeval")
SUFFIXES = frozenset({".py", ".js", ".ts", ".java", ".go", ".rs", ".c", ".h", ".cc", ".cpp", ".cs"})
MAX_FILE_CHARS = 200_000
"""Longer files are data or made by programs."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file."""

    path: str
    """Relative to where it was looked for."""
    text: str


def load_source_files(directory: Path | None = None) -> tuple[SourceFile, ...]:
    """Return the source files of a directory.

    Args:
        directory: Where to look; None takes the packages of this project.

    Returns:
        The files with text, in the order of their paths.

    Raises:
        EvalError: If there is none.
    """
    roots = [directory] if directory else [_find_package(name) for name in SOURCE_PACKAGES]
    files = tuple(file for root in roots for file in _read_files(root))
    if not files:
        raise EvalError(f"{directory} holds no source file ({' '.join(sorted(SUFFIXES))})")
    return files


def join_text(files: Iterable[SourceFile]) -> str:
    """Return the texts one after the other."""
    return "".join(file.text for file in files)


def rotate(text: str, num_chars: int) -> str:
    """Return the text begun `num_chars` further on, what stood before put at its end."""
    start = num_chars % max(len(text), 1)
    return text[start:] + text[:start]


def _find_package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EvalError(f"the package {name} is not installed; its sources are the prompts")
    return Path(spec.origin).parent


def _read_files(root: Path) -> list[SourceFile]:
    found = []
    for path in sorted(root.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
            if text.strip() and len(text) <= MAX_FILE_CHARS:
                found.append(SourceFile(str(path.relative_to(root)), text))
    return found
