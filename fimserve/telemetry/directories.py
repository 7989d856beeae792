"""Directories that are still there after a power cut, and only their owner's."""

import os
from pathlib import Path

__all__ = ["make_directory", "sync_directory"]


def make_directory(folder: Path) -> None:
    """Create a directory and those above it where they are missing; their entries are synced.

    Args:
        folder: The directory.
    """
    if folder.is_dir():
        return
    make_directory(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_directory(folder.parent)


def sync_directory(folder: Path) -> None:
    """Make the entries of a directory durable: what was created, renamed or deleted in it.

    Args:
        folder: The directory.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
