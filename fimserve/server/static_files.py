"""Files that are served as they lie in a package: their bytes, their type, what names them.

Only what a manifest lists exists, and a name is looked up, never joined to a path. Knows nothing
of routes or pages.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

__all__ = ["StaticFile", "load_static_files"]

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
"""Stated here: what `mimetypes` says depends on the machine."""

GZIP_LEVEL = 6


@dataclass(frozen=True)
class StaticFile:
    """One file; read and compressed once, when it is first asked for."""

    name: str
    etag: str
    """Hash of the content, as HTTP writes it."""
    source: Traversable

    @property
    def media_type(self) -> str:
        """Content type by the ending of the name."""
        return MEDIA_TYPES[PurePosixPath(self.name).suffix]

    @cached_property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.source.read_bytes()

    @cached_property
    def gzipped(self) -> bytes:
        """The file's bytes, compressed."""
        return gzip.compress(self.content, GZIP_LEVEL, mtime=0)


def load_static_files(package: str) -> dict[str, StaticFile]:
    """Return the files that a package's `static/manifest.json` lists, by name.

    Args:
        package: Name of the package.

    Returns:
        The files; none is read yet.
    """
    folder = files(package) / "static"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    # Weak, because a file and its compressed form share it.
    return {
        name: StaticFile(name, f'W/"{entry["sha256"][:32]}"', folder / name)
        for name, entry in manifest["files"].items()
    }
