"""Repositories to mine, made in milliseconds."""

from pathlib import Path
from typing import Any

from fimcurriculum.dataset.read import read_rows
from fimcurriculum.mining.executors import ExecutorName
from fimcurriculum.mining.run import MiningJob, MiningSummary, mine
from fimcurriculum.recipe import MiningRecipe
from support.git_repositories import make_repository
from support.licence_texts import MIT
from support.source_texts import make_python

__all__ = ["MineDesk"]

RECIPE = MiningRecipe(max_snippet_tokens=0)


class MineDesk:
    """Three clones, one of them bare, and a place for what is mined from them.

    Args:
        root: Directory of this test.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.out = root / "out"
        self.clones = [
            self.add(name, {f"src/file{i}.py": make_python(10 * number + i) for i in range(3)})
            for number, name in enumerate(("ann+alpha", "bob+beta", "cid+gamma"))
        ]

    def add(self, name: str, files: dict[str, str | bytes]) -> Path:
        """Return a new clone of files and a licence; those of bob are bare."""
        path = self.root / "clones" / name
        make_repository(path, {"LICENSE": MIT} | files, bare=name.startswith("bob"))
        return path

    def mine(
        self,
        *clones: Path,
        recipe: MiningRecipe = RECIPE,
        decontamination: Path | None = None,
        num_jobs: int = 1,
        executor: ExecutorName = "local",
    ) -> MiningSummary:
        """Mine some clones, or the three."""
        return mine(
            MiningJob(
                clones or tuple(self.clones),
                self.out,
                recipe,
                decontamination=decontamination,
                num_jobs=num_jobs,
                executor=executor,
            )
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return all examples."""
        return list(read_rows(self.out))
