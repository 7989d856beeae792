"""The measuring client against a canned server and against fimserve's own app."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from fimeval.editing_trace import CursorText
from fimeval.errors import CompleterError
from fimeval.streaming_client import Question, StreamingClient, Timing
from fimserve.prompt import Order
from support.completion_events import answer_like_fimserve, answer_plainly, stream_text
from support.completions_server import openai_body, serve_completions
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

CURSOR = CursorText("def f(x):\n    return ", "\n\nprint(f(1))\n")


def tick() -> Callable[[], float]:
    """Return a clock that is one second later each time it is asked."""
    seconds: Iterator[int] = count()
    return lambda: float(next(seconds))


def test_times_are_those_of_the_first_text_and_the_last_byte() -> None:
    with (
        serve_completions(lambda body: (200, stream_text(["", "a", "b"]))) as server,
        StreamingClient(server.url, "m", max_tokens=3, clock_s=tick()) as client,
    ):
        timing = client.measure(Question(CURSOR))
    # Asked three times: at the start, at the first event with text, at the end.
    assert timing == Timing(1000.0, 2000.0, "length", 40, 3)


def test_an_answer_without_text_has_its_first_token_at_its_end() -> None:
    answer = stream_text([""], "stop", {"prompt_tokens": 40, "completion_tokens": 0})
    with (
        serve_completions(lambda body: (200, answer)) as server,
        StreamingClient(server.url, "m", max_tokens=3, clock_s=tick()) as client,
    ):
        timing = client.measure(Question(CURSOR))
    assert timing == Timing(1000.0, 1000.0, "stop", 40, 0)
    assert timing.ms_per_token is None


@pytest.mark.parametrize(
    ("num_new_tokens", "finish_reason", "expected"),
    [
        (11, "length", 5.0),
        (10, "stop", 5.0),
        (1, "stop", 50.0),
        (1, "length", None),
        (0, "stop", None),
        (None, "length", None),
    ],
)
def test_time_per_token_counts_the_steps_after_the_first(
    num_new_tokens: int | None, finish_reason: str, expected: float | None
) -> None:
    timing = Timing(20.0, 70.0, finish_reason, 40, num_new_tokens)
    assert timing.ms_per_token == expected


def test_fields_that_nobody_asked_for_are_not_sent() -> None:
    with (
        serve_completions(answer_plainly) as server,
        StreamingClient(server.url, None, max_tokens=3) as client,
    ):
        client.measure(Question(CURSOR))
        client.measure(Question(CURSOR, Order.SPM, "s1", True))
    plain, ours = server.bodies
    assert plain == {
        "prompt": CURSOR.prefix,
        "suffix": CURSOR.suffix,
        "max_tokens": 3,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert ours == plain | {"order": "spm", "session": "s1", "multiline": True}


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "k1")
    with (
        serve_completions(answer_plainly) as server,
        StreamingClient(server.url, "m", max_tokens=3) as client,
    ):
        client.measure(Question(CURSOR))
    assert server.keys == ["Bearer k1"]


def test_a_proxy_from_the_environment_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with (
        serve_completions(answer_plainly) as server,
        StreamingClient(server.url, "m", max_tokens=3) as client,
    ):
        client.measure(Question(CURSOR))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 40, "prompt_tokens_details": {"cached_tokens": 30}}, 0.75),
        ({"prompt_tokens": 40, "prompt_tokens_details": {"cached_tokens": 0}}, 0.0),
        ({"prompt_tokens": 40, "prompt_tokens_details": None}, None),
        ({"prompt_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}, None),
        (None, None),
    ],
)
def test_cached_share_is_what_a_whole_answer_says(usage: Any, expected: float | None) -> None:
    with (
        serve_completions(lambda body: (200, openai_body("x") | {"usage": usage})) as server,
        StreamingClient(server.url, "m", max_tokens=3) as client,
    ):
        assert client.find_cached_share(Question(CURSOR)) == expected
    assert "stream" not in server.bodies[0]


def refuse_unknown_fields(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer as a server with strict parsing and without orders."""
    return (400, "unknown field order") if "order" in body else answer_plainly(body)


@pytest.mark.parametrize(
    ("answer", "orders"),
    [
        (answer_plainly, ()),
        (refuse_unknown_fields, ()),
        (answer_like_fimserve, (Order.PSM, Order.SPM)),
    ],
)
def test_orders_are_found_by_asking(answer: Any, orders: tuple[Order, ...]) -> None:
    with (
        serve_completions(answer) as server,
        StreamingClient(server.url, "m", max_tokens=3) as client,
    ):
        assert client.find_orders() == orders
    assert all(body["max_tokens"] == 1 for body in server.bodies)


def test_our_own_service_is_measured_in_every_order() -> None:
    engine = FakeEngine(["return", " x"], "length")
    with (
        serve_in_thread(engine) as url,
        StreamingClient(url, engine.model_name, max_tokens=9) as client,
    ):
        assert client.find_orders() == tuple(Order)
        timing = client.measure(Question(CURSOR, Order.MIDDLE_INCREMENT, "s1"))
        assert client.find_cached_share(Question(CURSOR)) == pytest.approx(12 / 19)
    assert (timing.finish_reason, timing.num_prompt_tokens, timing.num_new_tokens) == (
        "length", 19, 9,
    )  # fmt: skip
    asked = next(request for request in engine.requests if request.session == "s1")
    assert (asked.prefix, asked.suffix) == (CURSOR.prefix, CURSOR.suffix)
    assert (asked.order, asked.max_tokens, asked.temperature) == (Order.MIDDLE_INCREMENT, 9, 0)


@pytest.mark.parametrize(
    ("status", "value", "message"),
    [
        (400, {"error": {"message": "suffix is not supported"}}, "status 400: .*suffix is not"),
        (404, "no such model", "status 404: no such model; .* know the model 'm'"),
        (200, "data: <html>\n\n", "no completion in the stream"),
        (200, "", "ended without a finish reason"),
        (200, stream_text(["a"], finish_reason=""), "ended without a finish reason"),
    ],
)
def test_what_is_no_answer_is_an_error_that_quotes_it(
    status: int, value: Any, message: str
) -> None:
    with (
        serve_completions(lambda body: (status, value)) as server,
        StreamingClient(server.url, "m", max_tokens=3) as client,
        pytest.raises(CompleterError, match=message),
    ):
        client.measure(Question(CURSOR))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:port"])
def test_a_server_that_is_not_there_is_named(url: str) -> None:
    with (
        StreamingClient(url, "m", max_tokens=3) as client,
        pytest.raises(CompleterError, match=f"no answer from {url}"),
    ):
        client.find_orders()
