"""A private benchmark: which spans are drawn, and that nothing is kept out unasked."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fimcurriculum.dataset.benchmark import (
    BenchmarkCounts,
    BenchmarkRow,
    BenchmarkSettings,
    draw_benchmark,
)
from fimcurriculum.errors import MinerError
from fimcurriculum.mining.repository import open_repository
from fimcurriculum.recipe import MiningRecipe
from support.git_repositories import make_repository, run_git
from support.source_texts import make_python

FILES: dict[str, str | bytes] = {
    **{f"src/file{number}.py": make_python(number) for number in range(4)},
    "vendor/other.py": "# Proprietary and confidential\n" + make_python(9),
    "tests/test_a.py": make_python(11),
    "latin.py": "x = '\xe9'\n".encode("latin-1"),
}
SETTINGS = BenchmarkSettings(per_kind=3)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clones") / "ann+alpha"
    make_repository(path, FILES)
    return path


def draw(
    clone: Path, settings: BenchmarkSettings = SETTINGS
) -> tuple[list[BenchmarkRow], BenchmarkCounts]:
    counts = BenchmarkCounts()
    repository = open_repository(clone, "HEAD", settings.recipe.languages)
    return list(draw_benchmark([repository], settings, counts)), counts


def test_rows_are_whole_files_around_a_middle(clone: Path) -> None:
    rows, counts = draw(clone)
    assert rows
    for row in rows:
        assert row.prefix + row.middle + row.suffix == FILES[row.path]
        assert row.prefix.count("\n") + 1 == row.line
        assert (row.repository, row.language) == ("ann/alpha", "python")
    assert len({row.task_id for row in rows}) == len(rows)
    assert counts.drawn == Counter(row.kind for row in rows)
    assert max(counts.drawn.values()) == 3
    assert rows == sorted(rows, key=lambda row: row.path)


def test_the_same_rows_come_for_the_same_seed_alone(clone: Path) -> None:
    assert draw(clone) == draw(clone)
    other, _ = draw(clone, replace(SETTINGS, seed=1))
    assert {row.task_id for row in other} != {row.task_id for row in draw(clone)[0]}


def test_nothing_is_left_out_that_was_not_asked_for(clone: Path) -> None:
    rows, counts = draw(clone, replace(SETTINGS, per_kind=1000))
    assert {row.path for row in rows} >= {"vendor/other.py", "tests/test_a.py"}
    assert counts.left_out == {"not_utf8": 1}
    assert counts.drawn == counts.found


def test_what_was_asked_for_is_left_out(clone: Path) -> None:
    settings = replace(SETTINGS, per_kind=1000, exclude=("tests/*",), skip_generated=True)
    rows, counts = draw(clone, settings)
    assert {row.path.split("/")[0] for row in rows} == {"src"}
    assert counts.left_out["excluded"] == 1
    assert counts.left_out["vendored"] == 1
    calls, _ = draw(clone, replace(SETTINGS, recipe=MiningRecipe(kinds=("call",))))
    assert {row.kind for row in calls} == {"call"}


def test_a_sample_takes_as_many_as_there_are(clone: Path) -> None:
    everything, counts = draw(clone, replace(SETTINGS, per_kind=1000))
    few, _ = draw(clone, SETTINGS)
    assert {kind: min(3, count) for kind, count in counts.found.items()} == Counter(
        row.kind for row in few
    )
    assert {row.middle for row in few} <= {row.middle for row in everything}


def test_snippets_come_from_other_files_and_do_not_know_the_middle(tmp_path: Path) -> None:
    helper = "def find_price(article, day):\n    return article.prices[day]\n"
    user = (
        "from lib.prices import find_price\n\n\ndef total(articles, day):\n"
        "    # the sum of find_price\n    amount = sum(find_price(one, day) for one in articles)\n"
        "    return amount\n"
    )
    clone = tmp_path / "shop"
    make_repository(clone, {"lib/prices.py": helper, "app/total.py": user})
    recipe = MiningRecipe(kinds=("call",))
    rows, _ = draw(clone, BenchmarkSettings(recipe=recipe, snippet_tokens=300))
    shown = [row for row in rows if row.path == "app/total.py" and row.snippets]
    assert shown
    for row in shown:
        assert {snippet["path"] for snippet in row.snippets} == {"lib/prices.py"}
    none, _ = draw(clone, BenchmarkSettings(recipe=recipe))
    assert not any(row.snippets for row in none)


def test_a_further_work_tree_is_a_clone_too(clone: Path, tmp_path: Path) -> None:
    run_git(clone, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    repository = open_repository(tmp_path / "tree", "HEAD", ("python",))
    assert len(repository.files) == len(FILES)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(MinerError, match="holds no git directory"):
        open_repository(tmp_path / "broken", "HEAD", ("python",))
