"""SWE-bench infilling: reading rows, slices by lines, and building rows from a repository."""

import gzip
import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from fimeval.data_file import write_data_file
from fimeval.errors import DataFileError
from fimeval.references import check_references
from fimeval.swebench import (
    Block,
    Skipped,
    build_rows,
    cut_block,
    find_blocks,
    read_instances,
)
from fimeval.tasks import load_task
from support.fim_rows import write_rows
from support.shared import shared_file

BEFORE = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"
AFTER = (
    "def f():\n    # new\n    x = 1\n    return x\n\n\ndef g():\n    return 2\n"
    "\n\ndef h():\n    y = 3\n    return y\n"
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = tmp_path / "clones" / "owner" / "name"
    root.mkdir(parents=True)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    (root / "pkg").mkdir()
    (root / "pkg" / "a.py").write_text(BEFORE)
    (root / "notes.md").write_text("a\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "base")
    return root


def make_instance(clone: Path, **changes: object) -> dict[str, object]:
    (clone / "pkg" / "a.py").write_text(AFTER)
    (clone / "notes.md").write_text("a\nb\nc\n")
    (clone / "new.py").write_text("a = 1\nb = 2\n")

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(clone), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("add", "--intent-to-add", "new.py")
    patch = git("diff")
    base = git("rev-parse", "HEAD").strip()
    git("checkout", "--quiet", "--", "pkg", "notes.md")
    git("rm", "--quiet", "--cached", "new.py")
    (clone / "new.py").unlink()
    instance: dict[str, object] = {
        "instance_id": "owner__name-1",
        "repo": "owner/name",
        "base_commit": base,
        "patch": patch,
    }
    return instance | changes


def test_rows_are_the_blocks_that_a_fix_adds(clone: Path) -> None:
    skipped: list[Skipped] = []
    instance = make_instance(clone)
    rows = list(build_rows([instance], clone.parents[1], "lite", skipped.append))
    assert [row.task_id for row in rows] == [
        "owner__name-1:pkg/a.py:2",
        "owner__name-1:pkg/a.py:9",
    ]
    for row in rows:
        assert row.prefix + row.middle + row.suffix == AFTER
    assert rows[0].middle == "    # new\n    x = 1\n    return x\n"
    assert (rows[0].num_lines, rows[0].pure_insertion) == (3, False)
    assert rows[1].middle == "\n\ndef h():\n    y = 3\n    return y\n"
    assert (rows[1].num_lines, rows[1].pure_insertion) == (5, True)
    assert [one.reason for one in skipped] == ["no code by its ending"]


def test_what_cannot_be_built_is_counted_and_stops_nothing(clone: Path) -> None:
    skipped: list[Skipped] = []
    good = make_instance(clone)
    bad = [
        good | {"instance_id": "a", "repo": "no/clone"},
        good | {"instance_id": "b", "base_commit": "0" * 40},
        good | {"instance_id": "c", "patch": str(good["patch"]).replace("return 1", "return 9")},
        good,
    ]
    rows = list(build_rows(bad, clone.parents[1], "lite", skipped.append))
    assert len(rows) == 2
    reasons = {(one.name, one.reason) for one in skipped}
    assert ("a", "no clone of no/clone") in reasons
    assert ("b:pkg/a.py", "not in the clone at the base commit") in reasons
    assert ("c", "the patch does not apply at the base commit") in reasons


def test_blocks_of_a_diff_without_context() -> None:
    diff = "@@ -1,0 +2,2 @@\n+a\n+b\n@@ -5 +7 @@\n-old\n+new\n@@ -9,2 +10,0 @@\n-x\n-y\n"
    assert find_blocks(diff) == [Block(2, 2, 0), Block(7, 1, 1)]


def test_a_block_at_the_end_without_line_break() -> None:
    assert cut_block("a\nb\nc", Block(2, 2, 0)) == ("a\n", "b\nc", "")


def test_what_was_built_can_be_scored(clone: Path, tmp_path: Path) -> None:
    rows = build_rows([make_instance(clone)], clone.parents[1], "mine", lambda one: None)
    path = tmp_path / "rows.jsonl.gz"
    assert write_data_file(path, map(asdict, rows)) == 2
    task = load_task("swebench-infill", path)
    assert (task.subset, len(task.records)) == ("mine", 2)
    checks = check_references(task)
    assert [check for check in checks if not check.is_right] == []
    sizes = {check.slice: check.num_rows for check in checks if check.rule == "lines"}
    assert sizes == {"all": 2, "insertions": 1, "lines 2-5": 2}


@pytest.mark.parametrize("name", ["i.json", "i.jsonl", "i.jsonl.gz"])
def test_instances_are_read_from_every_form(tmp_path: Path, name: str) -> None:
    one = {"instance_id": "a", "repo": "r", "base_commit": "c", "patch": "p", "more": 1}
    text = json.dumps([one]) if name == "i.json" else json.dumps(one) + "\n"
    content = text.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read_instances(path) == [one]


@pytest.mark.parametrize("text", ["{", "{}", '[{"repo": 1}]'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "i.json"
    path.write_text(text)
    with pytest.raises(DataFileError, match=r"i\.json"):
        read_instances(path)


def test_a_blank_middle_is_refused(tmp_path: Path) -> None:
    row = {
        "task_id": "a:b.py:1", "repo": "r", "file_path": "b.py", "language": "python",
        "prefix": "", "middle": "\n", "suffix": "", "split": "lite",
    }  # fmt: skip
    with pytest.raises(DataFileError, match="the middle is blank"):
        load_task("swebench-infill", write_rows(tmp_path / "d.jsonl", [row]))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "subset", "num_rows", "num_clusters"),
    [
        ("swebench_lite_infill", "lite", 315, 12),
        ("swebench_multilingual_infill_dev", "multilingual", 121, 22),
    ],
)
def test_references_of_the_real_files_score(
    file: str, subset: str, num_rows: int, num_clusters: int
) -> None:
    task = load_task("swebench-infill", shared_file(f"data/eval/swebench-infill/{file}.jsonl.gz"))
    assert (task.subset, len(task.records)) == (subset, num_rows)
    assert len({record.cluster for record in task.records}) == num_clusters
    checks = check_references(task)
    assert [check for check in checks if not check.is_right] == []
    cut = {c.rule: c.num_cut for c in checks if c.slice == "all" and c.num_cut}
    assert set(cut) <= {"lines-ahead-of-suffix"}
