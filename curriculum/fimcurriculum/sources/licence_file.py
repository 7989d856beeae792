"""Read the licence of a whole repository from the files in its root."""

from pathlib import Path

from fimcurriculum.sources.clone import TreeFile, read_blobs
from fimcurriculum.sources.licences import LICENCE_FILE, detect_licence

__all__ = ["read_licence"]


def read_licence(git_dir: Path, files: list[TreeFile]) -> str | None:
    """Return the SPDX identifier found in the root's licence files, or None if none is clear.

    Several permissive files (say LICENSE-MIT beside LICENSE-APACHE) give the first by name; one
    file with other terms refuses the repository.
    """
    licence_files = sorted(
        (f for f in files if "/" not in f.path and LICENCE_FILE.match(f.path)),
        key=lambda f: f.path,
    )
    found = [
        detect_licence(content.decode("utf-8", "replace"))
        for _, content in read_blobs(git_dir, licence_files)
    ]
    return None if not found or None in found else found[0]
