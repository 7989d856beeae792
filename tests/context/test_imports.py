"""Imports of all languages, and which files they mean."""

import pytest

from fimserve.context.import_match import is_meant_by
from fimserve.context.source_imports import Import
from fimserve.context.source_tags import read_tags


@pytest.mark.parametrize(
    ("language", "path", "source", "wanted"),
    [
        ("python", "p/q/m.py", "import a.b as c", [Import("a/b", None, "c")]),
        ("python", "p/q/m.py", "from . import x", [Import("p/q", "x", None, True)]),
        ("python", "p/q/m.py", "from ..r import x as y", [Import("p/r", "x", "y", True)]),
        ("python", "m.py", "from a import *", [Import("a")]),
        (
            "typescript",
            "s/m.ts",
            'import d, { a as b } from "./x.js"',
            [Import("s/x", "default", "d", True), Import("s/x", "a", "b", True)],
        ),
        ("typescript", "s/m.ts", 'import * as n from "@/lib/y"', [Import("lib/y", None, "n")]),
        (
            "javascript",
            "s/m.js",
            'const { a, b: c } = require("../z")',
            [Import("z", "a", None, True), Import("z", "b", "c", True)],
        ),
        ("java", "M.java", "import org.demo.geo.Shape;", [Import("org/demo/geo", "Shape")]),
        ("java", "M.java", "import org.demo.geo.*;", [Import("org/demo/geo")]),
        (
            "go",
            "m.go",
            'package m\nimport g "example.org/demo/geo"',
            [Import("example.org/demo/geo", None, "g")],
        ),
        (
            "rust",
            "src/m.rs",
            "use crate::geo::{Shape, flat as f};",
            [Import("geo", "Shape"), Import("geo", "flat", "f")],
        ),
        ("cpp", "m.cpp", '#include "geo/shape.h"', [Import("geo/shape")]),
        ("csharp", "M.cs", "using Demo.Geo;", [Import("Demo/Geo")]),
    ],
)
def test_import_is_read(language: str, path: str, source: str, wanted: list[Import]) -> None:
    assert list(read_tags(source + "\n", language, path).imports) == wanted


@pytest.mark.parametrize(
    ("path", "taken", "is_meant"),
    [
        ("src/a/b.py", Import("a/b", "x"), True),
        ("src/a/b/__init__.py", Import("a/b", "x"), True),
        ("src/a/b/x.py", Import("a/b", "x"), True),
        ("src/a/bb.py", Import("a/b", "x"), False),
        ("p/r.py", Import("p/r", "x", None, True), True),
        ("q/p/r.py", Import("p/r", "x", None, True), False),
        ("s/x/index.ts", Import("s/x", "a", None, True), True),
        ("s/x.d.ts", Import("s/x", "a", None, True), True),
        ("main/java/org/demo/geo/Shape.java", Import("org/demo/geo", "Shape"), True),
        ("geo/shape.go", Import("example.org/demo/geo"), True),
        ("core/geo.rs", Import("geo", "Shape"), True),
        ("include/geo/shape.h", Import("geo/shape"), True),
        ("numpy_like.py", Import("numpy"), False),
    ],
)
def test_import_means_a_file(path: str, taken: Import, is_meant: bool) -> None:
    assert is_meant_by(path, taken) == is_meant
