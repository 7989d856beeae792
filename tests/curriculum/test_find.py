"""What a file gives as a whole: refusals with reasons, limits, lots, files that are no code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimcurriculum.recipe import MiningRecipe
from fimcurriculum.schema import Kind
from fimcurriculum.syntax.find import FoundSpans, find_spans
from fimcurriculum.syntax.grammars import GRAMMAR_LANGUAGES, load_grammar
from fimcurriculum.syntax.parsed_file import ParsedFile

DEFAULT = MiningRecipe()


def find(text: str, recipe: MiningRecipe = DEFAULT, language: str = "python") -> FoundSpans:
    return find_spans(ParsedFile(text, load_grammar(language, "a")), "a", recipe)


def middles(text: str, found: FoundSpans, kind: str) -> list[str]:
    return [text[span.start : span.end] for span in found.spans if span.kind == kind]


def test_trivia_is_refused_and_counted_by_reason() -> None:
    text = "import a\n\ndef f():\n    pass\n\ndef g():\n    # nothing\n    return\n\nb = h()\n"
    found = find(text, MiningRecipe(kinds=("function", "return", "arguments")))
    assert found.spans == []
    assert found.refused == {
        "function/trivial_word": 2,
        "return/trivial_word": 1,
        "arguments/blank": 1,
    }


def test_long_middles_are_refused() -> None:
    body = "".join(f"    x{i} = {i}\n" for i in range(30))
    found = find(f"import a\n\ndef f():\n{body}", MiningRecipe(kinds=("function",)))
    assert found.refused == {"function/too_many_lines": 1}
    found = find('import a\nx = f("' + "y" * 3000 + '")\n', MiningRecipe(kinds=("call",)))
    assert found.refused == {"call/too_long": 1}


def test_nothing_is_cut_out_of_the_start_of_a_file() -> None:
    found = find("import alpha\nimport beta\n", MiningRecipe(kinds=("import",)))
    assert middles("import alpha\nimport beta\n", found, "import") == ["import beta"]
    assert found.refused == {"import/no_prefix": 1}


def test_broken_code_gives_the_spans_that_are_whole() -> None:
    text = "import a\n\ndef f(:\n    return (\n\n\ndef g(x):\n    return later(x)\n"
    found = find(text, MiningRecipe(kinds=("call", "return")))
    assert "later(x)" in middles(text, found, "call")
    assert all("(\n" not in middle for middle in middles(text, found, "return"))


def test_a_place_of_two_kinds_goes_to_one_of_them() -> None:
    texts = [f"import a\nname{i} = load(a, {i})\n" for i in range(40)]
    recipe = MiningRecipe(kinds=("call", "assignment"))
    winners = []
    for text in texts:
        found = find(text, recipe)
        assert len(found.spans) == 1
        assert sum(found.refused.values()) == 1
        winners.append(found.spans[0].kind)
    assert find(texts[0], recipe).spans == find(texts[0], recipe).spans
    # The lot falls by place: the same place in another file may go to the other kind.
    recipes = [MiningRecipe(kinds=("call", "assignment"), seed=seed) for seed in range(20)]
    assert {find(texts[0], each).spans[0].kind for each in recipes} == {"call", "assignment"}


def test_a_file_gives_no_more_than_its_limit() -> None:
    text = "import a\n" + "".join(f"run{i}(a, {i})\n" for i in range(50))
    found = find(text, MiningRecipe(kinds=("call",), max_per_kind_and_file=4))
    assert len(found.spans) == 4
    assert found.found["call"] == 50
    assert found.refused == {"call/over_file_limit": 46}


@pytest.mark.parametrize(
    ("language", "head"),
    [
        ("java", "package a.b.c;"),
        ("go", "package abc"),
        ("python", "from pathlib import Path"),
        ("typescript", 'import { a } from "./a";'),
        ("rust", "use std::io;"),
        ("csharp", "using System.Text;"),
        ("cpp", "#include <vector>"),
    ],
)
def test_a_licence_is_no_comment_of_the_line_below(language: str, head: str) -> None:
    mark = "#" if language == "python" else "//"
    text = f"\n{mark} Copyright by whoever wrote this.\n{head}\n"
    found = find(text, MiningRecipe(kinds=("comment_to_code",)), language)
    assert found.spans == []
    assert found.refused == {"comment_to_code/comment_of_file": 1}


def test_positions_are_characters_where_text_is_not_ascii() -> None:
    text = 'name = "größe 🎉"\nüber = zähle(name, "日本")\nx = later(1, 2)\n'
    found = find(text, MiningRecipe(kinds=("call",)))
    assert sorted(middles(text, found, "call")) == ["later(1, 2)", 'zähle(name, "日本")']


def test_names_that_a_file_defines_are_known() -> None:
    text = "class A:\n    def f(self): ...\n\ndef g(): ...\n"
    assert find(text).definitions == {"A", "f", "g"}
    text = "package a\ntype T struct {\n\tX int\n}\nfunc (t T) M() {}\nfunc F() {}\n"
    assert find(text, language="go").definitions == {"T", "M", "F"}
    text = "const f = () => { g(); };\nclass A { m() { g(); } }\n"
    assert find(text, language="javascript").definitions == {"f", "A", "m"}
    text = "int A::f(int x) { return x; }\nclass B { int y; };\n"
    assert "B" in find(text, language="cpp").definitions


def test_random_spans_are_the_same_each_time_and_one_in_three_is_of_one_line() -> None:
    text = "".join(f"value_{i} = compute(value_{i - 1}, {i})\n" for i in range(200))
    recipe = MiningRecipe(kinds=("random",), max_per_kind_and_file=300)
    found = find(text, recipe)
    assert found.spans == find(text, recipe).spans
    parts = middles(text, found, "random")
    assert len(parts) > 200
    assert sum("\n" not in part for part in parts) > len(parts) / 3
    assert all(3 <= len(part) <= 256 for part in parts)


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("abc (){}[]\"'`\n\t:;=.,#/*@<>$\\é🎉"), max_size=300),
    language=st.sampled_from(GRAMMAR_LANGUAGES),
)
def test_no_text_breaks_the_search(text: str, language: str) -> None:
    found = find(text, language=language)
    for span in found.spans:
        assert 0 < span.start < span.end <= len(text)
        assert span.kind in {kind.value for kind in Kind}
        assert text[span.start : span.end].strip()


def test_a_thousand_nested_brackets_are_a_file_like_any_other() -> None:
    text = "import a\nx = " + "f(" * 1000 + "1" + ")" * 1000 + "\n"
    found = find(text, MiningRecipe(max_chars=5000))
    assert found.found["call"] == 1000
