"""Each query finds each kind, at the very place where a programmer would have stopped typing.

The cases are tests/fixtures/spans/LANGUAGE.txt: under the name of a kind a file with a hole.
"""

import re
from pathlib import Path

import pytest

from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Kind
from fimcurriculum.syntax.find import find_spans
from fimcurriculum.syntax.grammars import GRAMMAR_LANGUAGES, load_grammar
from fimcurriculum.syntax.parsed_file import ParsedFile
from fimcurriculum.syntax.span import Span
from support.hole import hole

FIXTURES = Path(__file__).parents[1] / "fixtures" / "spans"


def read_cases(language: str) -> dict[str, str]:
    """Return the cases of a language by kind."""
    text = (FIXTURES / f"{language}.txt").read_text(encoding="utf-8")
    parts = re.split(r"^==== (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


CASES = {path.stem: read_cases(path.stem) for path in sorted(FIXTURES.glob("*.txt"))}

WITHOUT = {
    "javascript": {"type"},
    "go": {"try", "decorator"},
    "rust": {"try"},
}
"""Kinds that a language does not have."""

PAIRS = [(language, kind) for language, cases in CASES.items() for kind in cases]


def find(language: str, text: str, *kinds: str, **settings: object) -> list[Span]:
    path = "a.tsx" if language == "tsx" else "a.txt"
    grammar = load_grammar("typescript" if language == "tsx" else language, path)
    recipe = MiningRecipe(kinds=kinds, max_per_kind_and_file=100, **settings)  # type: ignore[arg-type]
    return find_spans(ParsedFile(text, grammar), path, recipe).spans


@pytest.mark.parametrize(("language", "kind"), PAIRS)
def test_a_query_finds_a_kind_at_its_place(language: str, kind: str) -> None:
    expected = hole(CASES[language][kind])
    settings = {"seed": _seed_of_first_two(language)} if kind == "block" else {}
    found = [(span.start, span.end) for span in find(language, expected.text, kind, **settings)]
    assert (expected.start, expected.end) in found, [expected.text[a:b] for a, b in found]


def _seed_of_first_two(language: str) -> int:
    """Return a seed with which the lot falls on the first two of three statements."""
    expected = hole(CASES[language]["block"])
    for seed in range(50):
        for span in find(language, expected.text, "block", seed=seed):
            if span.start == expected.start:
                return seed
    raise AssertionError("no seed of 50 gives the first two statements")


def test_every_language_has_a_case_of_every_kind_it_has() -> None:
    for language in GRAMMAR_LANGUAGES:
        kinds = {kind.value for kind in Kind if kind is not Kind.RANDOM}
        assert set(CASES[language]) == kinds - WITHOUT.get(language, set())


def test_whole_definitions_are_the_nodes_themselves() -> None:
    text = "import a\n\n\ndef f(x):\n    return x + 1\n"
    (span,) = find("python", text, "function", definitions="whole")
    assert text[span.start : span.end] == "def f(x):\n    return x + 1"
