"""The committed files of the pages: made from the committed sources, small, and complete."""

import hashlib
import json
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "fimserve" / "web"
MANIFEST = json.loads((WEB / "static" / "manifest.json").read_text())

BUILD_FILES = (
    "build.mjs",
    "monaco_changes.mjs",
    "package-lock.json",
    "package.json",
    "tsconfig.json",
)
MAX_BYTES = 3_500_000
MIN_SOURCES = 30


def sources() -> list[str]:
    found = [path for path in (WEB / "src").rglob("*") if path.is_file()]
    return sorted([*BUILD_FILES, *(path.relative_to(WEB).as_posix() for path in found)])


def test_static_files_are_made_from_these_sources() -> None:
    whole = hashlib.sha256()
    for name in sources():
        whole.update(name.encode() + b"\0" + (WEB / name).read_bytes() + b"\0")
    assert len(sources()) > MIN_SOURCES
    assert whole.hexdigest() == MANIFEST["sources_sha256"], "run `make web` and commit static/"


@pytest.mark.parametrize("name", MANIFEST["files"])
def test_a_static_file_is_what_the_build_wrote(name: str) -> None:
    content = (WEB / "static" / name).read_bytes()
    assert len(content) == MANIFEST["files"][name]["bytes"]
    assert hashlib.sha256(content).hexdigest() == MANIFEST["files"][name]["sha256"]


def test_the_manifest_lists_every_file() -> None:
    present = {path.name for path in (WEB / "static").iterdir()}
    assert present == {*MANIFEST["files"], "manifest.json"}


def test_all_files_together_stay_small() -> None:
    assert sum(entry["bytes"] for entry in MANIFEST["files"].values()) < MAX_BYTES


def test_the_lock_names_no_registry() -> None:
    lock = (WEB / "package-lock.json").read_text()
    assert "monaco-editor" in lock
    assert "resolved" not in lock
    assert "://" not in lock


def test_monacos_licence_is_carried_along() -> None:
    text = (WEB / "static" / "monaco-licence.txt").read_text()
    assert "MIT License" in text
    assert "Microsoft Corporation" in text


def test_every_sample_says_where_the_cursor_stands() -> None:
    samples = list((WEB / "src" / "samples").rglob("*.txt"))
    assert len({sample.parent.name for sample in samples}) == 8
    assert len(samples) >= 16
    for sample in samples:
        assert sample.read_text(encoding="utf-8").count("█") == 1, sample
