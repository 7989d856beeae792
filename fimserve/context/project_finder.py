"""Definitions of the symbols of a span, by what knows its language best.

TypeScript and JavaScript by the TypeScript compiler, Python by jedi, each in a process of its own
that runs nothing of the project; for other languages names and imports have to do (`find.py`).
"""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

from fimserve.context.languages import language_of
from fimserve.context.line_process import LineProcess
from fimserve.context.node_packages import FOLDER, find_node, install_typescript
from fimserve.context.program_finder import NamePlace, Program, ProgramFinder
from fimserve.context.repository_files import list_files
from fimserve.context.span import Location, Span

__all__ = ["ProjectFinder"]

TIMEOUT_S = 5.0
MAX_NODE_MEMORY_MIB = 3_072
SCRIPTS = frozenset({"javascript", "typescript", "tsx"})
_ENVIRONMENT = ("HOME", "LANG", "PATH", "TMPDIR")
"""All that the programs get of our environment: no key, no NODE_OPTIONS, no PYTHONPATH."""


class ProjectFinder:
    """Finds definitions in one checked-out repository; use it in a `with` block.

    Args:
        root: Its folder: files on the disk, as they are in the index.
        timeout_s: How long one span may take.
        typescript: Folder whose `node_modules` holds the compiler; None takes the user's cache and
            fetches it there the first time.
    """

    def __init__(
        self, root: Path, timeout_s: float = TIMEOUT_S, typescript: Path | None = None
    ) -> None:
        self.left_out: Counter[str] = Counter()
        """How many spans a program could not answer for, by program and reason."""
        self._cache = Path(tempfile.mkdtemp(prefix="fimserve-jedi-"))
        programs: dict[str, Program] = {
            "python": _Jedi(root, self._cache),
            "script": _TypeScript(root, typescript),
        }
        self._finders = {
            name: ProgramFinder(program, timeout_s, self.left_out)
            for name, program in programs.items()
        }

    def __enter__(self) -> Self:
        """Return the finder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the programs."""
        self.close()

    def close(self) -> None:
        """End the programs that were started."""
        for finder in self._finders.values():
            finder.close()
        shutil.rmtree(self._cache, ignore_errors=True)

    def find(self, span: Span) -> list[Location] | None:
        """Return where the names in the middle are defined; None where names have to do.

        Args:
            span: The place; its middle is known.

        Returns:
            Places in files of the repository, in the order of the names.
        """
        language = language_of(span.path)
        finder = self._finders.get("script" if language in SCRIPTS else language or "")
        return None if finder is None else finder.find(span)


class _Jedi:
    """Starts and asks `jedi_definitions.py`."""

    name = "jedi"

    def __init__(self, root: Path, cache: Path) -> None:
        self._root = root
        self._cache = cache

    def start(self) -> LineProcess:
        script = files("fimserve.context") / "jedi_definitions.py"
        return LineProcess([sys.executable, "-I", str(script), str(self._cache)], _environment())

    def opening(self) -> Mapping[str, object]:
        return {"root": str(self._root.resolve())}

    def question(self, span: Span, names: list[NamePlace], timeout_s: float) -> dict[str, object]:
        text = span.text
        positions = []
        for name in names:
            line_start = text.rfind("\n", 0, name.offset) + 1
            positions.append([text.count("\n", 0, name.offset) + 1, name.offset - line_start])
        return {"path": span.path, "text": text, "positions": positions}


class _TypeScript:
    """Starts and asks `typescript/definitions.cjs`."""

    name = "typescript"

    def __init__(self, root: Path, packages: Path | None) -> None:
        self._root = root
        self._packages = packages

    def start(self) -> LineProcess:
        node = find_node()
        packages = self._packages or install_typescript()
        script = files("fimserve.context") / FOLDER / "definitions.cjs"
        compiler = packages / "node_modules" / "typescript"
        memory = f"--max-old-space-size={MAX_NODE_MEMORY_MIB}"
        return LineProcess([node, memory, str(script), str(compiler)], _environment())

    def opening(self) -> Mapping[str, object]:
        scripts = [path for path in list_files(self._root) if language_of(path) in SCRIPTS]
        named = [path for path in scripts if path.isprintable()]
        return {"root": str(self._root.resolve()), "files": named}

    def question(self, span: Span, names: list[NamePlace], timeout_s: float) -> dict[str, object]:
        text = span.text
        return {
            "path": span.path,
            "text": text,
            "positions": [_utf16_units(text[: name.offset]) for name in names],
            # A little earlier than we end the program, which then keeps what it has read.
            "limit_ms": int(timeout_s * 800),
        }


def _utf16_units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
