"""Definitions by jedi and by the TypeScript compiler, in repositories made by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fimserve.context import Location, ProjectFinder, RepositoryIndex, Span, find_snippets
from support.npm import install_npm
from support.small_repositories import write_files

TYPESCRIPT = Path(__file__).parents[2] / "fimserve" / "context" / "typescript"

PYTHON = {
    "pkg/__init__.py": "from pkg.shapes import Square as Box\n",
    "pkg/shapes.py": (
        "from pkg import scale\n\n\n"
        "class Square:\n"
        '    """A square."""\n\n'
        "    side = 1\n\n"
        "    def area(self):\n"
        "        return scale.factor(self.side) ** 2\n"
    ),
    "pkg/scale.py": "import pkg.shapes\n\n\ndef factor(n):\n    return n * 3\n",
    "pkg/make.py": "from pkg.shapes import Square\n\ndef make() -> Square:\n    return Square()\n",
    "src/flat.py": "def flatten(xs):\n    return xs\n",
    "pkg/wrong.py": "def broken(:\n    retrun 1 +\n\ndef fine():\n    return 1\n",
}
SCRIPTS = {
    "src/shapes.ts": (
        "export interface Shape {\n  area(): number;\n}\n\n"
        "export class Square implements Shape {\n"
        "  constructor(private side: number) {}\n\n"
        "  area(): number {\n    return this.side ** 2;\n  }\n}\n"
    ),
    "src/index.ts": 'export * from "./shapes";\nexport { factor as scaled } from "./scale.js";\n',
    "src/scale.ts": 'import { Square } from "./index";\n\n'
    "export const factor = (n: number) => n * 3;\nexport const unit = () => new Square(1);\n",
    "src/plain.js": "exports.helper = function helper(x) { return x; };\n",
    "lib/tool.jsx": "export default function Tool() { return <b/>; }\n",
    "packages/core/package.json": '{"name": "@demo/core"}\n',
    "packages/core/src/index.ts": "export function start(port: number) {\n  return port;\n}\n",
    "src/wrong.ts": "export const broken = = ;\nexport function fine() { return 1; }\n",
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectFinder]:
    root = write_files(tmp_path_factory.mktemp("python"), PYTHON)
    with ProjectFinder(root, timeout_s=20.0) as finder:
        yield finder


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectFinder]:
    packages = install_npm(TYPESCRIPT)
    root = write_files(tmp_path_factory.mktemp("scripts"), SCRIPTS)
    with ProjectFinder(root, timeout_s=20.0, typescript=packages) as finder:
        yield finder


def ask(finder: ProjectFinder, path: str, text: str) -> list[Location]:
    """Return what is found for the middle, written between « and »."""
    prefix, _, rest = text.partition("«")
    middle, _, suffix = rest.partition("»")
    found = finder.find(Span(path, prefix, middle, suffix))
    assert found is not None, finder.left_out
    return [location for location in found if location.path != path]


AREA = Location("pkg/shapes.py", "area", 8)
SQUARE = Location("pkg/shapes.py", "Square", 3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from pkg.shapes import Square\nx = «Square()»\n", [SQUARE]),
        ("from pkg.shapes import Square as S\nx = «S().area()»\n", [SQUARE, AREA]),
        ("from pkg import Box\nx = «Box»()\n", [SQUARE]),
        ("from pkg.make import make\nprint(make().«area()»)\n", [AREA]),
        ("import pkg.scale as s\nprint(«s.factor(2)»)\n", [Location("pkg/scale.py", "factor", 3)]),
        ("from flat import flatten\n«flatten([])»\n", [Location("src/flat.py", "flatten", 0)]),
        ("from pkg.wrong import fine\n«fine()»\n", [Location("pkg/wrong.py", "fine", 3)]),
        ("from pkg.nowhere import lost\nimport numpy\n«lost(numpy.zeros(3))»\n", []),
        ("def half(:\n\nfrom pkg.shapes import Square\nx = «Square()»\n", [SQUARE]),
    ],
)
def test_jedi_finds_what_python_means(
    python: ProjectFinder, text: str, wanted: list[Location]
) -> None:
    assert ask(python, "app/main.py", text) == wanted


TS_AREA = Location("src/shapes.ts", "area", 7)
TS_SQUARE = Location("src/shapes.ts", "Square", 4)
START = Location("packages/core/src/index.ts", "start", 0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('import { Square } from "./shapes";\nconst s: «Square» = null!;\n', [TS_SQUARE]),
        ('import { Square as S } from "./index";\nlet s: «S»;\n', [TS_SQUARE]),
        (
            'import { scaled } from "./index";\n«scaled(2)»;\n',
            [Location("src/scale.ts", "factor", 2)],
        ),
        ('import { unit } from "./scale";\nunit().«area()»;\n', [TS_AREA]),
        (
            'import type { Shape } from ".";\nfunction f(x: Shape) { return x.«area()»; }\n',
            [Location("src/shapes.ts", "area", 1)],
        ),
        ('import { start } from "@demo/core";\n«start(1)»;\n', [START]),
        ('import { fine } from "./wrong";\n«fine()»;\n', [Location("src/wrong.ts", "fine", 1)]),
        ('import { lost } from "./nowhere";\nimport fs from "fs";\n«lost(fs)»;\n', []),
        (
            'const e = "😀"; import { unit } from "./scale"; «unit()»;\n',
            [Location("src/scale.ts", "unit", 3)],
        ),
    ],
)
def test_the_compiler_finds_what_typescript_means(
    scripts: ProjectFinder, text: str, wanted: list[Location]
) -> None:
    assert ask(scripts, "src/main.ts", text) == wanted


def test_the_compiler_finds_what_javascript_means(scripts: ProjectFinder) -> None:
    text = 'const { helper } = require("./plain");\n«helper(1)»;\n'
    assert {found.path for found in ask(scripts, "src/main.js", text)} == {"src/plain.js"}


def test_programs_tell_which_snippets_come_first(python: ProjectFinder) -> None:
    prefix = "from pkg.make import make\n\nprint(make()."
    found = find_snippets(
        RepositoryIndex(PYTHON), "app/main.py", prefix, "area()", ")\n", finder=python
    )
    assert (found[0].path, found[0].reason) == ("pkg/shapes.py", "definition")
    assert found[0].text.startswith("def area(self):")
