"""Answers by tests: the patch is the fix with the hole filled, and the harness is asked by process.

No Docker is needed here: a made-up `swebench` package and `docker` command stand at the boundary.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fimeval.data_file import write_data_file
from fimeval.errors import DataFileError
from fimeval.swebench import build_rows
from fimeval.swebench_patch import make_patch, split_patch
from support.cli import CommandLine
from support.completions_server import openai_body, serve_completions
from support.git_repositories import commit_files, make_repository, run_git

BEFORE = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"
AFTER = (
    "def f():\n    # new\n    x = 1\n    return x\n\n\ndef g():\n    return 2\n"
    "\n\ndef h():\n    y = 3\n    return y"  # no line break at the end
)
OTHER = "a = 1\n"

HARNESS = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
for name in ("dataset_name", "predictions_path", "run_id", "max_workers", "timeout"):
    parser.add_argument("--" + name)
given = parser.parse_args()
instances = {one["instance_id"] for one in json.loads(pathlib.Path(given.dataset_name).read_text())}
print("harness at work")
for line in pathlib.Path(given.predictions_path).read_text().splitlines():
    one = json.loads(line)
    assert one["instance_id"] in instances
    if "no_report" in one["model_patch"]:
        continue
    folder = pathlib.Path("logs/run_evaluation", given.run_id, one["model_name_or_path"])
    folder = folder / one["instance_id"]
    folder.mkdir(parents=True)
    report = {one["instance_id"]: {"resolved": "right" in one["model_patch"]}}
    (folder / "report.json").write_text(json.dumps(report))
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    path = tmp_path / "clones" / "owner" / "name"
    make_repository(path, {"pkg/a.py": BEFORE, "pkg/b.py": OTHER})
    return path


@pytest.fixture
def instance(clone: Path) -> dict[str, Any]:
    base = run_git(clone, "rev-parse", "HEAD")
    commit_files(clone, {"pkg/a.py": AFTER, "pkg/b.py": OTHER + "b = 2\n"})
    patch = run_git(clone, "diff", base, "HEAD") + "\n"
    return {
        "instance_id": "owner__name-1", "repo": "owner/name", "base_commit": base, "patch": patch,
        "test_patch": "", "FAIL_TO_PASS": "[]",
    }  # fmt: skip


def apply(clone: Path, base: str, patch: str) -> dict[str, str]:
    """Return the files that a patch makes of the base commit."""
    run_git(clone, "checkout", "--force", "--quiet", base)
    subprocess.run(["git", "apply", "-"], cwd=clone, input=patch.encode(), check=True)
    return {path.name: path.read_text() for path in (clone / "pkg").iterdir()}


def test_the_patch_leads_to_the_file_with_the_hole_filled(
    clone: Path, instance: dict[str, Any]
) -> None:
    filled = AFTER.replace("    # new\n    x = 1\n", "    x = two()\n")
    patch = make_patch(instance["patch"], "pkg/a.py", AFTER, filled)
    assert apply(clone, instance["base_commit"], patch) == {
        "a.py": filled,
        "b.py": OTHER + "b = 2\n",
    }


def test_the_reference_gives_the_fix_and_taking_back_a_fix_of_one_file_gives_nothing(
    clone: Path, instance: dict[str, Any]
) -> None:
    patch = make_patch(instance["patch"], "pkg/a.py", AFTER, AFTER)
    assert apply(clone, instance["base_commit"], patch)["a.py"] == AFTER
    only = split_patch(instance["patch"])["pkg/a.py"]
    assert make_patch(only, "pkg/a.py", AFTER, BEFORE) == ""


def test_a_fix_of_another_file_is_refused(instance: dict[str, Any]) -> None:
    with pytest.raises(DataFileError, match=r"does not change pkg/c\.py"):
        make_patch(instance["patch"], "pkg/c.py", AFTER, AFTER)
    with pytest.raises(DataFileError, match="cannot be taken back"):
        make_patch(instance["patch"], "pkg/a.py", "other\n", AFTER)


@pytest.fixture
def answered(clone: Path, instance: dict[str, Any], fimserve: CommandLine) -> Path:
    """A finished run: the first hole is answered wrong, the second one in other words."""
    rows = [asdict(r) for r in build_rows([instance], clone.parents[1], "mine", lambda one: None)]
    assert [row["task_id"] for row in rows] == [
        "owner__name-1:pkg/a.py:2",
        "owner__name-1:pkg/a.py:9",
    ]
    write_data_file(Path("rows.jsonl"), rows)
    Path("instances.json").write_text(json.dumps([instance]))

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        is_first = body["prompt"].endswith("def f():\n")
        return 200, openai_body(
            "    return 9\n" if is_first else "\n\ndef h():  # right\n    return 3"
        )

    with serve_completions(answer) as server:
        outcome = fimserve("eval", "swebench-infill", "--data", "rows.jsonl", "--url", server.url,
                           "--output", "run", "--json")  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    return Path("run/generations.jsonl")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up package and command where the real ones would be."""
    package = tmp_path / "packages" / "swebench" / "harness"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "run_evaluation.py").write_text(HARNESS)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nexit 0\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{package.parents[1]}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(package.parents[1]))
    return package


def test_answers_are_judged_by_the_harness(
    answered: Path, harness: Path, fimserve: CommandLine, clone: Path, instance: dict[str, Any]
) -> None:
    command = ("eval", "test-swebench", answered, "--instances", "instances.json", "--json")
    outcome = fimserve(*command)
    assert outcome.exit_code == 0, outcome.stderr
    line = json.loads(outcome.stdout)
    assert line["verdicts"] == {"failed": 1, "passed": 1}
    assert (line["value"], line["num_rows"]) == (0.5, 2)
    predictions = sorted(Path("run/swebench").glob("round-*.jsonl"))
    assert len(predictions) == 2  # one patch per instance and run
    patches = [json.loads(path.read_text())["model_patch"] for path in predictions]
    files = [apply(clone, instance["base_commit"], patch)["a.py"] for patch in patches]
    assert files[0].startswith("def f():\n    return 9\n\n\ndef g")
    assert files[1].endswith("\n\ndef h():  # right\n    return 3")
    rows = json.loads(Path("run/tests.json").read_text())["rows"]
    assert [row["verdict"] for row in rows] == ["failed", "passed"]


def test_an_instance_without_report_does_not_pass(
    answered: Path, harness: Path, fimserve: CommandLine
) -> None:
    text = (harness / "run_evaluation.py").read_text().replace("no_report", "return 9")
    (harness / "run_evaluation.py").write_text(text)
    outcome = fimserve("eval", "test-swebench", answered, "--instances", "instances.json", "--json")
    assert json.loads(outcome.stdout)["verdicts"] == {"no-report": 1, "passed": 1}


def test_a_harness_that_fails_is_told(answered: Path, harness: Path, fimserve: CommandLine) -> None:
    (harness / "run_evaluation.py").write_text("raise SystemExit(7)\n")
    outcome = fimserve("eval", "test-swebench", answered, "--instances", "instances.json")
    assert outcome.exit_code == 1
    assert "ended with code 7" in outcome.stderr


def test_what_is_missing_is_said(
    tmp_path: Path, fimserve: CommandLine, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    command = ("eval", "test-swebench", "run/generations.jsonl", "--instances", "i.json")
    if "swebench" not in sys.modules:
        assert "pip install swebench" in fimserve(*command).stderr
    package = request.getfixturevalue("harness")
    docker = package.parents[2] / "bin" / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    outcome = fimserve(*command)
    assert outcome.exit_code == 1
    assert "Docker does not answer (Cannot connect" in outcome.stderr
    docker.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no docker command here" in fimserve(*command).stderr
