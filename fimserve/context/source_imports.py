"""Import statements of all languages in one form: a module as a path, a name, what it is called.

Modules become paths with slashes and without ending, relative ones resolved against the file that
imports them, so that one rule (`import_match.py`) tells which files they mean.
"""

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Import", "read_imports"]


class Import(NamedTuple):
    """One name that a file takes from elsewhere, or a whole module."""

    module: str
    """Path of the module without ending, such as `pkg/shapes`; absolute ones may lack a root."""
    name: str | None = None
    """Name inside the module; None where the module as a whole is meant."""
    alias: str | None = None
    """What it is called here, where that differs from its name."""
    is_relative: bool = False
    """Whether `module` is a path from the root of the repository."""


def read_imports(node: "Node", language: str, path: str) -> list[Import]:
    """Return what an import statement brings.

    Args:
        node: The statement.
        language: Its language.
        path: Path of the file, which relative modules start from.

    Returns:
        One entry per name, or one for the module.
    """
    match language:
        case "python":
            return list(_read_python(node, path))
        case "javascript" | "typescript" | "tsx":
            return list(_read_javascript(node, path))
        case "rust":
            return list(_read_rust(node.child_by_field_name("argument"), ()))
        case "go":
            module = _text(node.child_by_field_name("path")).strip('"`')
            return [Import(module, None, _text(node.child_by_field_name("name")) or None)]
        case "cpp":
            written = _text(node.child_by_field_name("path")).strip('"<>')
            return [Import(posixpath.splitext(written)[0])]
        case _:  # Java, C#
            return _read_dotted(node)


def _read_python(node: "Node", path: str) -> Iterator[Import]:
    source = node.child_by_field_name("module_name")
    module, is_relative = ("", False) if source is None else _python_module(_text(source), path)
    names = node.children_by_field_name("name")
    if source is not None and not names:  # from x import *
        yield Import(module, is_relative=is_relative)
    for child in names:
        is_aliased = child.type == "aliased_import"
        name = _text(child.child_by_field_name("name") if is_aliased else child)
        alias = _text(child.child_by_field_name("alias")) or None if is_aliased else None
        if source is None:
            yield Import(name.replace(".", "/"), None, alias)
        else:
            yield Import(module, name, alias, is_relative)


def _python_module(text: str, path: str) -> tuple[str, bool]:
    rest = text.lstrip(".")
    num_dots = len(text) - len(rest)
    module = rest.replace(".", "/")
    if not num_dots:
        return module, False
    folder = posixpath.dirname(path)
    for _ in range(num_dots - 1):
        folder = posixpath.dirname(folder)
    return posixpath.join(folder, module).rstrip("/"), True


def _read_javascript(node: "Node", path: str) -> Iterator[Import]:
    source = node.child_by_field_name("source")
    if source is None:  # const { a, b: c } = require("./x")
        call = node.child_by_field_name("value")
        arguments = None if call is None else call.child_by_field_name("arguments")
        source = next(iter(arguments.named_children), None) if arguments is not None else None
    if source is None:
        return
    module, is_relative = _javascript_module(_text(source).strip("\"'`"), path)
    found = False
    for specifier in _specifiers(node):
        found = True
        yield Import(module, *specifier, is_relative)
    if not found:
        yield Import(module, is_relative=is_relative)


def _specifiers(node: "Node") -> Iterator[tuple[str | None, str | None]]:
    for child in node.named_children:
        match child.type:
            case "import_specifier" | "export_specifier" | "pair_pattern":
                keys = ("key", "value") if child.type == "pair_pattern" else ("name", "alias")
                name, alias = (_text(child.child_by_field_name(key)) for key in keys)
                yield name, alias or None
            case "shorthand_property_identifier_pattern":
                yield _text(child), None
            case "identifier":  # a default import, or const x = require(...)
                yield "default", _text(child)
            case "namespace_import":
                yield None, _text(child.named_children[-1])
            case "import_clause" | "named_imports" | "export_clause" | "object_pattern":
                yield from _specifiers(child)


def _javascript_module(text: str, path: str) -> tuple[str, bool]:
    is_relative = text.startswith(".")
    if is_relative:
        text = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    stem, ending = posixpath.splitext(text)
    text = stem if ending in (".js", ".ts", ".jsx", ".tsx", ".mjs", ".cjs") else text
    return text.removeprefix("@/").removeprefix("~/"), is_relative


def _read_rust(node: "Node | None", above: tuple[str, ...]) -> Iterator[Import]:
    if node is None:
        return
    match node.type:
        case "scoped_use_list":
            inside = above + _rust_segments(node.child_by_field_name("path"))
            yield from _read_rust(node.child_by_field_name("list"), inside)
        case "use_list":
            for child in node.named_children:
                yield from _read_rust(child, above)
        case "use_as_clause":
            *module, name = above + _rust_segments(node.child_by_field_name("path"))
            yield Import("/".join(module), name, _text(node.child_by_field_name("alias")) or None)
        case "use_wildcard":
            yield Import("/".join(above + _rust_segments(node.named_children[0])))
        case _:
            if segments := above + _rust_segments(node):
                yield Import("/".join(segments[:-1]), segments[-1])


def _rust_segments(node: "Node | None") -> tuple[str, ...]:
    segments = _text(node).replace(" ", "").split("::")
    return tuple(part for part in segments if part not in ("", "crate", "self", "super"))


def _read_dotted(node: "Node") -> list[Import]:
    words = [child for child in node.named_children if "name" in child.type or "id" in child.type]
    if not words:
        return []
    module = _text(words[-1]).replace(".", "/")
    is_whole = node.type == "using_directive" or any(
        child.type == "asterisk" for child in node.named_children
    )
    folder, _, name = module.rpartition("/")
    return [Import(module) if is_whole or not folder else Import(folder, name)]


def _text(node: "Node | None") -> str:
    return "" if node is None or node.text is None else node.text.decode(errors="replace")
