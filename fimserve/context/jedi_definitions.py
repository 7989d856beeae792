"""Answers questions for definitions in Python, one JSON object a line, by jedi.

    python -I jedi_definitions.py CACHE_FOLDER

The first question opens a project: {"root"}; each further one asks for places in a file: {"path",
"text", "positions"}. A script of its own, for a process that may be ended at any moment: imports
nothing of ours. Jedi reads sources and runs none: the environment is this interpreter, extension
modules of a project are not loaded, and only the standard library is on the path beside it.
"""

import json
import os
import resource
import sys
import sysconfig
from pathlib import Path
from typing import Any

import jedi
from jedi.api.environment import InterpreterEnvironment

MAX_MEMORY_BYTES = 4 << 30
SOURCE_FOLDERS = ("src", "lib", "python")


class Project:
    """One repository.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        library = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
        own = [str(self.root), *(str(self.root / folder) for folder in SOURCE_FOLDERS)]
        self._jedi = jedi.Project(self.root, sys_path=library, added_sys_path=own)
        self._environment = InterpreterEnvironment()

    def find(self, path: str, text: str, positions: list[list[int]]) -> dict[str, Any]:
        """Return where the names at some positions are defined, inside the project.

        Args:
            path: The file inside the project.
            text: Its text.
            positions: Line from 1 and column from 0 of each name.

        Returns:
            Path, name and line from 0 of each definition, and a problem if a name had one.
        """
        script = jedi.Script(
            text, path=self.root / path, project=self._jedi, environment=self._environment
        )
        found: list[dict[str, Any]] = []
        problem = None
        for line, column in positions:
            try:
                names = script.goto(line, column, follow_imports=True)
            except RecursionError:  # modules that take a name from each other
                problem = "recursion"
                continue
            found += filter(None, map(self._place, names))
        return {"found": found, "problem": problem}

    def _place(self, name: Any) -> dict[str, Any] | None:
        where = name.module_path
        if where is None or name.line is None or name.type in ("param", "module"):
            return None
        if not where.is_relative_to(self.root):
            return None
        inside = where.relative_to(self.root).as_posix()
        return {"path": inside, "name": name.name, "line": name.line - 1}


def answer(question: dict[str, Any], projects: list[Project]) -> dict[str, Any]:
    """Return the answer to one question.

    Args:
        question: The question.
        projects: Holds the project once it is open.

    Returns:
        What was found, or why nothing can be.
    """
    try:
        if "root" in question:
            projects[:] = [Project(Path(question["root"]))]
            return {"opened": True}
        return projects[0].find(question["path"], question["text"], question["positions"])
    except MemoryError:
        return {"refused": "out of memory"}
    except Exception as error:  # jedi has no error of its own for sources that it cannot read
        return {"refused": "jedi failed", "detail": type(error).__name__}


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    # Whoever started us removes it: what a project's files pickle to is nobody's cache.
    jedi.settings.cache_directory = sys.argv[1]
    jedi.settings.auto_import_modules = []
    projects: list[Project] = []
    for line in sys.stdin:
        os.write(1, json.dumps(answer(json.loads(line), projects)).encode("ascii") + b"\n")


if __name__ == "__main__":
    main()
