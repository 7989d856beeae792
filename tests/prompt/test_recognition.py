"""Prompts that clients laid out themselves: taken apart again, and nothing else is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.prompt import (
    Order,
    PromptParts,
    Snippet,
    format_names,
    load_format,
    recognise_template,
)
from support.byte_level import byte_level_renderer
from support.golden_example import PREFIX, SINGLE_FILE, SNIPPETS, SUFFIX, WITH_CONTEXT
from support.golden_prompts import COMMENTS, CONTEXT_GOLDENS, PATH_GOLDENS, SINGLE_FILE_GOLDENS
from support.markers import ALL_MARKERS

WITHOUT_REPO = ("deepseek-coder", "codegemma", "codestral", "mellum", "seed-coder")
LAYOUTS = [(name, order) for name in format_names() for order in load_format(name).orders]


@pytest.mark.parametrize(("family", "order"), SINGLE_FILE_GOLDENS)
def test_a_single_file_is_read_back(family: str, order: str) -> None:
    assert recognise_template(SINGLE_FILE_GOLDENS[family, order]) == SINGLE_FILE


@pytest.mark.parametrize(("family", "order"), CONTEXT_GOLDENS)
def test_other_files_are_read_back(family: str, order: str) -> None:
    found = recognise_template(CONTEXT_GOLDENS[family, order])
    if load_format(family).comments:
        path = "main.py" if family == "starcoder" else None
        assert found == PromptParts(COMMENTS + PREFIX, SUFFIX, path=path)
    else:
        repo = None if family in WITHOUT_REPO else "demo"
        assert found == replace(WITH_CONTEXT, repo=repo)


@pytest.mark.parametrize(("family", "order"), PATH_GOLDENS)
def test_a_path_that_is_shown_is_read_back(family: str, order: str) -> None:
    text = PATH_GOLDENS[family, order]
    path = "main.py" if "main.py" in text else None
    assert recognise_template(text) == PromptParts(PREFIX, SUFFIX, path=path)


@pytest.mark.parametrize(
    "family", [name for name, order in LAYOUTS if order is Order.MIDDLE_INCREMENT]
)
def test_what_was_typed_since_an_anchor_joins_the_prefix(family: str) -> None:
    fim_format = load_format(family)
    parts = PromptParts(PREFIX, SUFFIX, increment="doub")
    text = byte_level_renderer(fim_format).render_text(parts, Order.MIDDLE_INCREMENT)
    assert recognise_template(text) == parts.reanchored()


def test_pieces_without_a_path_stay_without_one() -> None:
    nameless = tuple(Snippet("", snippet.text) for snippet in SNIPPETS)
    parts = PromptParts(PREFIX, SUFFIX, snippets=nameless)
    for family in ("fimserve", "starcoder2", "mellum"):
        text = byte_level_renderer(load_format(family)).render_text(parts)
        assert recognise_template(text) == parts


@pytest.mark.parametrize("bos", ["", "<｜begin▁of▁sentence｜>"])
def test_a_bos_that_the_client_wrote_is_no_text(bos: str) -> None:
    golden = SINGLE_FILE_GOLDENS["deepseek-coder", "psm"]
    assert recognise_template(bos + golden) == SINGLE_FILE


@pytest.mark.parametrize("context", ["Context:\n\n# utils.py\nX = 1", "X = 1\n"])
def test_free_text_before_a_template_is_a_piece_of_another_file(context: str) -> None:
    found = recognise_template(context + SINGLE_FILE_GOLDENS["qwen2.5-coder", "psm"])
    snippet = Snippet("", context.removesuffix("\n"))
    assert found == replace(SINGLE_FILE, snippets=(snippet,))


# --- text stays text -----------------------------------------------------------------------------

SOURCE_ABOUT_TEMPLATES = 'make = lambda p, s: "<|fim_prefix|>" + p + "<|fim_suffix|>" + s + '


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1\n",
        "a <|fim_prefix|> alone",
        "<|fim_prefix|>no suffix<|fim_middle|>",
        "<|fim_prefix|>a<|fim_suffix|>b",
        "<|fim_suffix|>b<|fim_prefix|>a",
        "<|fim_prefix|>a<|fim_middle|>b<|fim_suffix|>",
        "<|fim_prefix|>a<|fim_prefix|>b<|fim_suffix|>c<|fim_middle|>",
        "<|fim_prefix|>a<fim_suffix>b<|fim_middle|>",
        SOURCE_ABOUT_TEMPLATES + '"<|fim_middle|>"\n',
        SOURCE_ABOUT_TEMPLATES + '"<|fim_middle|>',
        "x = 1\n<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>typed",
        "<|file_sep|>x<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>typed"[10:],
        "see [SUFFIX]b[PREFIX]a",
    ],
)
def test_text_that_mentions_markers_stays_text(text: str) -> None:
    assert recognise_template(text) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*ALL_MARKERS, "a", "\n", "b.py\n", " ", "#"]), max_size=12))
def test_nothing_is_made_up(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = recognise_template(text)
    if found is None:
        return
    assert found.suffix is not None
    assert found.suffix in text
    for snippet in found.snippets:
        assert snippet.text in text
    # An increment joins the prefix, which stood elsewhere.
    middle = [i for i in range(len(found.prefix) + 1) if found.prefix[:i] in text]
    assert any(found.prefix[i:] in text for i in middle)


@pytest.mark.timeout(20)  # seconds; a pattern that tries twice over would take hours
@pytest.mark.parametrize(
    "text",
    [
        "#" + "a./" * 80_000 + "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>",
        "#a.py\n" * 40_000 + "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>x",
        "a./" * 80_000 + "\n<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
        "<file_sep><fim_prefix>" + "a./" * 80_000 + "<fim_suffix>b<fim_middle>",
        "[SUFFIX]b[PREFIX]+++++ " + "a " * 120_000,
        "[SUFFIX]b[PREFIX]" + "+++++ a \n" * 25_000,
        "<|file_sep|>" * 20_000 + "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
        "<|fim_prefix|>" + "a <|fim_suffix" * 18_000,
    ],
    ids=range(8),
)
def test_text_made_to_hurt_is_read_in_linear_time(text: str) -> None:
    found = recognise_template(text)
    assert found is None or found.suffix == "b"


WORDS = st.text(st.sampled_from("ab \n\t{}():#+<>|[]é"), max_size=30)
LINES = st.text(st.sampled_from("ab \n{}()é"), max_size=30).map(str.strip).filter(bool)


@settings(max_examples=200, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    prefix=WORDS,
    suffix=WORDS,
    texts=st.lists(LINES, max_size=3),
    has_path=st.booleans(),
)
def test_what_is_laid_out_is_read_back(
    layout: tuple[str, Order], prefix: str, suffix: str, texts: list[str], has_path: bool
) -> None:
    family, order = layout
    fim_format = load_format(family)
    snippets = (
        ()
        if fim_format.comments
        else tuple(Snippet(f"src/{number}.py", text) for number, text in enumerate(texts))
    )
    path = "main.py" if has_path or snippets else None
    parts = PromptParts(prefix, suffix, path=path, snippets=snippets)
    text = byte_level_renderer(fim_format).render_text(parts, order)
    if not snippets and (path is None or path not in text):
        parts = replace(parts, path=None)
    assert recognise_template(text) == parts
