"""The index that lives in a thread: nothing before it is made, and every change after."""

from pathlib import Path

from fimserve.context import BackgroundIndex
from support.small_repositories import write_files

UTILS = "def double(x):\n    return x * 2\n"
PREFIX = "from utils import double, triple\n\nprint("


def first_lines(index: BackgroundIndex, name: str) -> list[str]:
    """Return the first line of each snippet for a call."""
    found = index.find("main.py", f"{PREFIX}{name}(", ")\n", 512)
    return [snippet.text.partition("\n")[0] for snippet in found]


def test_files_that_change_come_and_go_are_followed(tmp_path: Path) -> None:
    write_files(tmp_path, {"utils.py": UTILS})
    index = BackgroundIndex(tmp_path)
    assert index.wait(20)
    assert index.is_ready
    assert first_lines(index, "double")[0] == "def double(x):"
    index.note("utils.py", "def triple(x):\n    return x * 3\n")
    assert index.wait(20)
    assert first_lines(index, "triple")[0] == "def triple(x):"
    index.note_disk(["utils.py"])
    assert index.wait(20)
    assert first_lines(index, "triple") == ["def double(x):"]
    (tmp_path / "utils.py").unlink()
    index.note_disk(["utils.py"])
    assert index.wait(20)
    assert first_lines(index, "double") == []
    index.close()


def test_nothing_is_found_where_the_folder_is_gone(tmp_path: Path) -> None:
    index = BackgroundIndex(tmp_path / "gone")
    assert index.wait(20)
    assert first_lines(index, "double") == []
    index.close()
