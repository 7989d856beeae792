"""Imports find the file that is meant, in the words of each language, and nothing else."""

import pytest

from fimtraining.corpus.imports import MAX_IMPORTS, RepositoryPaths


def find(language: str, path: str, text: str, *others: str) -> list[str]:
    return RepositoryPaths([path, *others]).imports(path, language, text)


def test_python_modules_packages_and_members() -> None:
    text = (
        "import os, json\n"
        "import acme.core.store as store\n"
        "from acme.core import model, nothing\n"
        "from acme.tools.text import (\n    wrap,\n    cut as c,\n)\n"
    )
    others = [
        "src/acme/core/store.py",
        "src/acme/core/model.py",
        "src/acme/core/__init__.py",
        "src/acme/tools/text.py",
        "src/acme/json/unrelated.py",
    ]
    assert find("python", "src/acme/app.py", text, *others) == [
        "src/acme/core/store.py",
        "src/acme/core/model.py",
        "src/acme/tools/text.py",
    ]


def test_python_relative_imports() -> None:
    text = (
        "from . import sibling\n"
        "from .deep.inner import thing\n"
        "from ..upper import x\n"
        "from .. import y\n"
    )
    others = ["a/b/sibling.py", "a/b/deep/inner.py", "a/upper.py", "a/y.py", "a/__init__.py"]
    assert find("python", "a/b/here.py", text, *others) == [
        "a/b/sibling.py",
        "a/b/deep/inner.py",
        "a/upper.py",
        "a/y.py",
    ]


def test_python_single_word_counts_only_beside_the_file() -> None:
    assert find("python", "a/x.py", "import types\n", "b/types.py") == []
    assert find("python", "a/x.py", "import types\n", "a/types.py") == ["a/types.py"]


def test_of_several_files_the_nearest_is_meant() -> None:
    others = ["one/lib/util/text.py", "two/lib/util/text.py"]
    text = "import util.text\n"
    assert find("python", "two/app/x.py", text, *others) == ["two/lib/util/text.py"]
    assert find("python", "one/app/x.py", text, *others) == ["one/lib/util/text.py"]


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("import { a } from './b'", "web/b.ts"),
        ('import "./c.js";', "web/c.ts"),
        ("const d = require('../lib/d')", "lib/d/index.js"),
        ("const e = await import('./e')", "web/e.tsx"),
        ("export * from './b'", "web/b.ts"),
        ("import f from '@/parts/f'", "web/parts/f.tsx"),
        ("import react from 'react'", None),
        ("import g from './absent'", None),
    ],
)
def test_javascript(line: str, target: str | None) -> None:
    others = ["web/b.ts", "web/c.ts", "lib/d/index.js", "web/e.tsx", "web/parts/f.tsx", "react.ts"]
    assert find("typescript", "web/a.ts", line + "\n", *others) == ([target] if target else [])


def test_java_classes_static_members_and_inner_classes() -> None:
    text = (
        "import java.util.List;\n"
        "import org.acme.Store;\n"
        "import static org.acme.Text.wrap;\n"
        "import org.acme.Outer.Inner;\n"
    )
    base = "src/main/java/org/acme"
    others = [f"{base}/Store.java", f"{base}/Text.java", f"{base}/Outer.java", "x/List.java"]
    assert find("java", f"{base}/App.java", text, *others) == others[:3]


def test_go_packages_without_their_tests() -> None:
    text = 'package x\n\nimport (\n\t"net/http"\n\ts "github.com/acme/tool/pkg/store"\n)\n'
    others = [
        "pkg/store/disk.go",
        "pkg/store/store.go",
        "pkg/store/store_test.go",
        "pkg/store/zip.go",
        "http/own.go",
    ]
    assert find("go", "cmd/main.go", text, *others) == ["pkg/store/store.go", "pkg/store/disk.go"]


def test_cpp_headers_beside_the_file_or_by_their_path() -> None:
    text = '#include "near.h"\n#include "acme/far.h"\n#include <vector>\n#include <acme/own.h>\n'
    others = ["src/near.h", "other/near.h", "include/acme/far.h", "include/acme/own.h", "vector"]
    assert find("cpp", "src/a.cpp", text, *others) == [
        "src/near.h",
        "include/acme/far.h",
        "include/acme/own.h",
    ]


def test_rust_modules_uses_and_other_crates() -> None:
    text = (
        "mod parts;\n"
        "use crate::store::Disk;\n"
        "use super::sibling::thing;\n"
        "pub use my_tool::Thing;\n"
        "use std::io::Read;\n"
    )
    others = [
        "app/src/lib.rs",
        "app/src/net/http/parts.rs",
        "app/src/store/mod.rs",
        "app/src/net/sibling.rs",
        "my-tool/src/lib.rs",
    ]
    assert find("rust", "app/src/net/http.rs", text, *others) == others[1:]


def test_csharp_types_that_have_one_file() -> None:
    text = "using Acme.Core;\nclass App { Store store; Helper h; List<Twice> l; }\n"
    others = ["Core/Store.cs", "Core/Helper.cs", "A/Twice.cs", "B/Twice.cs"]
    assert find("csharp", "App.cs", text, *others) == ["Core/Store.cs", "Core/Helper.cs"]


def test_a_file_never_imports_itself_and_nothing_comes_twice() -> None:
    text = "from . import me, other\nfrom .other import x\n"
    assert find("python", "a/me.py", text, "a/other.py") == ["a/other.py"]


def test_number_of_imports_is_bounded() -> None:
    names = [f"part{number}" for number in range(40)]
    text = "from . import " + ", ".join(names) + "\n"
    found = find("python", "a/x.py", text, *(f"a/{name}.py" for name in names))
    assert found == [f"a/{name}.py" for name in names[:MAX_IMPORTS]]


def test_a_language_without_a_rule_imports_nothing() -> None:
    assert find("cobol", "a.cob", "import b\n", "b.cob") == []
