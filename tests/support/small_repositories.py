"""Repositories of a few files, for tests of context from other files."""

from pathlib import Path

__all__ = ["write_files"]


def write_files(root: Path, files: dict[str, str]) -> Path:
    """Write files into a folder.

    Args:
        root: The folder.
        files: Texts by path.

    Returns:
        The folder.
    """
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    return root
