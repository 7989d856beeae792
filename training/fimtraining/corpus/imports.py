"""Which files of its own repository a file imports, told by names and paths alone.

No build file is read and nothing is run: an import is looked up among the paths that the corpus
kept. Where several paths fit, the one nearest in the tree wins. What belongs to another project, or
to the standard library, finds nothing and is left out. C# imports name spaces, not files; there a
file is taken to use the types whose names stand in it and belong to exactly one other file.
"""

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

MAX_IMPORTS = 16
"""Files listed of one importing file, in the order in which it names them."""

_PYTHON = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)"
    r"|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_JAVASCRIPT = re.compile(r"""(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)["']([^"'\n]+)["']""")
_JAVA = re.compile(r"^import\s+(?:static\s+)?([\w.]+?)(?:\.\*)?;", re.MULTILINE)
_GO = re.compile(r'^(?:import\s+|\s+)(?:[\w.]+\s+)?"([^"\s]+)"\s*$', re.MULTILINE)
_CPP = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)
_RUST = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:mod\s+(\w+)\s*;|use\s+((?:\w+::)*\w+))", re.MULTILINE
)
_TYPE_NAME = re.compile(r"\b[A-Z]\w{3,}")
_SCRIPT_ENDINGS = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts", ".d.ts")


class RepositoryPaths:
    """The source files of one repository, ready to be looked up.

    Args:
        paths: Paths inside the repository, of every language.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = frozenset(paths)
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_directory: dict[str, list[str]] = defaultdict(list)
        for path in paths:
            self._by_name[posixpath.basename(path)].append(path)
            self._by_directory[posixpath.dirname(path)].append(path)
        self._directories: dict[str, list[str]] = defaultdict(list)
        for directory in self._by_directory:
            self._directories[posixpath.basename(directory)].append(directory)

    def imports(self, path: str, language: str, text: str) -> list[str]:
        """Return the files that a file imports.

        Args:
            path: The importing file.
            language: Its language.
            text: Its text.

        Returns:
            Paths, each once, in the order in which they are named; at most `MAX_IMPORTS`.
        """
        rule = _RULES.get(language)
        found: dict[str, None] = {}
        for target in rule(self, path, text) if rule else ():
            if target != path:
                found.setdefault(target)
            if len(found) == MAX_IMPORTS:
                break
        return list(found)

    def exact(self, candidates: Sequence[str]) -> str | None:
        """Return the first of some paths that is there."""
        return next((path for path in candidates if path in self._paths), None)

    def by_tail(self, tail: str, near: str) -> str | None:
        """Return the path that ends with whole parts `tail`, of several the nearest one."""
        name = posixpath.basename(tail)
        fitting = [p for p in self._by_name.get(name, ()) if p == tail or p.endswith("/" + tail)]
        return max(fitting, key=lambda p: (_num_common(p, near), -len(p)), default=None)

    def directory_by_tail(self, tail: str, near: str) -> str | None:
        """Return the directory that ends with whole parts `tail`, of several the nearest one."""
        name = posixpath.basename(tail)
        fitting = [
            d for d in self._directories.get(name, ()) if d == tail or d.endswith("/" + tail)
        ]
        return max(fitting, key=lambda d: (_num_common(d, near), -len(d)), default=None)

    def files_of(self, directory: str) -> list[str]:
        """Return the files right in a directory."""
        return self._by_directory.get(directory, [])

    def only_one(self, name: str) -> str | None:
        """Return the path of a file name that exists once."""
        fitting = self._by_name.get(name, [])
        return fitting[0] if len(fitting) == 1 else None


def _num_common(path: str, near: str) -> int:
    """Return how many leading parts two paths share."""
    count = 0
    for one, other in zip(path.split("/"), near.split("/"), strict=False):
        if one != other:
            break
        count += 1
    return count


# ------------------------------------------------------------------------------------- languages


def _python(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    for dots, module, names, plain in _PYTHON.findall(text):
        if plain:
            for name in plain.split(","):
                yield from _python_module(paths, path, name.split()[0] if name.strip() else "")
            continue
        if dots:
            base = posixpath.dirname(path)
            for _ in dots[1:]:
                base = posixpath.dirname(base)
            stem = posixpath.join(base, module.replace(".", "/")) if module else base
            yield from _python_relative(paths, stem, names)
        else:
            members = [f"{module}.{name}" for name in _imported_names(names)]
            found = [t for member in members for t in _python_module(paths, path, member)]
            yield from found or _python_module(paths, path, module)


def _imported_names(names: str) -> list[str]:
    return [
        part.split()[0]
        for part in names.strip("()").replace("\n", " ").split(",")
        if part.strip() and part.split()[0].isidentifier()
    ]


def _python_relative(paths: RepositoryPaths, stem: str, names: str) -> Iterator[str]:
    inside = [
        paths.exact([f"{stem}/{name}.py".lstrip("/"), f"{stem}/{name}/__init__.py".lstrip("/")])
        for name in _imported_names(names)
    ]
    found = [target for target in inside if target]
    if not found and (whole := paths.exact([f"{stem}.py", f"{stem}/__init__.py".lstrip("/")])):
        found = [whole]
    yield from found


def _python_module(paths: RepositoryPaths, path: str, module: str) -> Iterator[str]:
    if not module or not all(part.isidentifier() for part in module.split(".")):
        return
    tail = module.replace(".", "/")
    if "/" not in tail:
        # One word may be the standard library's: only a file right beside this one counts.
        here = posixpath.dirname(path)
        beside = [posixpath.join(here, f"{tail}.py"), posixpath.join(here, tail, "__init__.py")]
        if target := paths.exact(beside):
            yield target
        return
    target = paths.by_tail(f"{tail}.py", path) or paths.by_tail(f"{tail}/__init__.py", path)
    if target:
        yield target


def _javascript(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    here = posixpath.dirname(path)
    for name in _JAVASCRIPT.findall(text):
        if name.startswith("."):
            stem = posixpath.normpath(posixpath.join(here, name))
            target = paths.exact(_script_candidates(stem))
        elif name.startswith(("@/", "~/", "src/")):
            tail = name.removeprefix("@/").removeprefix("~/")
            found = (paths.by_tail(c, path) for c in _script_candidates(tail))
            target = next((t for t in found if t), None)
        else:
            target = None
        if target:
            yield target


def _script_candidates(stem: str) -> list[str]:
    # A compiled name may be written where the source is meant: "./x.js" for x.ts.
    bare = re.sub(r"\.[mc]?jsx?$", "", stem)
    return [
        stem,
        *(bare + ending for ending in _SCRIPT_ENDINGS),
        *(f"{stem}/index{ending}" for ending in _SCRIPT_ENDINGS),
    ]


def _java(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    for name in _JAVA.findall(text):
        parts = name.split(".")
        # A static import names a member, an inner class stands behind its outer one.
        for size in range(len(parts), max(1, len(parts) - 2), -1):
            if target := paths.by_tail("/".join(parts[:size]) + ".java", path):
                yield target
                break


def _go(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    for name in _GO.findall(text):
        parts = name.split("/")
        if "." not in parts[0]:
            continue  # the standard library
        for first in range(1, len(parts)):
            directory = paths.directory_by_tail("/".join(parts[first:]), path)
            if directory is not None and directory != posixpath.dirname(path):
                sources = [p for p in paths.files_of(directory) if p.endswith(".go")]
                # The file named like its package holds its heart, where there is one.
                sources.sort(key=lambda p: posixpath.basename(p) != f"{parts[-1]}.go")
                yield from [p for p in sources if not p.endswith("_test.go")][:2]
                break


def _cpp(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    here = posixpath.dirname(path)
    for mark, name in _CPP.findall(text):
        beside = posixpath.normpath(posixpath.join(here, name))
        target = paths.exact([beside]) if mark == '"' else None
        if target is None and (mark == '"' or "/" in name):
            target = paths.by_tail(posixpath.normpath(name).lstrip("./"), path)
        if target:
            yield target


def _rust(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    here, file = posixpath.split(path)
    own = here if file in ("mod.rs", "lib.rs", "main.rs") else posixpath.join(here, file[:-3])
    root = _rust_root(paths, here)
    for module, used in _RUST.findall(text):
        if module:
            candidates = [f"{own}/{module}.rs", f"{own}/{module}/mod.rs"]
            target = paths.exact([c.lstrip("/") for c in candidates])
        else:
            target = _rust_use(paths, used.split("::"), root, own)
        if target:
            yield target


def _rust_root(paths: RepositoryPaths, directory: str) -> str:
    """Return the nearest directory upwards that holds the root of a crate."""
    while directory and not paths.exact([f"{directory}/lib.rs", f"{directory}/main.rs"]):
        directory = posixpath.dirname(directory)
    return directory


def _rust_use(paths: RepositoryPaths, parts: list[str], root: str, own: str) -> str | None:
    first, *rest = parts
    if first == "crate":
        base = root
    elif first == "self":
        base = own
    elif first == "super":
        base = posixpath.dirname(own)
        while rest and rest[0] == "super":
            base, rest = posixpath.dirname(base), rest[1:]
    else:
        return _rust_crate(paths, first, own)
    for size in range(len(rest), 0, -1):
        stem = posixpath.join(base, *rest[:size])
        if target := paths.exact([f"{stem}.rs", f"{stem}/mod.rs"]):
            return target
    return None


def _rust_crate(paths: RepositoryPaths, name: str, near: str) -> str | None:
    for directory in (name, name.replace("_", "-")):
        if target := paths.by_tail(f"{directory}/src/lib.rs", near):
            return target
    return None


def _csharp(paths: RepositoryPaths, path: str, text: str) -> Iterator[str]:
    for name in dict.fromkeys(_TYPE_NAME.findall(text)):
        if target := paths.only_one(f"{name}.cs"):
            yield target


_RULES: dict[str, Callable[[RepositoryPaths, str, str], Iterator[str]]] = {
    "python": _python,
    "typescript": _javascript,
    "javascript": _javascript,
    "java": _java,
    "go": _go,
    "cpp": _cpp,
    "rust": _rust,
    "csharp": _csharp,
}
