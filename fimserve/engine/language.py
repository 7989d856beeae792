"""One name for each language: the ids that editors send, and what the ending of a path tells.

Knows nothing of grammars.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from types import MappingProxyType

_LANGUAGES_BY_ENDING = MappingProxyType(
    {
        ending: language
        for language, endings in {
            "python": "py pyi pyx",
            "javascript": "js mjs cjs",
            "javascriptreact": "jsx",
            "typescript": "ts mts cts",
            "typescriptreact": "tsx",
            "java": "java",
            "go": "go",
            "rust": "rs",
            "c": "c",
            "cpp": "cc cpp cxx h hpp hh hxx",
            "csharp": "cs",
            "ruby": "rb",
            "php": "php",
            "kotlin": "kt kts",
            "swift": "swift",
            "scala": "scala sc",
            "lua": "lua",
            "shellscript": "sh bash zsh",
            "yaml": "yaml yml",
            "toml": "toml",
            "sql": "sql",
        }.items()
        for ending in endings.split()
    }
)
_ALIASES = MappingProxyType(
    {
        "py": "python",
        "js": "javascript",
        "jsx": "javascriptreact",
        "ts": "typescript",
        "tsx": "typescriptreact",
        "golang": "go",
        "rs": "rust",
        "c++": "cpp",
        "cuda-cpp": "cpp",
        "c#": "csharp",
        "c_sharp": "csharp",
    }
)


def language_of(language: str | None, path: str | None = None) -> str | None:
    """Return the id of a language as editors name it, told by the path where it is missing."""
    if language:
        name = language.lower()
        return _ALIASES.get(name, name)
    ending = PurePosixPath(path).suffix.lstrip(".").lower() if path else ""
    return _LANGUAGES_BY_ENDING.get(ending)
