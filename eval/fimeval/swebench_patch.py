"""The patch of an answer: the upstream fix with one hole filled by what a model wrote.

A row's file around the hole is the fixed file, so what stood there before the fix is found by
taking the fix back from it; no clone is needed. The fix's changes to other files stay as they are.
"""

import re
import subprocess
import tempfile
from pathlib import Path

from fimeval.errors import DataFileError


def make_patch(fix: str, path: str, fixed: str, filled: str) -> str:
    """Return the patch that leads from the repository before the fix to the filled file.

    Args:
        fix: The upstream fix, a git diff.
        path: The row's file.
        fixed: That file as the fix leaves it.
        filled: The same with the hole filled by an answer.

    Returns:
        A git diff; empty where the answer takes back the whole of a fix of one file.

    Raises:
        DataFileError: If the fix does not lead to the fixed file.
    """
    parts = split_patch(fix)
    if path not in parts:
        raise DataFileError(f"the instance's patch does not change {path}; give the file of "
                            "instances that the rows were built from")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="fimserve-swebench-") as directory:
        root = Path(directory)
        before = _take_back(root, path, fixed, parts.pop(path))
        own = _diff(root, path, before, filled)
    return "".join((*parts.values(), own))


def split_patch(patch: str) -> dict[str, str]:
    """Return the parts of a git diff by the path that each file has afterwards, else before."""
    parts = {}
    for part in re.split(r"^(?=diff --git )", patch, flags=re.MULTILINE):
        found = re.match(r"diff --git a/.+? b/(.+)\n", part)
        if found:
            parts[found[1]] = part if part.endswith("\n") else part + "\n"
    return parts


def _take_back(root: Path, path: str, fixed: str, part: str) -> bytes:
    file = root / "work" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(fixed.encode())
    command = ["git", "apply", "-R", "--whitespace=nowarn", "-"]
    done = subprocess.run(
        command, cwd=root / "work", input=part.encode(), capture_output=True, check=False
    )
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip()
        raise DataFileError(f"the fix of {path} cannot be taken back ({reason})")
    return file.read_bytes()


def _diff(root: Path, path: str, before: bytes, filled: str) -> str:
    for side, content in (("a", before), ("b", filled.encode())):
        file = root / side / path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    command = ["git", "diff", "--no-index", "--no-color", "--no-prefix", f"a/{path}", f"b/{path}"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    return done.stdout.decode("utf-8")
