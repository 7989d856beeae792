"""One line and one id per request; never a word of anybody's code."""

import asyncio
import logging
import re

import pytest
from starlette.types import Message

from fimserve.server.app import make_app
from support.asgi import RawRequest, post, request
from support.fake_engine import FakeEngine

SECRET = "hunter2"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return what the service logs, at every level."""
    # The room's own logger: `serve`, called by an earlier test, sets it to INFO for good.
    caplog.set_level(logging.DEBUG, "fimserve.server")
    return caplog


def test_completion_is_one_line_with_sizes_and_times(lines: pytest.LogCaptureFixture) -> None:
    answer = post(FakeEngine(), {"prompt": SECRET, "suffix": SECRET, "stream": True})
    (record,) = lines.records
    assert record.levelno == logging.INFO
    assert re.fullmatch(
        rf"request_id={answer.headers['x-request-id']} route=/v1/completions status=200 stream=1 "
        r"prompt_tokens=19 cached_tokens=12 new_tokens=9 queue_ms=0\.5 ttft_ms=8\.2 "
        r"e2e_ms=\d+\.\d finish=stop",
        record.getMessage(),
    )


@pytest.mark.parametrize(
    ("body", "status", "finish"),
    [
        ({"prompt": SECRET, "temperature": SECRET}, 400, "BadRequest"),
        ({"prompt": SECRET, "best_of": 3}, 400, "UnsupportedField"),
        ({"prompt": SECRET, "model": SECRET}, 404, "UnknownModel"),
    ],
)
def test_refusal_is_one_line_without_the_client_s_text(
    lines: pytest.LogCaptureFixture, body: object, status: int, finish: str
) -> None:
    post(FakeEngine(), body)
    (record,) = lines.records
    assert f"status={status} " in record.getMessage()
    assert record.getMessage().endswith(f"finish={finish}")
    assert SECRET not in lines.text


def test_unknown_path_is_not_logged(lines: pytest.LogCaptureFixture) -> None:
    request(FakeEngine(), "GET", f"/{SECRET}%0aforged")
    (record,) = lines.records
    assert "route=unmatched status=404" in record.getMessage()
    assert SECRET not in lines.text


def test_failure_is_logged_with_its_stack_and_the_id(lines: pytest.LogCaptureFixture) -> None:
    answer = post(FakeEngine([RuntimeError("broken")]), {"prompt": SECRET})
    stack, line = lines.records
    assert stack.exc_info is not None
    assert answer.headers["x-request-id"] in stack.getMessage()
    assert "status=500" in line.getMessage()
    assert "finish=RuntimeError" in line.getMessage()
    assert SECRET not in lines.text


def test_failure_inside_a_stream_is_logged_with_its_stack(lines: pytest.LogCaptureFixture) -> None:
    post(FakeEngine(["a", RuntimeError("broken")]), {"prompt": SECRET, "stream": True})
    stack, line = lines.records
    assert stack.exc_info is not None
    assert "status=200 stream=1" in line.getMessage()
    assert "finish=RuntimeError" in line.getMessage()


def test_health_polls_are_logged_below_info(lines: pytest.LogCaptureFixture) -> None:
    request(FakeEngine(), "GET", "/health")
    (record,) = lines.records
    assert record.levelno == logging.DEBUG


@pytest.mark.parametrize("given", ["abc-1.2_3", "A" * 64])
def test_sane_id_of_the_client_is_kept(given: str) -> None:
    answer = request(FakeEngine(), "GET", "/health", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "A" * 65, 'x" finish=stop'])
def test_other_ids_are_replaced(given: str) -> None:
    answers = [
        request(FakeEngine(), "GET", "/health", headers={"x-request-id": given}) for _ in range(2)
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(re.fullmatch(r"req-[0-9a-f]{16}", request_id) for request_id in ids)


@pytest.mark.parametrize(
    ("error", "finish"),
    [
        ("unable to perform operation on <TCPTransport>; the handler is closed", "499 stream=1 "),
        ("broken", "200 stream=1 "),
    ],
)
def test_a_connection_that_was_reset_is_a_client_that_left_and_no_failure(
    lines: pytest.LogCaptureFixture, error: str, finish: str
) -> None:
    raw = RawRequest(make_app(FakeEngine()), {"prompt": SECRET, "stream": True})

    async def fail(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise RuntimeError(error)

    raw.on_send = fail
    asyncio.run(raw.run())
    assert f"status={finish}" in lines.records[-1].getMessage()
    is_failure = any(record.levelno == logging.ERROR for record in lines.records)
    assert is_failure is (error == "broken")
