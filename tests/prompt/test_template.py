"""Layouts are read as written, and text that looks like a layout is not."""

from fimserve.prompt.template import Marker, Slot, Words, fill_template, parse_template


def test_pieces_come_in_order() -> None:
    assert parse_template("<<file>>{path}\n<filename>{text}") == (
        Marker("file"),
        Slot("path"),
        Words("\n<filename>"),
        Slot("text"),
    )


def test_an_empty_layout_has_no_pieces() -> None:
    assert parse_template("") == ()


def test_filling_joins_texts_between_markers() -> None:
    template = parse_template("#{path}\n{text}<<file>>{text}")
    assert fill_template(template, {"path": "a.py", "text": "x"}) == (
        Words("#a.py\nx"),
        Marker("file"),
        Words("x"),
    )


def test_filling_leaves_empty_texts_out() -> None:
    assert fill_template(parse_template("<<file>>{text}"), {"text": ""}) == (Marker("file"),)


def test_values_are_not_read_as_layout() -> None:
    filled = fill_template(parse_template("{text}"), {"text": "<<file>>{path}"})
    assert filled == (Words("<<file>>{path}"),)
