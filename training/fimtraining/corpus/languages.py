"""Which files are source code of which language, told by their extension alone."""

from pathlib import PurePosixPath

LANGUAGE_BY_EXTENSION = {
    ".py": "python",
    ".pyi": "python",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
    ".js": "javascript",
    ".jsx": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".java": "java",
    ".go": "go",
}


def detect_language(path: str) -> str | None:
    """Return the language of a repository path, or None for a file the corpus has no use for."""
    return LANGUAGE_BY_EXTENSION.get(PurePosixPath(path).suffix.lower())
