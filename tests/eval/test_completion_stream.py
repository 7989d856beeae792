"""Server-sent events of completions, whole, cut up, broken."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimeval.completion_stream import CompletionStream, split_events
from fimeval.errors import CompleterError
from support.completion_events import USAGE, choice_event, event, stream_text

TEXTS = ["größe", "\u2028 = ", "", "1\n"]
STREAM = (": a comment\nevent: x\n" + stream_text(TEXTS, "stop")).encode()


def read_stream(chunks: list[bytes]) -> tuple[CompletionStream, list[bool]]:
    stream = CompletionStream()
    return stream, [stream.read(event) for event in split_events(chunks)]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_where_the_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(ends)]
    stream, has_text = read_stream(chunks)
    assert has_text == [True, True, False, True, False, False]
    assert stream.finish_reason == "stop"
    assert stream.usage == USAGE


def test_an_event_is_seen_as_soon_as_its_line_is_whole() -> None:
    def send() -> list[bytes]:
        return [choice_event("a").encode().rstrip() + b"\n"]

    events = split_events(iter(send()))
    assert json.loads(next(events))["choices"][0]["text"] == "a"


def test_usage_beside_the_text_is_read_and_later_absence_does_not_erase_it() -> None:
    stream = CompletionStream()
    choices = [{"text": "a", "finish_reason": None}]
    assert stream.read(json.dumps({"choices": choices, "usage": USAGE}).encode())
    assert stream.read(json.dumps({"choices": choices, "usage": None}).encode())
    assert stream.usage == USAGE
    assert stream.finish_reason is None


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (event({"error": {"message": "out of memory"}}), "failed inside its stream.*out of memory"),
        ("data: <html>\n\n", "no completion in the stream.*<html>"),
        ("data: [1]\n\n", "no completion in the stream"),
        (event({"id": "x"}), "no completion in the stream"),
        (event({"choices": [{"delta": {"content": "chat"}}]}), "no completion in the stream"),
    ],
)
def test_what_is_no_completion_is_an_error_that_quotes_it(sent: str, message: str) -> None:
    with pytest.raises(CompleterError, match=message):
        read_stream([sent.encode()])
