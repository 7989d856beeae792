"""The TypeScript compiler is fetched as a user's first run does it, by a stand-in for npm."""

import json
import os
from pathlib import Path

import pytest

from fimserve.context import ProjectFinder, Span
from fimserve.context.node_packages import NodeMissing, install_typescript

# What npm does of it: the packages that the lock file in the working directory names.
NPM = """#!/bin/sh
echo "$PWD $*" >> "{log}"
[ -f package-lock.json ] || exit 3
{before}
mkdir -p node_modules/typescript && echo '{{"version": "5"}}' > node_modules/typescript/package.json
"""


class Npm:
    """A program named npm, the only one on the PATH beside the shell's own.

    Args:
        root: Directory of this test.
    """

    def __init__(self, root: Path) -> None:
        self._program = root / "bin" / "npm"
        self._log = root / "npm.log"
        self._program.parent.mkdir()
        self.write()

    @property
    def folder(self) -> str:
        return str(self._program.parent)

    def write(self, before: str = "") -> None:
        """Make it do something first."""
        self._program.write_text(NPM.format(log=self._log, before=before))
        self._program.chmod(0o755)

    def calls(self) -> list[str]:
        """Return the arguments of each call, and where it was made."""
        return self._log.read_text().splitlines() if self._log.exists() else []


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Npm:
    npm = Npm(tmp_path)
    monkeypatch.setenv("PATH", f"{npm.folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return npm


def test_it_is_fetched_once_and_runs_no_script_of_a_package(npm: Npm, tmp_path: Path) -> None:
    first = install_typescript()
    assert install_typescript() == first
    told = json.loads((first / "node_modules/typescript/package.json").read_text())
    assert told == {"version": "5"}
    (call,) = npm.calls()
    where, *arguments = call.split()
    assert arguments[:2] == ["ci", "--ignore-scripts"]
    assert Path(where).is_relative_to(tmp_path / "cache")
    # Nothing is left over of the folder it was made in.
    assert [path.name for path in first.parent.iterdir()] == [first.name]


@pytest.mark.parametrize("before", ["exit 1", "mkdir -p node_modules/typescript; exit 1"])
def test_a_fetch_that_fails_leaves_nothing_and_is_tried_again(npm: Npm, before: str) -> None:
    npm.write(
        "echo 'npm warn config' >&2; echo 'npm error code E404' >&2; "
        f"echo 'npm error 404 Not Found' >&2; {before}"
    )
    with pytest.raises(NodeMissing, match=r"\(npm error 404 Not Found\); is the registry"):
        install_typescript()
    npm.write()
    assert (install_typescript() / "node_modules" / "typescript").is_dir()


def test_without_npm_the_reason_is_told_and_counted(
    npm: Npm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "node" / "node"
    node.parent.mkdir()
    node.write_text("#!/bin/sh\necho v22.0.0\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(node.parent))
    with pytest.raises(NodeMissing, match="npm is not on the PATH"):
        install_typescript()
    with ProjectFinder(tmp_path) as finder:
        assert finder.find(Span("a.ts", "const x = ", "make()", ";\n")) is None
        (reason,) = finder.left_out
    assert reason.startswith("typescript: npm is not on the PATH")
