"""A completion finishes the token that the cursor splits, and starts exactly at the cursor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fimserve.engine import CompletionDelta, CompletionRequest, make_renderer
from fimserve.engine.healing import Cut, Healer, HealingIndex, cut, rest_of_word
from fimserve.models import LoadedModel
from fimserve.prompt import Order, TextEncoder
from support.loops import HandLoop
from support.rote_model import RoteModel
from support.sentencepiece import sentencepiece_json
from support.tiny_checkpoint import make_tiny_tokenizer

DOCUMENT = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "for value in values:\n        if value is None:\n            print(value)\n# größe 数 😀 x\n"
)
SUFFIX = "\n\nprint(mean([1, 2]))\n"
ORDERS = [*Order, None]
ENCODER = TextEncoder.from_json(make_tiny_tokenizer().to_str())


def make_index(encoder: TextEncoder) -> HealingIndex:
    return HealingIndex(encoder.token_bytes, encoder.vocab_size, encoder.special_ids)


def cut_with(encoder: TextEncoder, text: str) -> Cut:
    return cut(text, encoder, make_index(encoder))


INDEX = make_index(ENCODER)


def make_rote(tiny_model: LoadedModel) -> HandLoop:
    """Return a loop whose model knows DOCUMENT by heart."""
    encoder = make_renderer(tiny_model).encoder
    model = RoteModel(encoder, DOCUMENT, tiny_model.config.vocab_size)
    return HandLoop(replace(tiny_model, model=model))  # type: ignore[arg-type]


@pytest.fixture
def rote(tiny_model: LoadedModel) -> HandLoop:
    return make_rote(tiny_model)


@pytest.fixture
def random(tiny_model: LoadedModel) -> HandLoop:
    """A loop whose model writes nonsense."""
    return HandLoop(tiny_model)


def make_request(prefix: str, order: Order | None = None, **fields: object) -> CompletionRequest:
    """Return a request in an order, or for plain continuation."""
    suffix = None if order is None else SUFFIX
    usual: dict[str, object] = {"max_tokens": 4, "multiline": True, "trim": False}
    return CompletionRequest(prefix, suffix, order=order, **(usual | fields))  # type: ignore[arg-type]


def complete(hand: HandLoop, request: CompletionRequest) -> list[CompletionDelta]:
    return hand.complete(request).deltas


def text_of(deltas: list[CompletionDelta]) -> str:
    return "".join(delta.text for delta in deltas)


def bytes_of(deltas: list[CompletionDelta]) -> bytes:
    return b"".join(ENCODER.token_bytes(i) for delta in deltas for i in delta.token_ids)


def up_to(text: str) -> str:
    """Return the document up to the end of some text in it."""
    return DOCUMENT[: DOCUMENT.index(text) + len(text)]


# --- the cut -------------------------------------------------------------------------------------


@given(st.text(alphabet="a v=\n\r\tößé数😀", max_size=200))
def test_both_pieces_make_up_the_text(text: str) -> None:
    kept, removed, _ = cut(text, ENCODER, INDEX)
    assert kept + removed.decode() == text
    assert bool(removed) == bool(text)
    assert not kept.endswith("\r")


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        ("", ""),
        ("x", "x"),
        ("    return ", " "),
        ("    retu", " retu"),
        ("x = val", " val"),
        ("a\n   ", "\n   "),
        ("x +=", "="),
        ("x 😀", " 😀"),
        ("x é", "é"),
        ("a\rb", "\rb"),
        ("x" * 500, "x"),
    ],
)
def test_the_cut_is_a_safe_boundary_and_whole_characters(text: str, removed: str) -> None:
    assert cut(text, ENCODER, INDEX).removed.decode() == removed


def test_a_tokenizer_that_writes_blanks_of_its_own_is_left_alone() -> None:
    encoder = TextEncoder.from_json(sentencepiece_json({}))
    assert cut_with(encoder, "return run") == Cut("return run", b"")


def test_a_tokenizer_that_changes_text_is_left_alone() -> None:
    lossy = make_tiny_tokenizer()
    from tokenizers import normalizers

    lossy.normalizer = normalizers.Lowercase()
    encoder = TextEncoder.from_json(lossy.to_str())
    assert cut_with(encoder, "return X") == Cut("return X", b"")
    assert cut_with(encoder, "return x").removed == b" x"


@pytest.mark.parametrize(
    ("prefix", "suffix", "rest"),
    [
        ("pri", "nt(x)", b"nt"),
        ("größ", "e = 1", b"e"),
        ("print(", "x)", b""),
        ("print", "(x)", b""),
        ("", "x", b""),
        ("x", "", b""),
    ],
)
def test_a_word_goes_on_in_the_suffix(prefix: str, suffix: str, rest: bytes) -> None:
    assert rest_of_word(prefix, suffix) == rest


# --- the index -----------------------------------------------------------------------------------

TOKENS = st.lists(st.binary(max_size=4) | st.text("ab ", max_size=4).map(str.encode), max_size=30)


@given(TOKENS, st.binary(min_size=1, max_size=5) | st.text("ab ", min_size=1).map(str.encode))
@settings(max_examples=300)
def test_the_index_finds_what_a_scan_finds(tokens: list[bytes], remaining: bytes) -> None:
    num_candidates, excluded = len(tokens) * 3 // 4, {1, 5}
    index = HealingIndex(tokens.__getitem__, num_candidates, excluded)
    expected = [
        token_id
        for token_id, token in enumerate(tokens[:num_candidates])
        if token and token_id not in excluded
        if token.startswith(remaining) or remaining.startswith(token)
    ]
    assert sorted(index.allowed(remaining)) == expected


@given(TOKENS, st.binary(min_size=1, max_size=5))
def test_the_index_knows_which_texts_some_token_extends(tokens: list[bytes], text: bytes) -> None:
    index = HealingIndex(tokens.__getitem__, len(tokens))
    assert index.extends(text) == any(t.startswith(text) and t != text for t in tokens)
    assert index.max_token_bytes == max(map(len, tokens), default=0)


@given(TOKENS, st.text("ab ", min_size=1, max_size=3), st.text("ab", max_size=2))
def test_a_token_that_goes_on_with_the_rest_of_the_word_is_left_out(
    tokens: list[bytes], remaining: str, rest: str
) -> None:
    index = HealingIndex(tokens.__getitem__, len(tokens))
    whole = (remaining + rest).encode()
    expected = [
        token_id
        for token_id in index.allowed(remaining.encode())
        if not rest or not tokens[token_id].startswith(whole)
    ]
    assert list(index.allowed(remaining.encode(), rest.encode())) == expected


@given(
    TOKENS,
    st.binary(max_size=5) | st.text("ab ", max_size=3).map(str.encode),
    st.text("ab", max_size=2).map(str.encode),
)
@settings(max_examples=300)
def test_a_token_is_allowed_where_it_is_among_those_allowed(
    tokens: list[bytes], remaining: bytes, rest: bytes
) -> None:
    index = HealingIndex(tokens.__getitem__, len(tokens) * 3 // 4, {1, 5})
    healer = Healer(index, tokens.__getitem__, remaining, rest)
    allowed = healer.allowed()
    for token_id in range(len(tokens)):
        assert healer.allows(token_id) == (allowed is None or token_id in allowed)


@given(st.text("aelruv =\nößé数😀", min_size=1, max_size=20), st.text("aelruv", max_size=4))
def test_some_token_is_always_allowed(text: str, rest: str) -> None:
    removed = cut(text, ENCODER, INDEX).removed
    for start in range(len(removed)):
        assert INDEX.allowed(removed[start:], rest.encode())


def test_an_index_is_complete_where_every_character_can_be_spelt() -> None:
    size = ENCODER.vocab_size
    assert HealingIndex(ENCODER.token_bytes, size, ENCODER.special_ids).is_complete
    blank = ENCODER.encode(" ")[0]
    assert not HealingIndex(ENCODER.token_bytes, size, {blank}).is_complete
    assert not HealingIndex(ENCODER.token_bytes, 100).is_complete


@given(st.text("aelruv \n", min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_whatever_is_chosen_the_removed_bytes_are_spelt(text: str, dice: object) -> None:
    index = HealingIndex(ENCODER.token_bytes, ENCODER.vocab_size, ENCODER.special_ids)
    healer = Healer(index, ENCODER.token_bytes, text.encode())
    spelt, num_new = b"", 0
    while (allowed := healer.allowed()) is not None:
        token_id = dice.choice(allowed)  # type: ignore[attr-defined]
        num_new += healer.accept(token_id)
        spelt += ENCODER.token_bytes(token_id)
    assert spelt.startswith(text.encode())
    assert num_new == (len(spelt) > len(text.encode()))
    assert healer.accept(0)


# --- completions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("prefix", "first", "unhealed"),
    [
        ("return ", "sum", "7"),
        ("    ret", "urn", "7"),
        ("sum(val", "ues", "7"),
        ("# größ", "e", "7"),
        ("in values:\n   ", "    ", "7"),
    ],
)
def test_the_token_that_the_cursor_splits_is_finished(
    rote: HandLoop, order: Order | None, prefix: str, first: str, unhealed: str
) -> None:
    request = make_request(up_to(prefix), order, max_tokens=1)
    assert text_of(complete(rote, request)) == first
    assert text_of(complete(rote, replace(request, heal=False))) == unhealed


@pytest.mark.parametrize("order", ORDERS)
def test_where_tokens_end_the_document_goes_on_all_the_same(
    rote: HandLoop, order: Order | None
) -> None:
    position = 0
    for token_id in ENCODER.encode(DOCUMENT)[:40]:
        position += len(ENCODER.token_bytes(token_id))
        prefix = DOCUMENT.encode()[:position].decode(errors="ignore")
        text = text_of(complete(rote, make_request(prefix, order, max_tokens=3)))
        assert text
        assert DOCUMENT.startswith(prefix + text)


@pytest.mark.parametrize("prefix", ["", "d", "de"])
def test_at_the_start_of_the_document(rote: HandLoop, prefix: str) -> None:
    text = text_of(complete(rote, make_request(prefix, None, max_tokens=2)))
    assert prefix + text == "def mean"


@pytest.mark.parametrize("order", ORDERS)
@given(
    prefix=st.text("aelruv =\n\tößé数😀", max_size=30),
    seed=st.integers(0, 9),
    max_tokens=st.integers(0, 6),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_spells_the_cut_and_then_the_text(
    random: HandLoop, order: Order | None, prefix: str, seed: int, max_tokens: int
) -> None:
    fields = {"temperature": 2.0, "seed": seed, "max_tokens": max_tokens}
    deltas = complete(random, make_request(prefix, order, **fields))
    removed = cut(prefix, ENCODER, INDEX).removed
    written = bytes_of(deltas)
    usage = deltas[-1].usage
    assert usage is not None
    assert deltas[-1].finish_reason == "length"
    if max_tokens == 0:
        assert (written, text_of(deltas), usage.completion_tokens) == (b"", "", 0)
        return
    assert written.startswith(removed)
    new = written[len(removed) :].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert text_of(deltas).rstrip("\ufffd") == new.decode(errors="replace").rstrip("\ufffd")
    assert usage.completion_tokens == max_tokens
    num_healing = sum(len(delta.token_ids) for delta in deltas) - max_tokens
    assert 0 <= num_healing <= len(removed)
    again = complete(random, make_request(prefix, order, **fields))
    assert bytes_of(again) == written


@pytest.mark.parametrize("order", [Order.PSM, Order.SPM, Order.MIDDLE_INCREMENT])
def test_a_word_that_the_suffix_completes_is_not_written_twice(
    rote: HandLoop, order: Order
) -> None:
    request = make_request(up_to("ret"), order, max_tokens=1)
    assert text_of(complete(rote, request)) == "urn"
    deltas = complete(rote, replace(request, suffix="urn sum(values)\n"))
    assert bytes_of(deltas).startswith(b" ret")
    assert not bytes_of(deltas).startswith(b" return")


def test_end_tokens_wait_until_the_cut_is_spelt(rote: HandLoop) -> None:
    deltas = complete(rote, make_request(DOCUMENT, None))
    assert (text_of(deltas), deltas[-1].finish_reason) == ("", "stop")
    assert bytes_of(deltas) == b"\n"


def test_max_tokens_counts_new_tokens_only(rote: HandLoop) -> None:
    deltas = complete(rote, make_request(up_to("def mean("), None, max_tokens=2))
    assert text_of(deltas) == "values):"
    assert bytes_of(deltas) == b"(values):"
    usage = deltas[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 2


def test_a_healed_line_end_does_not_end_a_single_line(rote: HandLoop) -> None:
    prefix = up_to("values):\n ")
    request = make_request(prefix, None, max_tokens=40, multiline=False)
    deltas = complete(rote, request)
    assert text_of(deltas) == "   return sum(values) / len(values)"
    assert deltas[-1].finish_reason == "stop"


@pytest.mark.parametrize("stop", ["(", "n(", "n(v"])
def test_a_stop_string_in_the_healed_text_does_not_fire(rote: HandLoop, stop: str) -> None:
    request = make_request(up_to("def mean("), None, max_tokens=2, stop=(stop,))
    assert text_of(complete(rote, request)) == "values):"
    assert text_of(complete(rote, replace(request, stop=("lues",)))) == "va"


@pytest.mark.parametrize("seed", range(10))
def test_sampling_keeps_to_what_agrees(random: HandLoop, seed: int) -> None:
    prefix = "x = mean(val"
    request = make_request(prefix, Order.SPM, temperature=9.0, seed=seed)
    assert bytes_of(complete(random, request)).startswith(b"val")


def test_line_ends_of_the_document_come_back(rote: HandLoop) -> None:
    line_end = up_to("values):\n").replace("\n", "\r\n")
    assert text_of(complete(rote, make_request(line_end, None, max_tokens=1))) == "   "
    blank = up_to("return ").replace("\n", "\r\n")
    text = text_of(complete(rote, make_request(blank, None, max_tokens=12)))
    assert text.startswith("sum(values) / len(values)\r\n")


# --- sessions and limits -------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_keystrokes_in_a_session_write_what_fresh_ones_write(
    tiny_model: LoadedModel, order: Order | None
) -> None:
    rote, twin = make_rote(tiny_model), make_rote(tiny_model)
    num_cached = 0
    for length in [*range(60), 12, 13, 0, 59]:
        request = make_request(DOCUMENT[:length], order, session="a")
        cached = complete(rote, request)
        twin.loop.parts.kv.clear()  # the anchor stays, nothing computed does
        fresh = complete(twin, request)
        assert [delta.token_ids for delta in cached] == [delta.token_ids for delta in fresh]
        assert text_of(cached) == text_of(fresh)
        usage = cached[-1].usage
        assert usage is not None
        num_cached += usage.cached_tokens
    assert num_cached > 300


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "place", ["def mean(", "    return ", "for value in values:\n", "# größe "]
)
def test_typing_the_suggestion_leaves_its_rest(
    rote: HandLoop, order: Order | None, place: str
) -> None:
    prefix = up_to(place)
    request = make_request(prefix, order, session="a", max_tokens=20, multiline=False)
    suggested = text_of(complete(rote, request))
    assert len(suggested) > 4
    for num_typed in range(1, len(suggested)):
        typed = replace(request, prefix=prefix + suggested[:num_typed])
        assert text_of(complete(rote, typed)) == suggested[num_typed:]


@pytest.mark.parametrize("order", ORDERS)
@given(
    prefix=st.text("aelruv =\n\tößé数😀", max_size=20),
    fragment=st.text("aelruvsmntdfi", min_size=1, max_size=6),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_healed_text_goes_on_from_the_typed_fragment(
    random: HandLoop, order: Order | None, prefix: str, fragment: str
) -> None:
    """Whatever the model would rather write: kept text, removed bytes and text are the document."""
    deltas = complete(random, make_request(prefix + fragment, order, max_tokens=6))
    kept = cut(prefix + fragment, ENCODER, INDEX).kept
    document = kept.encode() + bytes_of(deltas)
    assert document.startswith((prefix + fragment).encode())


@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("order", [Order.SPM, Order.MIDDLE_INCREMENT])
def test_the_first_keystroke_behind_a_split_token_computes_little(
    rote: HandLoop, order: Order, warm_up: bool
) -> None:
    request = make_request(up_to("return "), order, session="a")
    complete(rote, replace(request, max_tokens=0) if warm_up else request)
    for typed in ["", "s", "su", "sum", "sum("]:
        usage = complete(rote, replace(request, prefix=request.prefix + typed))[-1].usage
        assert usage is not None
        assert usage.prompt_tokens - usage.cached_tokens <= 2


def test_a_warm_up_prepares_the_very_prompt_of_the_request(rote: HandLoop) -> None:
    request = make_request(up_to("return "), Order.PSM, session="a")
    warm = complete(rote, replace(request, max_tokens=0))
    assert [(delta.text, delta.token_ids) for delta in warm] == [("", ())]
    usage = complete(rote, request)[-1].usage
    assert usage is not None
    assert usage.cached_tokens == usage.prompt_tokens - 1


@pytest.mark.parametrize("num_steps", range(1, 8))
def test_cancelled_at_any_step_the_cut_is_not_shown(random: HandLoop, num_steps: int) -> None:
    asked = random.ask(make_request(up_to("return "), Order.SPM, session="a", max_tokens=9))
    for _ in range(num_steps):
        random.loop.step()
    random.loop.end(asked.ticket, "cancelled")
    assert asked.deltas[-1].finish_reason == "cancelled"
    new = bytes_of(asked.deltas)[1:].decode(errors="replace")
    assert asked.text.rstrip("\ufffd") == new.rstrip("\ufffd")
    random.loop.check_integrity()


def test_the_context_is_never_exceeded(tiny_model: LoadedModel) -> None:
    config = replace(tiny_model.config, max_context_tokens=40)
    hand = HandLoop(replace(tiny_model, config=config))
    for max_tokens in (1, 19, 20, 21, 1000):
        request = make_request("value = mean(values) " * 9, Order.SPM, max_tokens=max_tokens)
        usage = complete(hand, request)[-1].usage
        assert usage is not None
        assert usage.prompt_tokens + usage.completion_tokens <= 40
        assert usage.completion_tokens >= min(max_tokens, 18)


def test_a_vocabulary_with_gaps_is_not_healed(tiny_model: LoadedModel) -> None:
    blank = ENCODER.encode(" ")[0]
    loaded = replace(tiny_model, eos_token_ids=tiny_model.eos_token_ids | {blank})
    hand = HandLoop(loaded)
    request = make_request(up_to("return "), Order.SPM)
    healed = complete(hand, request)
    assert bytes_of(healed) == bytes_of(complete(hand, replace(request, heal=False)))
