"""Whole runs: rows as they must be, second runs, restarts, splits, copies, hostile input."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fimcurriculum.dataset.choose import assign_splits
from fimcurriculum.dataset.report import read_report
from fimcurriculum.errors import MinerError
from fimcurriculum.mining import run as mining
from fimcurriculum.mining.executors import ExecutorName, run_pieces
from fimcurriculum.mining.piece import Piece, PieceResult
from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Kind
from support.git_repositories import commit_files, run_git
from support.licence_texts import MIT
from support.mined import MineDesk
from support.source_texts import make_go, make_python
from support.tiny_eval import record_text, write_tiny_eval


@pytest.fixture
def desk(tmp_path: Path) -> MineDesk:
    return MineDesk(tmp_path)


def state_of(directory: Path) -> dict[str, tuple[int, int]]:
    """Return which files there are, told apart even where one was replaced by its like."""
    return {
        str(path.relative_to(directory)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in directory.rglob("*.parquet")
    }


def test_rows_are_parts_of_their_files_and_say_where_they_are_from(desk: MineDesk) -> None:
    summary = desk.mine()
    rows = desk.rows()
    assert len(rows) == sum(summary.num_rows.values()) > 100
    for row in rows:
        number = ["ann/alpha", "bob/beta", "cid/gamma"].index(row["repository"])
        text = make_python(10 * number + int(row["path"][8]))
        assert row["prefix"] + row["middle"] + row["suffix"] == text
        assert row["licence"] == "MIT"
        assert len(row["commit"]) == 40
        assert 0 <= row["hardness"] <= 1
        assert row["hardness_model"] is None
        assert row["num_chars"] == len(row["middle"])
    assert (
        {"call", "function", "conditional", "return", "import", "random"}
        <= {row["kind"] for row in rows}
        <= {kind.value for kind in Kind}
    )
    assert len({row["id"] for row in rows}) == len(rows)


def test_prefix_and_suffix_keep_what_is_near_the_middle(desk: MineDesk) -> None:
    desk.mine(recipe=MiningRecipe(max_snippet_tokens=0, max_prefix_chars=40, max_suffix_chars=20))
    for row in desk.rows():
        number = ["ann/alpha", "bob/beta", "cid/gamma"].index(row["repository"])
        assert row["prefix"] + row["middle"] + row["suffix"] in make_python(
            10 * number + int(row["path"][8])
        )
    assert max(len(row["prefix"]) for row in desk.rows()) == 40


def test_a_second_run_touches_nothing_and_a_changed_file_only_its_own(desk: MineDesk) -> None:
    first = desk.mine()
    assert (first.num_files_mined, first.num_repositories_written) == (9, 3)
    before = state_of(desk.out)
    second = desk.mine()
    assert (second.num_files_mined, second.num_repositories_written) == (0, 0)
    assert second.num_rows == first.num_rows
    assert state_of(desk.out) == before

    kept = {row["id"] for row in desk.rows() if row["path"] != "src/file1.py"}
    commit_files(desk.clones[0], {"src/file1.py": make_python(77)})
    third = desk.mine()
    assert (third.num_files_mined, third.num_repositories_written) == (1, 1)
    rows = desk.rows()
    assert kept <= {row["id"] for row in rows}
    changed = [
        row for row in rows if row["repository"] == "ann/alpha" and row["path"] == "src/file1.py"
    ]
    assert changed
    assert all(row["prefix"] + row["middle"] + row["suffix"] == make_python(77) for row in changed)
    after = state_of(desk.out / "data")
    untouched = {name: state for name, state in after.items() if "ann" not in name}
    assert len(untouched) == 2
    assert all(before[f"data/{name}"] == state for name, state in untouched.items())


def test_a_removed_file_and_a_removed_repository_leave(desk: MineDesk) -> None:
    desk.mine()
    run_git(desk.clones[0], "rm", "--quiet", "src/file0.py")
    run_git(desk.clones[0], "commit", "--quiet", "--message", "less")
    desk.mine(*desk.clones[:2])
    rows = desk.rows()
    assert {row["repository"] for row in rows} == {"ann/alpha", "bob/beta"}
    assert "src/file0.py" not in {r["path"] for r in rows if r["repository"] == "ann/alpha"}


def test_another_recipe_mines_again_and_its_words_decide(desk: MineDesk) -> None:
    desk.mine()
    summary = desk.mine(recipe=MiningRecipe(kinds=("call", "loop"), max_snippet_tokens=0))
    assert summary.num_files_mined == 9
    assert {row["kind"] for row in desk.rows()} <= {"call", "loop"}


def test_a_run_that_was_cut_short_goes_on(desk: MineDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[PieceResult] = []

    def run_two(
        pieces: Iterator[Piece], executor: ExecutorName, num_jobs: int
    ) -> Iterator[PieceResult]:
        for result in run_pieces(pieces, executor, num_jobs):
            if len(done) == 2:
                raise KeyboardInterrupt
            done.append(result)
            yield result

    monkeypatch.setattr(mining, "FILES_PER_PIECE", 2)
    monkeypatch.setattr(mining, "run_pieces", run_two)
    with pytest.raises(KeyboardInterrupt):
        desk.mine()
    monkeypatch.undo()
    resumed = desk.mine()
    assert resumed.num_files_mined == 9 - sum(len(result.files) for result in done)
    rows = desk.rows()
    other = MineDesk(desk.root / "other")
    other.mine()
    assert {row["id"] for row in rows} == {row["id"] for row in other.rows()}
    # Rows of the piece that nobody entered are gone.
    assert len(list((desk.out / "stage").glob("*/*.spans.parquet"))) == 4


def test_a_repository_is_in_one_split_as_a_whole() -> None:
    names = [f"owner/repo{i}" for i in range(400)]
    splits = assign_splits(names, MiningRecipe(validation_share=0.1))
    assert 20 < Counter(splits.values())["validation"] < 70
    more = assign_splits([*names, "owner/new"], MiningRecipe(validation_share=0.1))
    assert {name: more[name] for name in names} == splits
    assert Counter(assign_splits(["a", "b"], MiningRecipe()).values()) == {
        "train": 1,
        "validation": 1,
    }
    named = assign_splits(["a", "b"], MiningRecipe(validation_repositories=("b",)))
    assert named == {"a": "train", "b": "validation"}
    assert assign_splits(["a"], MiningRecipe()) == {"a": "train"}


def test_rows_are_in_the_file_of_their_split(desk: MineDesk) -> None:
    desk.mine(recipe=MiningRecipe(validation_repositories=("bob/beta",), max_snippet_tokens=0))
    assert {row["repository"] for row in desk.rows() if row["split"] == "validation"} == {
        "bob/beta"
    }
    assert [p.name for p in (desk.out / "data" / "validation").iterdir()] == ["bob+beta.parquet"]


def test_copies_within_and_across_repositories_leave_one(desk: MineDesk) -> None:
    copy = make_python(0) + "\nlast = 1\n"
    clone = desk.add(
        "dot+delta", {"a.py": copy, "b.py": make_python(500), "c.py": make_python(500)}
    )
    desk.mine(*desk.clones, clone)
    paths = {(row["repository"], row["path"]) for row in desk.rows()}
    assert ("ann/alpha", "src/file0.py") in paths
    assert ("dot/delta", "a.py") not in paths
    assert {path for name, path in paths if name == "dot/delta"} == {"b.py"}
    reasons = Counter(read_report(desk.out)["spans_dropped"])
    assert reasons["call/near_duplicate_file"] > 0


def test_a_repository_gives_no_more_of_a_kind_than_its_limit(desk: MineDesk) -> None:
    desk.mine(recipe=MiningRecipe(max_per_kind_and_repository=2, max_snippet_tokens=0))
    counts = Counter((row["repository"], row["kind"]) for row in desk.rows())
    assert max(counts.values()) == 2
    assert read_report(desk.out)["spans_dropped"]["call/over_repository_limit"] > 0


def test_evaluation_data_stays_out_by_name_and_by_text(desk: MineDesk, tmp_path: Path) -> None:
    listing = write_tiny_eval(tmp_path / "eval")
    listed = desk.add("fork+benchmark", {"a.py": make_python(900)})
    uses = (
        make_python(902) + "\n\nfrom a import rolling_maximum\n\nprint(rolling_maximum([1, 2]))\n"
    )
    holds = desk.add("eve+echo", {"a.py": make_python(901) + record_text(), "b.py": uses})
    with_snippets = MiningRecipe()
    summary = desk.mine(listed, holds, decontamination=listing, recipe=with_snippets)
    assert summary.num_refused_repositories == 1
    assert {(row["repository"], row["path"]) for row in desk.rows()} == {("eve/echo", "b.py")}
    assert not any(row["snippets"] for row in desk.rows())  # the other file is no source of them
    report = read_report(desk.out)
    assert report["files_dropped"] == {"python/benchmark_text": 1}
    assert {r["name"]: r["refused"] for r in report["repositories"]}["fork/benchmark"] == (
        "benchmark_repository"
    )
    # Without a list the same files are mined anew, and the report says that nothing was kept out.
    assert desk.mine(listed, holds, recipe=with_snippets).num_files_mined == 3
    assert any("rolling_maximum" in s["text"] for row in desk.rows() for s in row["snippets"])
    assert read_report(desk.out)["is_decontaminated"] is False


def test_secrets_do_not_reach_the_rows(desk: MineDesk) -> None:
    secret = "ghp_" + "x1Y2z3" * 6
    text = make_python(700) + f'\nclient = connect("{secret}", owner="jane@corp.org")\n'
    desk.mine(desk.add("fay+foxtrot", {"a.py": text}))
    whole = "".join(row["prefix"] + row["middle"] + row["suffix"] for row in desk.rows())
    assert "REDACTED" in whole
    assert secret not in whole
    assert "jane@corp.org" not in whole
    assert read_report(desk.out)["secrets_replaced"] == 2


def test_licences_are_asked_for_where_the_recipe_says_so(desk: MineDesk) -> None:
    path = desk.root / "clones" / "gus+golf"
    path.mkdir()
    run_git(path, "init", "--quiet")
    commit_files(path, {"a.py": make_python(800)})
    desk.mine(path)
    assert {row["licence"] for row in desk.rows()} == {"unknown"}
    strict = MiningRecipe(permissive_only=True, max_snippet_tokens=0)
    assert desk.mine(path, *desk.clones, recipe=strict).num_refused_repositories == 1


def test_hostile_files_are_counted_and_stop_nothing(desk: MineDesk) -> None:
    path = desk.root / "clones" / "hal+hotel"
    path.mkdir()
    run_git(path, "init", "--quiet")
    (path / "loop_a").symlink_to("loop_b")
    (path / "loop_b").symlink_to("loop_a")
    (path / "self").symlink_to(".")
    (path / "away.py").symlink_to("/etc/hostname")
    files: dict[str, str | bytes] = {
        "LICENSE": MIT,
        "good.py": make_python(1000),
        "good.go": make_go(1001),
        "new\nline and \ttab.py": make_python(1002),
        "sp ace/ünï 🎉.py": make_python(1003),
        os.fsdecode(b"latin-\xe9.py"): make_python(1004),
        "latin.py": b"# gr\xf6\xdfe\n" + make_python(1005).encode(),
        "nul.py": make_python(1006).encode() + b"\0",
        "huge.py": "value = compute(other)\n" * 240_000,
        "broken.py": "def f(:\n" * 40 + make_python(1007) + "}}}))(\n" * 40,
        "words.py": "not python at all, but prose in English; " * 2 + "\n" * 3 + "so it is\n" * 20,
        "empty.py": "",
        "deep.py": make_python(1008) + "\nx = [\n" + "    f(\n" * 2000,
        "wide.py": make_python(1009) + "\nx = " + "a + " * 400 + "1\n",
        "cr.py": make_python(1010).replace("\n", "\r\n"),
    }
    commit_files(path, files)
    summary = desk.mine(path)
    assert summary.num_files == len(files) - 1
    paths = {row["path"] for row in desk.rows()}
    assert {"good.py", "good.go", "new\nline and \ttab.py", "sp ace/ünï 🎉.py", "cr.py"} <= paths
    assert "broken.py" in paths
    assert not paths & {"latin.py", "nul.py", "huge.py", "empty.py", "wide.py", "away.py"}
    report = read_report(desk.out)
    assert report["entries_left_out"] == {"link": 4}
    dropped = report["files_dropped"]
    assert dropped["python/not_utf8"] == 2
    assert dropped["python/too_large"] == 1
    assert dropped["python/too_short"] == 1
    assert dropped["python/long_line"] == 1
    assert report["files_with_parse_errors"] >= 2
    assert any(key.endswith("/parse_error") for key in report["places_refused"])
    assert all("\r" not in row["middle"] for row in desk.rows())


def test_every_file_and_place_is_accounted_for(desk: MineDesk) -> None:
    summary = desk.mine()
    report = read_report(desk.out)
    assert sum(report["files"].values()) == summary.num_files
    found = sum(report["places_found"].values())
    refused = sum(report["places_refused"].values())
    assert found - refused == report["spans_staged"]
    assert report["spans_staged"] - sum(report["spans_dropped"].values()) == len(desk.rows())


def test_what_cannot_be_mined_is_told_before_anything_is_written(desk: MineDesk) -> None:
    with pytest.raises(MinerError, match="holds no git directory"):
        desk.mine(desk.root)
    empty = desk.root / "empty"
    run_git(desk.root, "init", "--quiet", str(empty))
    with pytest.raises(MinerError, match="has no commit HEAD; name another revision"):
        desk.mine(desk.clones[0], empty)
    assert not desk.out.exists()
    twin = desk.root / "twins" / "ann+alpha"
    twin.parent.mkdir()
    run_git(desk.root, "clone", "--quiet", str(desk.clones[0]), str(twin))
    with pytest.raises(MinerError, match="several clones are called ann/alpha"):
        desk.mine(desk.clones[0], twin)


def test_a_clone_without_a_plus_is_named_by_its_remote(desk: MineDesk) -> None:
    path = desk.root / "plain"
    run_git(desk.root, "clone", "--quiet", str(desk.clones[0]), str(path))
    run_git(path, "remote", "set-url", "origin", "git@code.example.com:team/tool.git")
    desk.mine(path)
    assert {row["repository"] for row in desk.rows()} == {"team/tool"}
