"""Who does the work changes nothing of what comes out; a file that ends its worker is left out."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fimcurriculum.dataset.report import read_report
from fimcurriculum.mining import executors
from fimcurriculum.mining import run as mining
from fimcurriculum.mining.executors import ExecutorName
from support.deadly import DEADLY, mine_or_die
from support.mined import MineDesk
from support.source_texts import make_python

EXECUTORS = [
    "local",
    pytest.param(
        "ray",
        marks=[
            pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray"),
            pytest.mark.filterwarnings("ignore"),  # Ray warns of its own settings
        ],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def workers_see_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
        yield


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MineDesk:
    monkeypatch.setattr(mining, "FILES_PER_PIECE", 2)
    return MineDesk(tmp_path)


def rows_of(desk: MineDesk) -> list[dict[str, Any]]:
    return sorted(desk.rows(), key=lambda row: str(row["id"]))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_several_workers_find_what_one_finds(desk: MineDesk, executor: ExecutorName) -> None:
    desk.mine()
    other = MineDesk(desk.root / "other")
    # The same commits: only then are rows the same.
    summary = other.mine(*desk.clones, num_jobs=2, executor=executor)
    assert summary.num_files_mined == 9
    assert rows_of(other) == rows_of(desk)
    again = other.mine(*desk.clones, num_jobs=2, executor=executor)
    assert (again.num_files_mined, again.num_repositories_written) == (0, 0)
    assert not list((other.out / "stage").rglob("*.begun"))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_file_that_ends_its_worker_is_counted_and_the_others_are_mined(
    desk: MineDesk, executor: ExecutorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = desk.add("dot+delta", {DEADLY: make_python(90), "src/safe.py": make_python(91)})
    monkeypatch.setattr(executors, "mine_piece", mine_or_die)
    desk.mine(*desk.clones, clone, num_jobs=2, executor=executor)
    assert read_report(desk.out)["files_dropped"] == {"python/worker_died": 1}
    paths = {(row["repository"], row["path"]) for row in desk.rows()}
    assert ("dot/delta", "src/safe.py") in paths
    assert ("dot/delta", DEADLY) not in paths
    assert len({path for path in paths if path[0] != "dot/delta"}) == 9
