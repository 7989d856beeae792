"""One function is cut out of a file as it stands there, at the left margin, body found."""

import ast
import random
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimtraining.functions import FunctionText, draw_function
from support.source_texts import make_python

CLASS = '''\
import os
import sys

class Stack:
    limit = 3

    # Two notes
    # above.
    @property
    def top(
        self,
        default: int = 0,
    ) -> int:
        """Return the last element.

        >>> Stack().top
        0
        """
        if not self.items:
            return os.getpid()

        return self.items[-1]

    other = 4
'''


def draw(text: str, language: str, seed: int = 0, max_chars: int = 2000) -> FunctionText | None:
    return draw_function(text, language, max_chars, random.Random(seed))


def test_python_method_is_moved_to_the_margin_with_what_stands_above_it() -> None:
    found = next(f for seed in range(20) if (f := draw(CLASS, "python", seed)) and "os\n" in f.text)
    first, last = CLASS.index("    # Two"), CLASS.index("\n    other")
    assert found.text == "import os\n\n\n" + dedent(CLASS[first:last])


def test_body_begins_behind_signature_and_docstring() -> None:
    found = draw(CLASS, "python")
    assert found is not None
    assert found.text[found.body_start :].startswith("    if not self.items:\n")


@pytest.mark.parametrize("seed", range(10))
def test_imports_that_the_function_does_not_use_stay_behind(seed: int) -> None:
    found = draw(CLASS, "python", seed)
    assert found is not None
    assert "sys" not in found.text


BRACES = {
    "javascript": "let a = 1;\n\n// Adds.\nfunction add(a, b) {\n  if (a) {\n    a += 1;\n  }\n"
    "  return a + b;\n}\n\nadd(1, 2);\n",
    "typescript": "export const add = async (a: number): Promise<number> => {\n"
    "  const b = await a;\n  return b;\n};\n\nlet c = 2;\n",
    "java": "class A {\n    /** Adds. */\n    @Override\n    public int add(int a, int b) {\n"
    "        int c = a;\n        return b + c;\n    }\n\n    int d;\n}\n",
    "rust": "use a::b;\n\n/// Adds.\n#[inline]\npub(crate) fn add(a: u32) -> Option<u32> {\n"
    "    let b = a + 1;\n    Some(b)\n}\n\nconst C: u32 = 2;\n",
    "csharp": "class A\n{\n    /// <summary>Adds.</summary>\n"
    "    public async Task<int> Add(int a)\n"
    "    {\n        var b = await F(a);\n        return b;\n    }\n\n    int c;\n}\n",
    "cpp": "#include <a>\n\n// Adds.\nstatic std::vector<int> Adder::add(const T& a) const\n{\n"
    "  int b = a.size();\n  return {b};\n}\n\nint c = 2;\n",
    "go": "package a\n\n// Add adds.\nfunc Add(a int) int {\n\tb := a\n\treturn b\n}\n\n"
    "var c int\n",
}


@pytest.mark.parametrize("language", sorted(BRACES))
def test_function_with_braces_ends_with_its_own_brace(language: str) -> None:
    found = draw(BRACES[language], language)
    assert found is not None
    assert found.text.rstrip(";\n").endswith("\n}")
    assert "dd" in found.text[: found.body_start]
    assert found.text[: found.body_start].endswith("{\n")
    for line in ("let a = 1;", "add(1, 2)", "let c", "int d", "var c", "class A"):
        assert line not in found.text


@pytest.mark.parametrize(
    "text",
    [
        "void f()\n{\n}\n\nif (a(b)) {\n  c();\n  d();\n}\n",
        "for (int i = f(0); i < n; i++) {\n  c();\n  d();\n}\n",
        "struct A : B(c) {\n  int a;\n  int b;\n};\n",
    ],
)
def test_blocks_of_cpp_that_are_no_functions_give_none(text: str) -> None:
    assert draw(text, "cpp") is None


def test_comment_above_comes_along() -> None:
    found = draw(BRACES["java"], "java")
    assert found is not None
    assert found.text.startswith("/** Adds. */\n@Override\npublic int add")


@pytest.mark.parametrize("text", ["", "x = 1\n", "def f(): return 1\n", "def f():\n    return 1\n"])
def test_file_without_a_function_of_two_lines_gives_none(text: str) -> None:
    assert draw(text, "python") is None


def test_language_without_a_rule_gives_none() -> None:
    assert draw("fn main() {\n  a();\n  b();\n}\n", "zig") is None


def test_long_function_is_not_taken() -> None:
    assert draw(CLASS, "python", max_chars=100) is None


def test_documented_functions_come_more_often() -> None:
    bare = "def bare(a):\n    b = a\n    return b\n\n\n"
    told = 'def told(a):\n    """Say."""\n    b = a\n    return b\n'
    names = [f.text.split("(")[0] for s in range(300) if (f := draw(bare + told, "python", s))]
    assert len(names) == 300
    assert names.count("def told") > 240


@settings(deadline=None)
@given(seed=st.integers(0, 500))
def test_python_function_still_parses(seed: int) -> None:
    found = draw(make_python(seed), "python", seed)
    if found is not None:
        ast.parse(found.text)


@settings(deadline=None)
@given(text=st.text(st.sampled_from("def f(x):\n \t#@\"'}a"), max_size=300), seed=st.integers(0, 9))
def test_any_text_is_cut_without_error(text: str, seed: int) -> None:
    for language in ("python", "java", "go", "javascript", "rust", "cpp", "csharp"):
        found = draw(text, language, seed)
        if found is not None:
            assert 0 <= found.body_start <= len(found.text)
