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
    ".rs": "rust",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".h": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".cs": "csharp",
}


def detect_language(path: str) -> str | None:
    """Return the language of a repository path, or None for a file of no language known here."""
    return LANGUAGE_BY_EXTENSION.get(PurePosixPath(path).suffix.lower())
