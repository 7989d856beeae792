"""One line or several, told by the text around the cursor."""

import pytest

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
        "if (ready) {\n  █\n  go();\n}\n",
        '"""Module."""\n█\nimport os\n',
        "def f(self):\n    total = 0\n    █\n    return total\n",
    ],
)
def test_anywhere_else_one_line(text: str) -> None:
    assert not wants_block(*fim(text))
