"""Line comments by language: how pieces of other files enter a prompt without file markers.

The layout is that of Tabby (TabbyML/tabby, services/completion/completion_prompt.rs): a `Path:`
line, the piece, an empty line between pieces, each line commented out. Knows nothing of tokens.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from fimserve.prompt.parts import Snippet

_LANGUAGES_BY_MARK = {
    "#": "python ruby shellscript bash sh zsh fish yaml toml r perl elixir makefile dockerfile "
    "julia nim coffeescript powershell cmake gdscript starlark tcl crystal graphql terraform nix",
    "//": "c cpp objective-c objective-cpp cuda-cpp csharp go java javascript javascriptreact "
    "typescript typescriptreact rust kotlin swift scala groovy php dart zig jsonc proto3 proto "
    "solidity fsharp scss less verilog systemverilog v d vue svelte glsl hlsl",
    "--": "lua sql haskell ada elm vhdl purescript",
    ";": "lisp clojure scheme racket emacs-lisp asm ini",
    "%": "tex latex matlab erlang prolog",
    "!": "fortran fortran-modern",
    "'": "vb",
    '"': "viml vim",
}
_MARKS = {name: mark for mark, names in _LANGUAGES_BY_MARK.items() for name in names.split()}

_SUFFIXES_BY_LANGUAGE = {
    "python": "py pyi pyx",
    "javascript": "js mjs cjs",
    "javascriptreact": "jsx",
    "typescript": "ts mts cts",
    "typescriptreact": "tsx",
    "java": "java",
    "go": "go",
    "rust": "rs",
    "c": "c h",
    "cpp": "cc cpp cxx hpp hh hxx",
    "csharp": "cs",
    "ruby": "rb",
    "php": "php",
    "kotlin": "kt kts",
    "swift": "swift",
    "scala": "scala sc",
    "dart": "dart",
    "lua": "lua",
    "shellscript": "sh bash zsh",
    "sql": "sql",
    "haskell": "hs",
    "julia": "jl",
    "r": "r",
    "perl": "pl pm",
    "elixir": "ex exs",
    "clojure": "clj cljs cljc",
    "zig": "zig",
    "yaml": "yaml yml",
    "toml": "toml",
    "erlang": "erl",
    "fortran": "f90 f95 f03",
    "vue": "vue",
    "svelte": "svelte",
    "objective-c": "m",
    "cuda-cpp": "cu cuh",
    "proto": "proto",
}
_LANGUAGES = {
    suffix: language
    for language, suffixes in _SUFFIXES_BY_LANGUAGE.items()
    for suffix in suffixes.split()
}


def line_comment(language: str | None, path: str | None = None) -> str | None:
    """Return the mark that starts a line comment, or None where the language has none.

    Languages are named by the ids that editors send, in any case; where the id is missing, the
    ending of the path decides.
    """
    if language is None and path is not None:
        language = _LANGUAGES.get(PurePosixPath(path).suffix.lstrip(".").lower())
    return _MARKS.get(language.lower()) if language else None


def comment_blocks(snippets: Sequence[Snippet], mark: str) -> tuple[str, ...]:
    """Return one commented text per snippet; joined, they are the block before the prefix."""
    blocks = [_comment(_lines(snippet), mark) for snippet in snippets]
    separator = _comment([""], mark)
    return tuple(separator + block if i else block for i, block in enumerate(blocks))


def _lines(snippet: Snippet) -> list[str]:
    header = [f"Path: {snippet.path}"] if snippet.path else []
    return header + snippet.text.rstrip("\n").split("\n")


def _comment(lines: Sequence[str], mark: str) -> str:
    return "".join(f"{mark} {line}\n" if line else f"{mark}\n" for line in lines)
