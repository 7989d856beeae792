"""What units of an ablation leave behind: one small file per base, rewritten whole after each unit.

A unit is one JSON line, answers and all, so the directory may be carried from one machine to the
next between runs, and a run that was killed loses the unit that it was working on.
"""

import gzip
import json
from pathlib import Path
from typing import Any

from fimtraining.finetune.recipe import RecipeError


class UnitResults:
    """The results of an ablation so far; fails with RecipeError where they are of another one.

    Args:
        directory: Where they lie; made if absent.
        identity: What must be the same for all units, such as the hash of the held-out file.
    """

    def __init__(self, directory: Path, identity: dict[str, Any]) -> None:
        self._directory, self._identity = directory, identity
        directory.mkdir(parents=True, exist_ok=True)
        self._lines: dict[str, dict[str, dict[str, Any]]] = {}
        for path in sorted(directory.glob("results-*.jsonl.gz")):
            for line in _read(path):
                self._check(line, path)
                self._lines.setdefault(line["base"], {})[line["unit"]] = line

    def has(self, base: str, unit: str) -> bool:
        """Return whether a unit is done."""
        return unit in self._lines.get(base, {})

    def seconds_of(self, base: str) -> list[float]:
        """Return how long the trained units of a base took."""
        lines = self._lines.get(base, {}).values()
        return [line["seconds"] for line in lines if line["recipe"] is not None]

    def add(self, line: dict[str, Any]) -> Path:
        """Keep a unit's line: on disk, whole, when this returns.

        Args:
            line: Has base and unit; the identity is added.

        Returns:
            The file.
        """
        lines = self._lines.setdefault(line["base"], {})
        lines[line["unit"]] = {**line, **self._identity}
        path = self._directory / f"results-{line['base']}.jsonl.gz"
        part = path.with_suffix(".part")
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines.values())
        part.write_bytes(gzip.compress(text.encode(), mtime=0))
        part.replace(path)
        return path

    def _check(self, line: dict[str, Any], path: Path) -> None:
        for name, value in self._identity.items():
            if line.get(name) != value:
                raise RecipeError(
                    f"{path} holds units with {name} {line.get(name)}, and this is {value}; give "
                    "another --out"
                )


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        return [json.loads(line) for line in text.split("\n") if line]
    except (OSError, EOFError, ValueError) as error:
        raise RecipeError(
            f"{path} is damaged ({error}); remove it or give another --out"
        ) from error
