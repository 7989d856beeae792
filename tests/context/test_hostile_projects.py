"""Projects that are broken, endless or odd: each costs a counted reason, and nothing stops."""

import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from fimserve.context import Location, ProjectFinder, RepositoryIndex, Span
from fimserve.context.line_process import LineProcess
from fimserve.context.program_finder import MAX_FAILURES, NamePlace, ProgramFinder
from support.git_repositories import make_repository, run_git
from support.npm import install_npm
from support.small_repositories import write_files

TYPESCRIPT = Path(__file__).parents[2] / "fimserve" / "context" / "typescript"
SPAN = Span("main.py", "x = ", "double(1)", "\n")


class Scripted:
    """A program that runs a line of Python for each question."""

    name = "scripted"

    def __init__(self, line: str) -> None:
        self._line = line
        self.num_starts = 0

    def start(self) -> LineProcess:
        self.num_starts += 1
        script = f"import sys, time\nfor line in sys.stdin:\n    {self._line}\n"
        return LineProcess([sys.executable, "-I", "-u", "-c", script], dict(os.environ))

    def opening(self) -> Mapping[str, object]:
        return {"root": "/"}

    def question(self, span: Span, names: list[NamePlace], timeout_s: float) -> dict[str, object]:
        return {"names": [name.name for name in names], "text": span.text * 100_000}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("time.sleep(60)", "too slow"),
        ("print('{}' if 'root' in line else 'x', end='')", "too slow"),
        ("sys.exit(3)", "ended"),
        ("print('no json')", "ended"),
        ("print('[1]')", "ended"),
        ("print('x' * 5_000_000)", "ended"),
    ],
)
def test_program_that_fails_is_tried_a_few_times_and_given_up(line: str, reason: str) -> None:
    left_out: Counter[str] = Counter()
    program = Scripted(line)
    finder = ProgramFinder(program, 0.3, left_out, open_timeout_s=0.3)
    assert [finder.find(SPAN) for _ in range(MAX_FAILURES + 2)] == [None] * (MAX_FAILURES + 2)
    assert program.num_starts == MAX_FAILURES
    assert left_out == {f"scripted: {reason}": MAX_FAILURES, "scripted: given up": 2}


def test_program_that_answers_nonsense_has_found_nothing() -> None:
    finder = ProgramFinder(Scripted("""print('{"found": [{"path": 1}]}')"""), 5.0, Counter())
    assert finder.find(SPAN) == []
    finder.close()


def test_project_of_typescript_that_is_all_wrong_gives_what_it_can(tmp_path: Path) -> None:
    packages = install_npm(TYPESCRIPT)
    files = {
        "tsconfig.json": '{"compilerOptions": {"target": "es1999", "paths": 7}, "extends": 3',
        "package.json": "{",
        "src/large.ts": f"export const large = '{'x' * 5_000_000}';\n",
        "src/odd\nname.ts": "export const odd = 1;\n",
        "src/good.ts": "export function good() {}\n",
    }
    write_files(tmp_path, files)
    (tmp_path / "src" / "loop").symlink_to(tmp_path / "src")
    (tmp_path / "src" / "outside.ts").symlink_to("/etc/passwd")
    (tmp_path / "src" / "self.ts").symlink_to("self.ts")
    text = 'import { large } from "./large"; import { good } from "./loop/good"; '
    with ProjectFinder(tmp_path, timeout_s=20.0, typescript=packages) as finder:
        found = finder.find(Span("src/main.ts", text, "large; good()", ";\n"))
        assert found is not None
        assert {location.path.rpartition("/")[2] for location in found} <= {"good.ts", "main.ts"}
        assert "typescript: tsconfig" in finder.left_out


def test_project_of_python_runs_nothing_of_itself(tmp_path: Path) -> None:
    trap = "import pathlib\npathlib.Path(r'{}').write_text('ran')\n".format(tmp_path / "ran")
    files = {
        "setup.py": trap,
        "conftest.py": trap,
        "sitecustomize.py": trap,
        "json.py": trap + "def loads(text): ...\n",
        "jedi.py": trap,
        "pkg/__init__.py": trap + "def entry(): ...\n",
        "loop/a.py": "from loop.b import name\n",
        "loop/b.py": "from loop.a import name\n",
    }
    write_files(tmp_path, files)
    (tmp_path / "pkg" / "again").symlink_to(tmp_path / "pkg")
    prefix = "from pkg import entry\nfrom loop.a import name\nimport json\n"
    with ProjectFinder(tmp_path, timeout_s=20.0) as finder:
        found = finder.find(Span("main.py", prefix, "entry(name, json.loads)", "\n"))
    assert found is not None, finder.left_out
    assert Location("pkg/__init__.py", "entry", 2) in found
    assert not (tmp_path / "ran").exists()


def test_absent_node_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with ProjectFinder(tmp_path) as finder:
        assert finder.find(Span("a.ts", "", "f()", "")) is None
        assert finder.find(Span("a.ts", "", "f()", "")) is None
        assert "typescript: node is not on the PATH; install Node 18 or later" in finder.left_out
        assert finder.left_out["typescript: given up"] == 1


def test_index_leaves_out_and_counts_what_is_no_source(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    files: dict[str, str | bytes] = {
        "good.py": "def good():\n    return 1\n",
        "name\nwith newline.py": "x = 1\n",
        "large.py": "x = 1\n" * 900_000,
        "minified.js": "var a=1;" * 2_000,
        "binary.py": b"\0\1",
        "latin.py": "é".encode("latin-1"),
        "notes.txt": "text",
        ".gitignore": "ignored/\n",
        "wrong.py": "def broken(:\n  ][\ndef fine():\n    return 1\n",
    }
    make_repository(root, files)
    write_files(root, {"ignored/secret.py": "key = 1\n", "new.py": "def new(): ...\n"})
    (root / "loop").symlink_to(root)
    (root / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe.py")
    (root / "gone.py").write_text("x = 1\n")
    run_git(root, "add", "gone.py")
    (root / "gone.py").unlink()
    index = RepositoryIndex.build(root)
    assert sorted(index.paths) == ["good.py", "new.py", "wrong.py"]
    assert index.left_out == {
        "name": 1,
        "large": 1,
        "minified": 1,
        "binary": 1,
        "encoding": 1,
        "language": 3,
        "link": 1,
        "missing": 1,
    }
    assert [place.path for place in index.find_definitions("fine")] == ["wrong.py"]


def test_folder_without_git_minds_gitignore_too(tmp_path: Path) -> None:
    files = {
        ".gitignore": "*.gen.py\n/build/\n",
        "a.py": "def a(): ...\n",
        "a.gen.py": "def gen(): ...\n",
        "build/b.py": "def b(): ...\n",
        "sub/.gitignore": "!c.gen.py\nd.py\n",
        "sub/c.gen.py": "def c(): ...\n",
        "sub/d.py": "def d(): ...\n",
        "sub/build/e.py": "def e(): ...\n",
        "node_modules/x/index.js": "function x() {}\n",
    }
    write_files(tmp_path, files)
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    index = RepositoryIndex.build(tmp_path)
    assert sorted(index.paths) == ["a.py", "sub/build/e.py", "sub/c.gen.py"]


def test_monitor_that_a_repository_names_is_not_run(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    make_repository(root, {"a.py": "def a(): ...\n"})
    hook = tmp_path / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    hook.chmod(0o755)
    run_git(root, "config", "core.fsmonitor", str(hook))
    assert RepositoryIndex.build(root).paths == ["a.py"]
    assert not (tmp_path / "ran").exists()
