"""One line or several, told by the text around the cursor."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.engine.multiline import wants_block
from support.notation import fim


@pytest.mark.parametrize(
    "text",
    [
        "def mean(xs):█",
        "def mean(xs):\n    █",
        "def mean(xs):\n    █\n\n\nprint(mean([1]))\n",
        'def mean(xs):\n    """Return the mean."""\n    █\n\n\ndef other():\n',
        "function mean(xs) {\n  █\n}\n",
        "func mean(xs []int) int {\n\t█\n}\n",
        "    /** Doc. */\n    int mean() {\n        █\n    }\n",
        "class A:\n    def f(self):\n        █\n\n    def g(self):\n        return 1\n",
    ],
)
def test_empty_block_wants_several_lines(text: str) -> None:
    assert wants_block(*fim(text))


@pytest.mark.parametrize(
    "text",
    [
        "█",
        "import os\n█",
        "def mean(xs):\n    return █\n",
        "def mean(xs):\n    █\n    return total / len(xs)\n",
        "def mean(xs):█\n    return 1\n",
        "total = mean(█)\n",
        "total = mean(█\n",
        "total = [█\n",
        "fn f() ->█\n",
        "if (ready) {\n  █\n  go();\n}\n",
        '"""Module."""\n█\nimport os\n',
        "def f(self):\n    total = 0\n    █\n    return total\n",
    ],
)
def test_anywhere_else_one_line(text: str) -> None:
    assert not wants_block(*fim(text))
    assert not wants_block(*fim(text), "python")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("def mean(\n    xs,\n) -> float:\n    █\n", "python"),
        ("match x:\n    case 1:█\n", "python"),
        ("async def f():\n    █", "python"),
        ("switch (x) {\n  case 1:\n    █\n}\n", "javascript"),
        ("class A {\n public:\n  █\n};\n", "cpp"),
        ("const f = (a) => {\n  █\n}\n", "typescript"),
        ("let x = match y {\n    █\n};\n", "rust"),
        ("build:\n  █\n", None),
        ("total = [\n    █\n]\n", "python"),
        ("total = mean(\n    █\n)\n", "python"),
        ("when (x) {\n    1 ->\n    █\n", "kotlin"),
        ("build:\n  █\n", "makefile"),
        ("# a lone ' and \"\ndef f():\n    █", "python"),
    ],
)
def test_heads_of_blocks_by_language(text: str, language: str | None) -> None:
    assert wants_block(*fim(text), language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("x = {\n    'a':█\n", "python"),
        ("f = lambda x:█\n", "python"),
        ("def f(x:█\n", "python"),
        ("a[1:█\n", "python"),
        ("total:█\n", "python"),
        ("# for example:█\n", "python"),
        ("# if so:\n# else:█\n", "python"),
        ('def f():\n    """Sum up:\n    █', "python"),
        ("const a = b ? c :█\n", "javascript"),
        ("const o = {\n  key:█\n};\n", "typescript"),
        ("// a list (█\n", "go"),
        ("/* {\n  █\n", "java"),
        ("s = `a {█\n", "javascript"),
    ],
)
def test_what_only_looks_like_the_head_of_a_block(text: str, language: str) -> None:
    assert not wants_block(*fim(text), language)


@given(st.text(alphabet="a:({[\"'`\n \t\r#/*\x00é😀\ud800", max_size=40), st.text(max_size=10))
@settings(max_examples=200, deadline=None)
def test_any_text_has_an_answer(prefix: str, suffix: str) -> None:
    for language in (None, "python", "typescriptreact", "rust", "klingon"):
        assert wants_block(prefix, suffix, language) in (True, False)
