"""The measuring client: what it sends, and how it names every way a request can end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from fimeval.bench.answer import Answer, Counts, Outcome
from fimeval.bench.client import BenchClient, check_done, find_root
from fimeval.bench.dialect import Abilities, Dialect, LengthControl
from fimeval.bench.infill_dialect import InfillDialect
from fimeval.bench.openai_dialect import OpenAiDialect
from fimeval.bench.probe import PROBE_TOKENS, probe_server
from fimeval.bench.question import CursorText, Question
from fimeval.errors import CompleterError
from fimserve.prompt import Order
from support.bench_replies import (
    CACHED_TOKENS,
    PROMPT_TOKENS,
    answer_infill,
    answer_like_fimserve,
    answer_openai,
)
from support.completion_events import choice_event, event, stream_text
from support.scripted_server import Reply, serve_script

CURSOR = CursorText("def f(x):\n    return ", "\n\nprint(f(1))\n")
QUESTION = Question(CURSOR, max_tokens=3)


def tick_ms() -> Callable[[], float]:
    """Return a clock that is one second later each time it is asked."""
    seconds = count()
    return lambda: 1e3 * next(seconds)


def ask(
    url: str,
    work: Callable[[BenchClient], Awaitable[Answer]] = lambda client: client.ask(QUESTION),
    dialect: Dialect | None = None,
    abilities: Abilities | None = None,
    model: str | None = None,
) -> Answer:
    """Return what one client does with one server."""

    async def run() -> Answer:
        async with BenchClient(url, dialect or OpenAiDialect(), model) as client:
            client.abilities = abilities or Abilities()
            return await work(client)

    return asyncio.run(run())


def probe(url: str, dialect: Dialect) -> Abilities:
    """Return what a server is found to understand."""

    async def run() -> Abilities:
        async with BenchClient(url, dialect) as client:
            return await probe_server(client)

    return asyncio.run(run())


def test_times_are_those_of_the_first_text_and_the_last_byte() -> None:
    async def run(url: str) -> Answer:
        async with BenchClient(url, OpenAiDialect(), clock_ms=tick_ms()) as client:
            return await client.ask(QUESTION)

    with serve_script(lambda body: Reply([stream_text(["", "a", "b"])])) as server:
        answer = asyncio.run(run(server.url))
    # Asked three times: at the start, at the first event with text, at the end.
    assert (answer.started_ms, answer.ttft_ms, answer.e2e_ms) == (0.0, 1000.0, 2000.0)
    assert (answer.outcome, answer.reason, answer.text) == (Outcome.DONE, "length", "ab")


def test_an_answer_without_text_has_its_first_token_at_its_end() -> None:
    with serve_script(lambda body: Reply([stream_text([""], "stop", None)])) as server:
        answer = ask(server.url)
    assert answer.outcome is Outcome.DONE
    assert answer.first_ms == answer.e2e_ms
    assert answer.ms_per_token is None


@pytest.mark.parametrize(
    ("num_new", "reason", "expected"),
    [
        (11, "length", 5.0),
        (10, "stop", 5.0),
        (1, "stop", 50.0),
        (1, "length", None),
        (0, "x", None),
    ],
)
def test_time_per_token_counts_the_steps_after_the_first(
    num_new: int, reason: str, expected: float | None
) -> None:
    answer = Answer(Outcome.DONE, 0, 70.0, 20.0, reason, counts=Counts(new_tokens=num_new))
    assert answer.ms_per_token == expected


def test_pieces_are_counted_where_the_server_does_not_count() -> None:
    with serve_script(lambda body: Reply([stream_text(["a", "b"], usage=None)])) as server:
        answer = ask(server.url)
    assert answer.counts == Counts()
    assert answer.num_new_tokens == 2


def test_fields_that_nobody_asked_for_are_not_sent() -> None:
    own = Abilities(LengthControl.IGNORE_EOS, (Order.SPM,), has_sessions=True)
    asked = Question(CURSOR, 3, Order.SPM, "s1")
    with serve_script(answer_openai) as server:
        ask(server.url)
        ask(server.url, lambda client: client.ask(asked), abilities=own, model="m")
        ask(server.url, abilities=Abilities(LengthControl.MIN_TOKENS))
    plain, ours, minimal = server.streamed
    assert plain == {
        "prompt": CURSOR.prefix,
        "suffix": CURSOR.suffix,
        "max_tokens": 3,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    further = {"order": "spm", "session": "s1", "multiline": True}
    assert ours == plain | further | {"model": "m", "ignore_eos": True}
    assert minimal == plain | {"min_tokens": 3}


def test_infill_is_asked_at_its_own_route_and_read_to_its_last_record() -> None:
    with serve_script(answer_infill) as server:
        answer = ask(server.url, dialect=InfillDialect())
    assert server.paths == ["/infill"]
    assert server.bodies[0] is not None
    assert server.bodies[0]["input_prefix"] == CURSOR.prefix
    assert server.bodies[0]["n_predict"] == 3
    assert (answer.outcome, answer.reason, answer.text) == (Outcome.DONE, "stop", "xxx")
    assert answer.counts == Counts(PROMPT_TOKENS, CACHED_TOKENS, 3)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIMSERVE_API_KEY", "k1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # never used for this machine
    with serve_script(answer_openai) as server:
        assert ask(server.url).outcome is Outcome.DONE
    assert server.keys == ["Bearer k1"]


@pytest.mark.parametrize(
    ("reply", "outcome", "reason"),
    [
        (Reply(["busy"], 429, {"Retry-After": "1"}), Outcome.REFUSED, "status 429"),
        (Reply(["stopping"], 503), Outcome.REFUSED, "status 503"),
        (Reply(["oops"], 500), Outcome.FAILED, "status 500"),
        (Reply(["no such model"], 404), Outcome.FAILED, "status 404"),
        (Reply(is_silent=True), Outcome.FAILED, "connection broken"),
        (Reply(["data: <html>\n\n"]), Outcome.FAILED, "no completion in stream"),
        (Reply([event({"error": {"message": "died"}})]), Outcome.FAILED, "error in stream"),
        (Reply([choice_event("a")]), Outcome.FAILED, "no finish reason"),
        (Reply([""]), Outcome.FAILED, "no finish reason"),
        (Reply([stream_text(["a"], "stop", None)]), Outcome.DONE, "stop"),
    ],
)
def test_every_end_has_a_name(reply: Reply, outcome: Outcome, reason: str) -> None:
    with serve_script(lambda body: reply) as server:
        answer = ask(server.url)
    assert (answer.outcome, answer.reason) == (outcome, reason)
    assert answer.has_retry_after == ("Retry-After" in reply.headers)
    if outcome is Outcome.DONE:
        assert check_done(answer, server.url) is answer
    else:
        with pytest.raises(CompleterError, match=f"{server.url} gave no whole .*{reason}"):
            check_done(answer, server.url)


def test_a_server_that_is_not_there_is_a_failed_connection() -> None:
    with serve_script(answer_openai) as server:
        url = server.url
    assert ask(url).reason == "no connection"


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": 4, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
        {"prompt_tokens": -4, "completion_tokens": 1},
        {"prompt_tokens": "many", "completion_tokens": True},
    ],
)
def test_counts_that_cannot_be_are_not_believed(counts: dict[str, object]) -> None:
    lie = event({"choices": [], "usage": counts})
    with serve_script(lambda body: Reply([choice_event("a", "stop"), lie])) as server:
        answer = ask(server.url)
    assert answer.outcome is Outcome.DONE
    assert answer.counts == Counts()


def test_leaving_closes_the_connection_and_is_no_failure() -> None:
    go_on = threading.Event()
    steps = [choice_event("a"), go_on, *[choice_event("b")] * 200, choice_event("c", "stop")]
    with serve_script(lambda body: Reply(steps)) as server:
        answer = ask(server.url, lambda client: client.taste(QUESTION))
        go_on.set()
        assert server.left.wait(10)
    assert (answer.outcome, answer.text) == (Outcome.CANCELLED, "a")
    assert answer.ttft_ms is not None
    assert server.num_left == 1


def test_a_flight_that_is_left_before_any_byte_ends_as_cancelled() -> None:
    async def leave_at_once(client: BenchClient) -> Answer:
        flight = client.start(QUESTION)
        flight.leave()
        return await flight.land()

    with serve_script(answer_openai) as server:
        answer = ask(server.url, leave_at_once)
    assert answer.outcome is Outcome.CANCELLED


def test_leaving_what_is_over_changes_nothing() -> None:
    async def leave_late(client: BenchClient) -> Answer:
        flight = client.start(QUESTION)
        await flight.land()
        flight.leave()
        return await flight.land()

    with serve_script(answer_openai) as server:
        assert ask(server.url, leave_late).outcome is Outcome.DONE


def test_a_server_of_ours_is_found_out_by_asking() -> None:
    with serve_script(answer_like_fimserve) as server:
        found = probe(server.url, OpenAiDialect())
    assert found == Abilities(LengthControl.IGNORE_EOS, (Order.PSM, Order.SPM), has_sessions=True)


def test_a_server_that_ignores_what_it_is_told_is_not_believed() -> None:
    with serve_script(answer_openai) as server:
        assert probe(server.url, OpenAiDialect()) == Abilities()
    tried = [body for body in server.bodies if body and body["max_tokens"] == PROBE_TOKENS]
    assert ["ignore_eos" in body for body in tried] == [True, False]
    assert ["min_tokens" in body for body in tried] == [False, True]


def test_infill_is_never_asked_for_orders() -> None:
    with serve_script(answer_infill) as server:
        found = probe(server.url, InfillDialect())
    assert found == Abilities(LengthControl.IGNORE_EOS)
    assert not any("order" in (body or {}) for body in server.bodies)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(["suffix is not supported"], 400), "refused with status 400: suffix is not"),
        (Reply(["<html>"]), "gave no completion"),
        (Reply(["{}"]), "gave no completion"),
        (Reply(is_silent=True), "no answer from http"),
    ],
)
def test_what_does_not_complete_at_all_is_refused_with_a_remedy(reply: Reply, words: str) -> None:
    with (
        serve_script(lambda body: reply) as server,
        pytest.raises(CompleterError, match=words),
    ):
        probe(server.url, OpenAiDialect())


@pytest.mark.parametrize("route", ["", "/", "/v1", "/v1/", "/v1/completions", "/infill"])
def test_an_address_may_come_with_its_route(route: str) -> None:
    assert find_root(f"http://h:1{route}") == "http://h:1"


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(CompleterError, match="must begin with http"):
        find_root("localhost:8000")
