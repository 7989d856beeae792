"""What is said about machine, commit, command and weights, and what is left out."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fimeval import provenance
from fimeval.provenance import describe_command, describe_provenance, hash_weights


def test_weights_hash_is_that_of_the_joined_files(tmp_path: Path) -> None:
    (tmp_path / "model-00002.safetensors").write_bytes(b"second")
    (tmp_path / "model-00001.safetensors").write_bytes(b"first")
    (tmp_path / "config.json").write_text("{}")
    assert hash_weights(tmp_path) == hashlib.sha256(b"firstsecond").hexdigest()


def test_a_directory_without_weights_has_no_hash(tmp_path: Path) -> None:
    assert hash_weights(tmp_path) is None


def test_the_environment_names_versions_without_importing_torch() -> None:
    found = describe_provenance().environment
    assert found.packages["numpy"] == np.__version__
    assert found.num_cores >= 1
    assert found.cpu


@pytest.mark.parametrize("program", ["/opt/venv/bin/fimserve", "/src/fimserve/__main__.py"])
def test_the_command_line_names_no_absolute_path(program: str, tmp_path: Path) -> None:
    argv = [program, "eval", "--data", str(tmp_path / "d 1.jsonl"), "--json"]
    assert describe_command(argv) == "fimserve eval --data 'd 1.jsonl' --json"


def test_the_command_line_keeps_relative_paths() -> None:
    argv = ["fimserve", "eval", "--data", "../data/d.jsonl"]
    assert describe_command(argv) == "fimserve eval --data ../data/d.jsonl"


def make_checkout(root: Path) -> Path:
    """Make a git checkout with a module in it and return the module."""
    module = root / "eval" / "fimeval" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    results = root / "eval" / "results"
    results.mkdir()
    (results / "a.jsonl").write_text("")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    return module


def test_the_checkout_is_dirty_by_its_code_and_not_by_its_results(tmp_path: Path) -> None:
    module = make_checkout(tmp_path)
    commit, is_dirty = provenance._describe_checkout(module)
    assert commit is not None
    assert len(commit) == 40
    assert is_dirty is False
    (tmp_path / "eval" / "results" / "a.jsonl").write_text("{}\n")
    assert provenance._describe_checkout(module) == (commit, False)
    module.write_text("x = 2\n")
    assert provenance._describe_checkout(module) == (commit, True)


def test_a_file_that_git_does_not_hold_has_no_commit(tmp_path: Path) -> None:
    stranger = make_checkout(tmp_path).parents[2] / "venv" / "fimeval" / "provenance.py"
    stranger.parent.mkdir(parents=True)
    stranger.write_text("x = 1\n")
    assert provenance._describe_checkout(stranger) == (None, None)


def test_evaluation_imports_neither_torch_nor_the_engine() -> None:
    code = (
        "import sys, fimeval.run, fimeval.generate, fimeval.http_completer, fimeval.table; "
        "rooms = ('torch', 'transformers', 'fimserve.engine', 'fimserve.models', 'fastapi'); "
        "print([name for name in rooms if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
