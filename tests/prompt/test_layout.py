"""Which sections a prompt has, in which order, and where runs of text start."""

from fimserve.prompt import Order, PromptParts, Snippet, load_format
from fimserve.prompt.layout import SectionKind, lay_out, run_starts, section_text

SNIPPET = Snippet("a.py", "x\n\n")


def kinds(family: str, parts: PromptParts, order: Order | None) -> list[str]:
    return [section.kind.name.lower() for section in lay_out(load_format(family), parts, order)]


def text(family: str, parts: PromptParts) -> str:
    fim_format = load_format(family)
    sections = lay_out(fim_format, parts, fim_format.default_order)
    return "".join(section_text(section, fim_format) for section in sections)


def test_sections_of_our_own_family() -> None:
    parts = PromptParts("p", "s", path="b.py", repo="r", snippets=(SNIPPET,))
    assert kinds("fimserve", parts, Order.SPM) == [
        "header", "snippet", "header", "marker", "marker", "suffix", "marker", "prefix",
    ]  # fmt: skip
    assert kinds("fimserve", parts, None) == ["header", "snippet", "header", "prefix"]


def test_repository_alone_writes_nothing() -> None:
    parts = PromptParts("p", "s", repo="r")
    assert "header" not in kinds("fimserve", parts, Order.PSM)


def test_snippets_lose_trailing_newlines_to_the_family_rule() -> None:
    parts = PromptParts("p", "s", path="b.py", snippets=(SNIPPET,))
    assert "a.py\nx\n<|file_sep|>b.py\n" in text("fimserve", parts)
    assert "a.py\nx\n<file_sep><fim_prefix>b.py\n" in text("starcoder2", parts)
    assert "#a.py\nx\n\n#b.py\n" in text("deepseek-coder", parts)


def test_snippets_without_a_current_path() -> None:
    parts = PromptParts("p", "s", snippets=(SNIPPET,))
    assert text("fimserve", parts).startswith("<|file_sep|>a.py\nx\n<|file_sep|>filename\n<|fim_")
    assert text("deepseek-coder", parts).startswith("#a.py\nx\n\n<｜fim▁begin｜>p")


def test_a_language_without_line_comments_gets_no_context() -> None:
    parts = PromptParts("p", "s", path="b.html", snippets=(SNIPPET,))
    assert "snippet" not in kinds("codellama", parts, Order.PSM)
    assert "header" not in kinds("starcoder", parts, Order.PSM)


def test_the_language_decides_the_comment_mark() -> None:
    parts = PromptParts("p", "s", language="go", snippets=(SNIPPET,))
    assert text("codellama", parts) == "<PRE> // Path: a.py\n// x\np <SUF>s <MID>"


def test_runs_start_after_markers_and_never_in_suffix_or_increment() -> None:
    fim_format = load_format("codellama")
    parts = PromptParts("p", "s", path="b.py", snippets=(SNIPPET, SNIPPET), increment="i")
    sections = lay_out(fim_format, parts, Order.MIDDLE_INCREMENT)
    starts = {
        (section.kind, i): start
        for i, (section, start) in enumerate(zip(sections, run_starts(sections), strict=True))
    }
    assert [start for (kind, _), start in starts.items() if kind is SectionKind.SNIPPET] == [
        True,
        False,
    ]
    assert [start for (kind, _), start in starts.items() if kind is SectionKind.PREFIX] == [False]
    assert [start for (kind, _), start in starts.items() if kind is SectionKind.SUFFIX] == [False]
    assert [s for (kind, _), s in starts.items() if kind is SectionKind.INCREMENT] == [False]
    alone = lay_out(fim_format, PromptParts("p", "s"), Order.PSM)
    assert [
        start
        for section, start in zip(alone, run_starts(alone), strict=True)
        if section.kind is SectionKind.PREFIX
    ] == [True]
