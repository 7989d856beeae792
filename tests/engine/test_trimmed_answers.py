"""Answers of the whole engine end where the text rules end them, streamed or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fimserve.engine import CompletionRequest, EngineSettings, make_renderer
from fimserve.models import LoadedModel
from fimserve.prompt import Order
from support.loops import HandLoop
from support.rote_model import RoteModel

DOCUMENT = (
    "def mean(values):\n    total = sum(values)\n    return total / len(values)\n\n\n"
    "def other(x):\n    return x\n"
)
CURSOR = len("def mean(values):\n")
REQUEST = CompletionRequest(DOCUMENT[:CURSOR], "\n", language="python", max_tokens=60)
BODY = "    total = sum(values)\n    return total / len(values)"


@pytest.fixture
def rote(tiny_model: LoadedModel) -> HandLoop:
    return make_rote(tiny_model)


def make_rote(
    tiny_model: LoadedModel, settings: EngineSettings | None = None, step_ms: float = 0
) -> HandLoop:
    """Return a loop whose model knows DOCUMENT, and whose clock moves with each look at it."""
    encoder = make_renderer(tiny_model).encoder
    model = RoteModel(encoder, DOCUMENT, tiny_model.config.vocab_size)
    looks = iter(range(1_000_000))
    return HandLoop(
        replace(tiny_model, model=model),  # type: ignore[arg-type]
        settings,
        lambda: step_ms * next(looks),
    )


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("order", [*Order, "auto"])
def test_a_block_ends_with_the_function(rote: HandLoop, order: Order, streamed: bool) -> None:
    request = replace(REQUEST, order=order, streamed=streamed)
    asked = rote.complete(request)
    assert asked.text == BODY
    assert asked.deltas[-1].finish_reason == "stop"
    assert len(asked.deltas) > 1 or not streamed
    raw = rote.complete(replace(request, trim=False))
    assert raw.text == DOCUMENT[CURSOR:]


def test_what_the_suffix_holds_is_not_written_again(rote: HandLoop) -> None:
    prefix = DOCUMENT[: DOCUMENT.index("sum(") + 4]
    request = replace(REQUEST, prefix=prefix, suffix=")\n    return total / len(values)\n")
    assert rote.complete(request).text == "values"
    assert rote.complete(replace(request, trim=False)).text == "values)"


@pytest.mark.parametrize("streamed", [True, False])
def test_a_deadline_ends_at_a_line_end(tiny_model: LoadedModel, streamed: bool) -> None:
    seen = set()
    for deadline_ms in range(2, 80, 6):
        hand = make_rote(tiny_model, step_ms=0.5)
        request = replace(REQUEST, deadline_ms=deadline_ms, streamed=streamed)
        asked = hand.ask(request)
        hand.finish()
        text = asked.text
        seen.add(text)
        assert BODY.startswith(text)
        assert "\n" not in text or text in (BODY, BODY.split("\n")[0])
    assert len(seen) > 2
