"""Making infilling rows of SWE-bench instances: the blocks of lines that a fix adds.

For each file that a fix changes and that was there before: `after` is the file at the base commit
with the fix applied, and a row is a maximal block of added lines in it, with 2 to 20 lines that are
not blank. Other blocks stay visible. Files that the fix adds or deletes and generated files have no
rows.
"""

import gzip
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fimeval.errors import DataFileError

MIN_LINES = 2
MAX_LINES = 20

LANGUAGES: Mapping[str, str] = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript",
    ".jsx": "javascript", ".ts": "typescript", ".tsx": "typescript", ".java": "java", ".go": "go",
    ".rs": "rust", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp",
    ".cs": "csharp", ".rb": "ruby", ".php": "php", ".kt": "kotlin", ".scala": "scala",
}  # fmt: skip
"""Endings that count as code; a file with another one has no rows."""

GENERATED = re.compile(r"(^|[/_.-])(generated|single_include|vendor|third_party)([/_.-]|$)|\.lock$")

HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class Block:
    """A maximal block of added lines."""

    start: int
    """Line of the fixed file, counted from 1, where it begins."""
    lines: int
    num_removed: int
    """Lines that the same change removed."""


@dataclass(frozen=True, slots=True)
class InfillRow:
    """One row as the files of the task have them."""

    task_id: str
    repo: str
    base_commit: str
    file_path: str
    language: str
    prefix: str
    middle: str
    suffix: str
    num_lines: int
    pure_insertion: bool
    split: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """An instance or a file that gave no row, and why."""

    name: str
    reason: str


def read_instances(path: Path) -> list[dict[str, Any]]:
    """Read SWE-bench instances.

    Args:
        path: A `.json` list, or JSON lines, plain or gzip.

    Returns:
        The instances; each has instance_id, repo, base_commit and patch as text.

    Raises:
        DataFileError: If the file is of another shape.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8")
        found = (
            json.loads(text)
            if path.suffix == ".json"
            else [json.loads(line) for line in text.split("\n") if line.strip()]
        )
    except (OSError, EOFError, ValueError) as error:
        raise DataFileError(f"{path} is no readable file of instances ({error})") from error
    names = ("instance_id", "repo", "base_commit", "patch")
    if not isinstance(found, list):
        raise DataFileError(f"{path} holds no list of instances")
    for number, one in enumerate(found, start=1):
        if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in names):
            raise DataFileError(f"{path}, instance {number}: needs {', '.join(names)} as text")
    return found


def build_rows(
    instances: list[dict[str, Any]],
    clones: Path,
    split: str,
    on_skip: Callable[[Skipped], None],
) -> Iterator[InfillRow]:
    """Yield the rows of instances, one after another.

    Args:
        instances: From read_instances.
        clones: Directory of git clones, bare or not.
        split: Name of the SWE-bench set.
        on_skip: Told of every instance and file that gives no row.

    Yields:
        InfillRow: In the order of instances, files and lines.
    """
    for instance in instances:
        clone = find_clone(clones, instance["repo"])
        if clone is None:
            on_skip(Skipped(instance["instance_id"], f"no clone of {instance['repo']}"))
        else:
            yield from _build_instance(instance, clone, split, on_skip)


def find_clone(clones: Path, repo: str) -> Path | None:
    """Return the clone of a repository in a directory of clones, None where there is none."""
    flat = repo.replace("/", "__")
    names = (repo, f"{repo}.git", flat, f"{flat}.git", repo.rpartition("/")[2])
    return next((clones / name for name in names if (clones / name).is_dir()), None)


def find_blocks(diff: str) -> list[Block]:
    """Return the blocks of added lines of a unified diff of one file.

    Args:
        diff: The diff, with any number of context lines.

    Returns:
        Blocks in the order of the file.
    """
    blocks: list[Block] = []
    line = 0
    added = removed = 0
    is_inside = False

    def end() -> None:
        nonlocal added, removed
        if added:
            blocks.append(Block(line - added, added, removed))
        added = removed = 0

    for text in diff.split("\n"):
        if found := HUNK.match(text):
            end()
            line = int(found[2]) + (1 if found[3] == "0" else 0)
            is_inside = True
        elif not is_inside or text.startswith("\\"):
            continue
        elif text.startswith("+"):
            added += 1
            line += 1
        elif text.startswith("-"):
            # Lines that are removed behind added ones belong to the same change.
            removed += 1
        else:
            end()
            line += 1
    end()
    return blocks


def cut_block(after: str, block: Block) -> tuple[str, str, str]:
    """Return the fixed file as prefix, middle and suffix around a block; joined they are the file.

    Args:
        after: The fixed file.
        block: One of its blocks.

    Returns:
        The three texts; the middle ends with its line break where the file has one there.
    """
    lines = after.split("\n")
    ends = [line + "\n" for line in lines[:-1]] + lines[-1:]
    start = block.start - 1
    pieces = ends[:start], ends[start : start + block.lines], ends[start + block.lines :]
    prefix, middle, suffix = ("".join(piece) for piece in pieces)
    return prefix, middle, suffix


def _build_instance(
    instance: dict[str, Any], clone: Path, split: str, on_skip: Callable[[Skipped], None]
) -> Iterator[InfillRow]:
    name, base = instance["instance_id"], instance["base_commit"]
    with tempfile.TemporaryDirectory(prefix="fimserve-swebench-") as directory:
        root = Path(directory)
        for path in _list_changed(instance["patch"]):
            where = f"{name}:{path}"
            language = LANGUAGES.get(PurePosixPath(path).suffix)
            if language is None:
                on_skip(Skipped(where, "no code by its ending"))
                continue
            if GENERATED.search(path):
                on_skip(Skipped(where, "generated or vendored by its name"))
                continue
            shown = _git(clone, "show", f"{base}:{path}")
            if shown is None:
                on_skip(Skipped(where, "not in the clone at the base commit"))
                continue
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(shown)
        applied = subprocess.run(
            ["git", "apply", "--whitespace=nowarn", *_excludes(instance["patch"], root), "-"],
            cwd=root,
            input=instance["patch"].encode(),
            capture_output=True,
            check=False,
        )
        if applied.returncode:
            on_skip(Skipped(name, "the patch does not apply at the base commit"))
            return
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            path = file.relative_to(root).as_posix()
            before = _git(clone, "show", f"{base}:{path}")
            yield from _build_file(instance, path, before or b"", file.read_bytes(), split, on_skip)


def _build_file(
    instance: dict[str, Any],
    path: str,
    before: bytes,
    after: bytes,
    split: str,
    on_skip: Callable[[Skipped], None],
) -> Iterator[InfillRow]:
    name = instance["instance_id"]
    try:
        text = after.decode("utf-8")
    except UnicodeDecodeError:
        on_skip(Skipped(f"{name}:{path}", "not UTF-8"))
        return
    for block in find_blocks(_diff(before, after)):
        prefix, middle, suffix = cut_block(text, block)
        num_filled = sum(1 for line in middle.split("\n") if line.strip())
        if not MIN_LINES <= num_filled <= MAX_LINES:
            on_skip(
                Skipped(f"{name}:{path}:{block.start}", f"not {MIN_LINES} to {MAX_LINES} lines")
            )
            continue
        yield InfillRow(
            task_id=f"{name}:{path}:{block.start}",
            repo=instance["repo"],
            base_commit=instance["base_commit"],
            file_path=path,
            language=LANGUAGES[PurePosixPath(path).suffix],
            prefix=prefix,
            middle=middle,
            suffix=suffix,
            num_lines=block.lines,
            pure_insertion=block.num_removed == 0,
            split=split,
        )


def _list_changed(patch: str) -> list[str]:
    """Return the paths of files that a patch changes and neither adds nor deletes."""
    found = []
    for part in re.split(r"^(?=diff --git )", patch, flags=re.MULTILINE):
        old = re.search(r"^--- a/(.+?)\t?$", part, re.MULTILINE)
        new = re.search(r"^\+\+\+ b/(.+?)\t?$", part, re.MULTILINE)
        if old and new and old[1] == new[1]:
            found.append(old[1])
    return found


def _excludes(patch: str, root: Path) -> list[str]:
    # Only the files that were written may be patched; an empty directory would be an error.
    names = re.findall(r"^(?:---|\+\+\+) [ab]/(.+?)\t?$", patch, re.MULTILINE)
    return [f"--exclude={name}" for name in sorted(set(names)) if not (root / name).is_file()]


def _diff(before: bytes, after: bytes) -> str:
    with tempfile.TemporaryDirectory() as directory:
        old, new = Path(directory, "old"), Path(directory, "new")
        old.write_bytes(before)
        new.write_bytes(after)
        command = ["git", "diff", "--no-index", "--no-color", "--unified=0", str(old), str(new)]
        done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace")


def _git(clone: Path, *arguments: str) -> bytes | None:
    done = subprocess.run(["git", "-C", str(clone), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
