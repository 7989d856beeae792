"""What is counted of a span's syntax."""

from fimcurriculum.hardness.static import StaticMeasures, static_hardness
from fimcurriculum.syntax.grammars import load_grammar
from fimcurriculum.syntax.parsed_file import ParsedFile
from fimcurriculum.syntax.shape import Shape, measure_shape
from fimcurriculum.syntax.span import Span
from support.hole import hole


def shape_of(text: str, language: str = "python") -> Shape:
    file, start, end = hole(text)
    return measure_shape(ParsedFile(file, load_grammar(language, "a")), Span("call", start, end))


def test_a_call_has_its_nodes_and_names() -> None:
    shape = shape_of("from a import load\nx = █├load(path)┤\n")
    assert shape.identifiers == ("load", "path")
    assert shape.num_new_identifiers == 1  # `path`; `load` is imported above
    assert (shape.tree_size, shape.tree_depth, shape.cyclomatic) == (4, 3, 1)


def test_branches_count() -> None:
    text = "def f(x):\n    y = 1\n    █├if x and y:\n        y = 2\n    elif x:\n        y = 3┤\n"
    assert shape_of(text).cyclomatic == 4  # if, and, elif
    text = "int f(int x) {\n  █├for (;;) { if (x && x > 1) return 1; }┤\n}\n"
    assert shape_of(text, "cpp").cyclomatic == 4


def test_only_whole_nodes_inside_a_cut_count() -> None:
    shape = shape_of("value = comp█├ute(value, oth┤er)\n")
    assert shape.tree_size == 1  # the first argument
    assert shape.identifiers == ("other", "value")


def test_names_behind_text_that_is_not_ascii_are_found() -> None:
    assert shape_of('s = "größe 🎉"\nx = █├später(s)┤\n').identifiers == ("s", "später")


def test_more_to_write_is_harder_and_nothing_is_not_hard() -> None:
    nothing = static_hardness(StaticMeasures(0, 0, 0, 0, 1))
    call = static_hardness(StaticMeasures(5, 3, 1, 0, 1))
    body = static_hardness(StaticMeasures(80, 12, 5, 3, 6))
    assert nothing == 0.0
    assert 0 < call < body < 1
