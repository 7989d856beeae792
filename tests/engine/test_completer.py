"""Requests become prompts: order, anchor, budget, and what stays between requests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import CompleterSettings, CompletionDelta, CompletionRequest, InvalidRequest
from fimserve.engine.completer import Completer
from fimserve.engine.engine import make_renderer
from fimserve.engine.sequence import Sequence
from fimserve.engine.session_cache import Session, SessionKey
from fimserve.engine.ticket import Ticket
from fimserve.models import BrokenCheckpoint, LoadedModel, UnsupportedModel, load_model
from fimserve.prompt import Order
from support.fake_clock import FakeClock
from support.tiny_checkpoint import write_tiny_checkpoint

PREFIX, SUFFIX = "def mean(values):\n    return ", "\n\nprint(mean([1, 2]))\n"
KEY = SessionKey("local", "main.py")


def make_completer(model: LoadedModel, **settings: int) -> Completer:
    return Completer(model, make_renderer(model), CompleterSettings(**settings), FakeClock())


def complete(completer: Completer, request: CompletionRequest) -> list[CompletionDelta]:
    return list(completer.complete(Ticket(request, 0.0, lambda delivery: None)))


def prompt_ids(completer: Completer, request: CompletionRequest) -> list[int]:
    """Return the prompt's tokens, as the session keeps them after a request for none.

    Without token healing, whose prompt ends one token earlier.
    """
    complete(completer, replace(request, max_tokens=0, session=KEY.session, heal=False))
    session = completer.sessions.take(KEY)
    assert session is not None
    return session.sequence.token_ids


def cached_tokens(deltas: list[CompletionDelta]) -> int:
    assert deltas[-1].usage is not None
    return deltas[-1].usage.cached_tokens


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, "<1><3>SUFFIX<2>PREFIX"),
        (Order.PSM, "<1>PREFIX<3>SUFFIX<2>"),
        (Order.SPM, "<1><3>SUFFIX<2>PREFIX"),
        (Order.MIDDLE_INCREMENT, "<1>PREFIX<3>SUFFIX<2>"),
    ],
)
def test_the_order_is_the_requests_else_the_checkpoints(
    tiny_model: LoadedModel, order: Order | None, expected: str
) -> None:
    completer = make_completer(tiny_model)
    encoder = make_renderer(tiny_model).encoder
    ids = prompt_ids(completer, CompletionRequest(PREFIX, SUFFIX, order=order))
    written = "".join(
        f"<{i}>" if i in encoder.special_ids else encoder.token_bytes(i).decode() for i in ids
    )
    assert written.replace(PREFIX, "PREFIX").replace(SUFFIX, "SUFFIX") == expected


def test_an_order_the_model_was_not_trained_for_is_refused(tiny_model: LoadedModel) -> None:
    completer = make_completer(replace(tiny_model, orders=("psm",), default_order="psm"))
    with pytest.raises(InvalidRequest, match="order is 'spm'; tiny was trained for psm"):
        complete(completer, CompletionRequest(PREFIX, SUFFIX, order=Order.SPM))


def test_without_a_suffix_there_is_no_marker(tiny_model: LoadedModel) -> None:
    ids = prompt_ids(make_completer(tiny_model), CompletionRequest(PREFIX))
    assert make_renderer(tiny_model).encoder.decode(ids) == PREFIX
    assert min(ids) > 6


def test_nothing_at_all_follows_the_end_token(tiny_model: LoadedModel) -> None:
    assert prompt_ids(make_completer(tiny_model), CompletionRequest("")) == [0]


@pytest.mark.parametrize("order", list(Order))
def test_a_keystroke_computes_little_in_the_orders_made_for_it(
    tiny_model: LoadedModel, order: Order
) -> None:
    completer = make_completer(tiny_model)
    suffix = SUFFIX * 5
    request = CompletionRequest(PREFIX, suffix, session="main.py", max_tokens=4, order=order)
    complete(completer, request)
    deltas = complete(completer, replace(request, prefix=PREFIX + "s"))
    usage = deltas[-1].usage
    assert usage is not None
    num_computed = usage.prompt_tokens - usage.cached_tokens
    if order is Order.PSM:  # the whole suffix comes after the change
        assert num_computed > 30
    else:
        assert num_computed <= 2


def forget_keys_and_values(completer: Completer, model: LoadedModel, key: SessionKey) -> None:
    """Leave a session its anchor, but nothing computed."""
    session = completer.sessions.take(key)
    if session is not None:
        completer.sessions.put(key, Session(Sequence(model.model), session.anchor))


@pytest.mark.parametrize("order", list(Order))
def test_keystrokes_with_a_cache_write_what_they_write_without(
    tiny_model: LoadedModel, order: Order
) -> None:
    completer = make_completer(tiny_model)
    twin = SessionKey("local", "twin")
    typed = "sum(values) / len(values)\n"
    edits = ["su", "sx", "", "sum(a)"]
    prefixes = [PREFIX + typed[:length] for length in range(len(typed))]
    prefixes += [PREFIX + edit for edit in edits] + ["import os\n" + PREFIX, PREFIX]
    num_cached = 0
    for prefix in prefixes:
        request = CompletionRequest(prefix, SUFFIX, max_tokens=6, order=order, session="main.py")
        cached = complete(completer, request)
        forget_keys_and_values(completer, tiny_model, twin)
        fresh = complete(completer, replace(request, session=twin.session))
        assert [delta.token_ids for delta in cached] == [delta.token_ids for delta in fresh]
        assert [delta.text for delta in cached] == [delta.text for delta in fresh]
        assert cached_tokens(fresh) == 0
        num_cached += cached_tokens(cached)
    assert num_cached > 5 * len(prefixes)


def test_without_a_session_nothing_is_kept(tiny_model: LoadedModel) -> None:
    completer = make_completer(tiny_model)
    request = CompletionRequest(PREFIX, SUFFIX, max_tokens=2)
    assert cached_tokens(complete(completer, request)) == 0
    assert cached_tokens(complete(completer, request)) == 0
    assert len(completer.sessions) == 0


def test_a_request_that_raises_loses_its_sessions_cache_only(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    completer = make_completer(tiny_model)
    request = CompletionRequest(PREFIX, SUFFIX, session="main.py", max_tokens=2)
    complete(completer, request)
    complete(completer, replace(request, session="other.py"))
    with monkeypatch.context() as patch:
        patch.setattr("fimserve.engine.sequence.Sequence.extend", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            complete(completer, request)
    completer.sessions.check_integrity()
    assert len(completer.sessions) == 1
    assert cached_tokens(complete(completer, request)) == 0
    assert cached_tokens(complete(completer, replace(request, session="other.py"))) > 0


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("max_tokens", [0, 1, 64, 512, 10**9])
def test_a_prompt_too_long_is_cut_to_leave_room(
    tiny_model: LoadedModel, order: Order, max_tokens: int
) -> None:
    """The context is 1024 tokens; half of it always belongs to the prompt."""
    budget = max(1024 - max_tokens, 512)
    long = "".join(f"value_{i} = {i}\n" for i in range(4000))
    # The deadline ends the work before it starts: only the prompt is of interest.
    request = CompletionRequest(long, long, max_tokens=max_tokens, order=order, deadline_ms=0.0)
    usage = complete(make_completer(tiny_model), request)[-1].usage
    assert usage is not None
    assert 0.7 * budget < usage.prompt_tokens <= budget


def test_the_models_own_end_ends_the_completion(tmp_path: Path) -> None:
    completer = make_completer(load_model(str(write_tiny_checkpoint(tmp_path)), "cpu", "fp32"))
    request = CompletionRequest(PREFIX, SUFFIX, max_tokens=500, temperature=5.0, seed=2)
    deltas = complete(completer, request)
    assert deltas[-1].finish_reason == "stop"
    written = [token_id for delta in deltas for token_id in delta.token_ids]
    assert 0 < len(written) < 500
    assert min(written) > 6


def test_a_huge_max_tokens_fills_the_context_and_no_more(tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path / "short", max_context_tokens=64, endless=True)
    completer = make_completer(load_model(str(directory), "cpu", "fp32"))
    request = CompletionRequest(
        "x = 1\n" * 100, max_tokens=10**9, temperature=1.0, seed=5, heal=False
    )
    usage = complete(completer, request)[-1].usage
    assert usage is not None
    assert usage.prompt_tokens <= 32
    assert usage.prompt_tokens + usage.completion_tokens == 64


def test_the_family_is_found_from_the_tokenizer_where_nothing_says_it(
    tiny_model: LoadedModel,
) -> None:
    unnamed = replace(tiny_model, family=None, orders=(), default_order=None)
    deltas = complete(make_completer(unnamed), CompletionRequest(PREFIX, SUFFIX, max_tokens=4))
    assert deltas[-1].finish_reason is not None


def test_a_tokenizer_without_markers_is_refused(tiny_model: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    text = tiny_model.encoder_path.read_text(encoding="utf-8")
    path.write_text(text.replace("<|fim_", "<|mif_"), encoding="utf-8")
    with pytest.raises(UnsupportedModel, match=r"no known FIM markers; write fim\.json"):
        make_renderer(replace(tiny_model, family=None, encoder_path=path))


@pytest.mark.parametrize(
    "change", [{"family": "fimsurf"}, {"orders": ("psm", "mps")}, {"family": "starcoder2"}]
)
def test_a_family_or_order_that_does_not_fit_is_refused(
    tiny_model: LoadedModel, change: dict[str, str]
) -> None:
    with pytest.raises(BrokenCheckpoint, match=r"fimsurf|mps|<fim_prefix>"):
        make_renderer(replace(tiny_model, **change))  # type: ignore[arg-type]
