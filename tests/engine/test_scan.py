"""A scan that goes on where the last one is still right finds what a fresh one finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.engine.scan import KeptScan, scan_by_rules
from support.edited_texts import EDITS, TEXTS, apply_edit

LANGUAGES = st.sampled_from(["python", "javascript", "go", "rust", "java", "toml", None])
CODE = st.lists(
    st.sampled_from(
        [*"\n\n\n\"\"''`\\/*#(){}[]ax ", "\n", '"""', "'''", "/*", "*/", "//", "\\\n", "\\"]
    ),
    max_size=60,
).map("".join)


@given(st.one_of(TEXTS, CODE), EDITS, st.lists(CODE, max_size=3), LANGUAGES)
def test_no_order_of_edits_changes_what_is_found(
    text: str, edits: list[tuple[float, int, str]], typed: list[str], language: str | None
) -> None:
    kept = KeptScan()
    for edit in [(0.0, 0, ""), *edits, *((1.0, 0, more) for more in typed)]:
        text = apply_edit(text, edit)
        assert kept.scan(text, language) == scan_by_rules(text, language)


@given(CODE, LANGUAGES)
def test_typing_character_by_character_and_taking_it_back(text: str, language: str | None) -> None:
    kept = KeptScan()
    for length in [*range(len(text)), *range(len(text), 0, -3)]:
        assert kept.scan(text[:length], language) == scan_by_rules(text[:length], language)


@given(CODE, st.lists(LANGUAGES, max_size=4))
def test_another_language_starts_anew(text: str, languages: list[str | None]) -> None:
    kept = KeptScan()
    for language in languages:
        assert kept.scan(text, language) == scan_by_rules(text, language)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('x = """\n(', 'x = """\n("""\n('),
        ('x = """a\\', 'x = """a\\"""\n('),
        ('"ab(\\', '"ab(\\\n('),
        ('"ab(\\x', '"ab(\\\n('),
        ("/* (\n", "/* (\n*/ (\n"),
        ('"""a\\"""', '"""a\\"""\n("""\n['),
        ("f(\n  g(\n", "f(\n  g[\n"),
    ],
)
@pytest.mark.parametrize("language", ["python", "java", None])
def test_what_a_change_behind_a_place_can_do_to_it(
    before: str, after: str, language: str | None
) -> None:
    kept = KeptScan()
    kept.scan(before, language)
    assert kept.scan(after, language) == scan_by_rules(after, language)
    assert kept.scan(before, language) == scan_by_rules(before, language)


def test_what_stands_before_the_change_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    kept = KeptScan()
    text = "".join(f"f{number}(x)\n" for number in range(100))
    kept.scan(text + "g(", None)
    from fimserve.engine import scan

    inner = scan._scan_on

    def watched(text: str, language: str | None, start: int, *rest: object) -> object:
        read.append(len(text) - start)
        return inner(text, language, start, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(scan, "_scan_on", watched)
    assert len(kept.scan(text + "g(a", None).brackets) == 201
    assert read == [3]
