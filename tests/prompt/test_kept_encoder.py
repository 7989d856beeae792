"""A prompt is the same, whatever its session has shown before, with every tokenizer at hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt import (
    KeptTokens,
    Order,
    PromptParts,
    Renderer,
    Snippet,
    TextEncoder,
    detect_format,
    load_format,
)
from fimserve.prompt.kept_encoder import KeptEncoder
from support.edited_texts import EDITS, TEXTS, apply_edit
from support.known_tokenizers import NAMES, known_encoder
from support.sentencepiece import sentencepiece_json

LIMITS = st.integers(0, 60)


def renderer_of(name: str) -> Renderer:
    encoder = known_encoder(name)
    detected = detect_format(lambda token: encoder.token_id(token) is not None)
    return Renderer(detected or load_format("refact"), encoder)


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, edits=EDITS)
def test_edited_texts_have_the_ids_of_the_whole(
    name: str, text: str, edits: list[tuple[float, int, str]]
) -> None:
    encoder = known_encoder(name)
    kept = KeptEncoder(encoder, KeptTokens())
    for edit in [(0.0, 0, ""), *edits]:
        text = apply_edit(text, edit)
        assert kept.encode(text) == encoder.encode(text)


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXTS, limits=st.lists(LIMITS, min_size=1, max_size=4))
def test_parts_are_ends_of_the_whole_that_are_long_enough(
    name: str, text: str, limits: list[int]
) -> None:
    encoder = known_encoder(name)
    kept, whole = KeptEncoder(encoder, KeptTokens()), encoder.encode(text)
    for limit in limits:
        end, start = kept.encode_end(text, limit), kept.encode_start(text, limit)
        assert whole[len(whole) - len(end) :] == end
        assert whole[: len(start)] == start
        assert min(len(end), len(start)) > limit or end == start == whole


@pytest.mark.parametrize("name", NAMES)
@given(
    text=TEXTS,
    edits=EDITS,
    cursor=st.floats(0, 1),
    budget=st.one_of(st.none(), st.integers(40, 160)),
    order=st.sampled_from(Order),
)
def test_a_session_sees_the_prompts_of_a_stranger(
    name: str,
    text: str,
    edits: list[tuple[float, int, str]],
    cursor: float,
    budget: int | None,
    order: Order,
) -> None:
    renderer, kept = renderer_of(name), KeptTokens(max_generation_bytes=4096)
    order = order if order in renderer.format.orders else renderer.format.default_order
    for edit in [(0.0, 0, ""), *edits]:
        text = apply_edit(text, edit)
        place = int(cursor * len(text))
        increment = text[max(0, place - 5) : place] if order is Order.MIDDLE_INCREMENT else ""
        parts = PromptParts(
            prefix=text[: place - len(increment)],
            increment=increment,
            suffix=text[place:],
            path="src/a.py",
            snippets=(Snippet("b.py", text[:50]),),
        )
        assert renderer.render(parts, order, budget, kept) == renderer.render(parts, order, budget)


def test_only_what_changed_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = known_encoder("embedded")
    text = "".join(f"value_{number} = {number}\n" for number in range(200))
    kept = KeptEncoder(encoder, KeptTokens())
    kept.encode(text)
    asked: list[str] = []

    def watched(piece: str) -> list[int]:
        asked.append(piece)
        return [0]

    monkeypatch.setattr(encoder, "encode", watched)
    kept.encode(text.replace("value_77 =", "value_77 +="))
    assert asked == ["value_77 += 77\n"]
    asked.clear()
    kept.encode_end("# new first line\n" + text[300:], 10_000)
    assert sum(map(len, asked)) < 50


def test_a_tokenizer_without_cuts_encodes_the_whole() -> None:
    encoder = TextEncoder.from_json(sentencepiece_json({}))
    assert not encoder.has_safe_cuts
    assert encoder.cut("a\nb\n") == ["a\nb\n"]
    assert encoder.cut("") == []
