"""The search for the goodput: objective, bisection, a whole run. No time is asserted."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimeval.bench.answer import Answer, Outcome
from fimeval.bench.client import BenchClient
from fimeval.bench.dialect import Abilities
from fimeval.bench.editors import Arrival, Move
from fimeval.bench.load import Landed, run_load
from fimeval.bench.objective import Objective, Verdict
from fimeval.bench.openai_dialect import OpenAiDialect
from fimeval.bench.question import CursorText, Question
from fimeval.bench.rate_search import RateSearch
from fimeval.bench.tally import add_up
from support.bench_replies import answer_like_fimserve, answer_openai
from support.cli import CommandLine
from support.completion_events import choice_event
from support.scripted_server import Body, Reply, serve_script

OBJECTIVE = Objective(ttft_ms=100.0, e2e_ms=200.0)
QUICK = (
    "--seconds", 0.4, "--warmup-s", 0.1, "--min-requests", 1, "--first-rate", 10, "--max-rate", 40,
    "--tokens", 64, "--max-tokens", 3, "--ttft-ms", 60_000, "--e2e-ms", 60_000,
)  # fmt: skip


def landed(outcome: Outcome, e2e_ms: float, ttft_ms: float | None = 10.0, **more: object) -> Landed:
    """Return a request that is over."""
    arrival = Arrival(0.0, 0, Move.KEY, Question(CursorText("a", "b")))
    return Landed(arrival, Answer(outcome, 0.0, e2e_ms, ttft_ms, **more), 0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "ttft_ms", "e2e_ms", "verdict"),
    [
        (Outcome.DONE, 100.0, 200.0, Verdict.MET),
        (Outcome.DONE, 101.0, 200.0, Verdict.MISSED),
        (Outcome.DONE, 100.0, 201.0, Verdict.MISSED),
        (Outcome.DONE, None, 150.0, Verdict.MISSED),
        (Outcome.CANCELLED, 100.0, 200.0, Verdict.EXCUSED),
        (Outcome.CANCELLED, None, 99.0, Verdict.EXCUSED),
        # It was already too late when the next key closed it.
        (Outcome.CANCELLED, None, 101.0, Verdict.MISSED),
        (Outcome.CANCELLED, 50.0, 201.0, Verdict.MISSED),
        (Outcome.REFUSED, None, 1.0, Verdict.MISSED),
        (Outcome.FAILED, None, 1.0, Verdict.MISSED),
    ],
)
def test_only_what_was_left_in_time_is_excused(
    outcome: Outcome, ttft_ms: float | None, e2e_ms: float, verdict: Verdict
) -> None:
    assert OBJECTIVE.judge(landed(outcome, e2e_ms, ttft_ms).answer) is verdict


def test_requests_are_counted_by_how_they_ended() -> None:
    tally = add_up(
        [
            landed(Outcome.DONE, 150.0, reason="length"),
            landed(Outcome.DONE, 250.0, reason="length"),
            landed(Outcome.CANCELLED, 50.0),
            landed(Outcome.REFUSED, 1.0, None, reason="status 429", has_retry_after=True),
            landed(Outcome.REFUSED, 1.0, None, reason="status 429"),
            landed(Outcome.FAILED, 1.0, None, reason="status 500"),
        ],
        OBJECTIVE,
    )
    assert tally.outcomes == {"done": 2, "cancelled": 1, "refused": 2, "failed": 1}
    assert tally.faults == {"refused: status 429": 2, "failed: status 500": 1}
    assert (tally.num_requests, tally.num_judged, tally.num_met) == (6, 5, 1)
    assert tally.num_bare_refusals == 1
    assert tally.attained == 0.2


def test_a_load_in_which_nothing_was_waited_for_attains_nothing() -> None:
    tally = add_up([landed(Outcome.CANCELLED, 50.0)], OBJECTIVE)
    assert (tally.num_judged, tally.attained, tally.e2e_ms) == (0, 0.0, None)


@given(limit=st.floats(0.2, 100.0), precision=st.floats(1.05, 2.0))
def test_the_search_ends_next_to_the_limit(limit: float, precision: float) -> None:
    search = RateSearch(first=1.0, highest=256.0, precision=precision, max_trials=40)
    while (rate := search.next_rate()) is not None:
        assert rate <= 256.0
        search.tell(rate, is_good=rate <= limit)
    assert search.good is not None
    assert search.bad is not None
    assert search.good <= limit < search.bad <= search.good * precision * 1.0001


@pytest.mark.parametrize(("is_good", "rates"), [(True, [3.0, 6.0, 10.0]), (False, [3.0, 1.5])])
def test_the_search_ends_at_its_own_ends(is_good: bool, rates: list[float]) -> None:
    search = RateSearch(first=3.0, highest=10.0, lowest=1.0)
    asked = []
    while (rate := search.next_rate()) is not None:
        asked.append(rate)
        search.tell(rate, is_good)
    assert asked == rates


def load(
    url: str, arrivals: list[Arrival], **options: Callable[[Arrival], float | None]
) -> list[Landed]:
    """Return what came of a load."""
    found: list[Landed] = []

    async def run() -> None:
        async with BenchClient(url, OpenAiDialect()) as client:
            client.abilities = Abilities()
            await run_load(client, arrivals, found.append, **options)

    asyncio.run(run())
    return found


def arrive(at_ms: float, editor: int, prefix: str) -> Arrival:
    """Return one request."""
    return Arrival(at_ms, editor, Move.KEY, Question(CursorText(prefix, "")))


def test_the_next_key_closes_what_the_same_editor_waits_for_and_nothing_else() -> None:
    go_on = threading.Event()

    def answer(body: Body) -> Reply:
        assert body is not None
        if body["prompt"] == "last":
            go_on.set()
            return answer_openai(body)
        return Reply([choice_event("a"), go_on, choice_event("b", "stop")])

    arrivals = [arrive(0, 0, "first"), arrive(0, 1, "other"), arrive(300, 0, "last")]
    with serve_script(answer) as server:
        found = load(server.url, arrivals)
    outcomes = {one.arrival.question.cursor.prefix: one.answer.outcome for one in found}
    assert outcomes == {
        "first": Outcome.CANCELLED,
        "other": Outcome.DONE,
        "last": Outcome.DONE,
    }


def test_a_request_can_be_left_at_a_moment_of_its_own() -> None:
    never = threading.Event()
    with serve_script(lambda body: Reply([choice_event("a"), never])) as server:
        found = load(server.url, [arrive(0, 0, "x")], leave_after_ms=lambda arrival: 50.0)
        never.set()
    assert [one.answer.outcome for one in found] == [Outcome.CANCELLED]


def test_a_refusing_server_is_asked_on_and_counted() -> None:
    busy = Reply(["busy"], 429, {"Retry-After": "1"})
    with serve_script(lambda body: busy) as server:
        found = load(server.url, [arrive(10.0 * i, i, "x") for i in range(4)])
    tally = add_up(found, OBJECTIVE)
    assert tally.outcomes["refused"] == 4
    assert (tally.num_bare_refusals, tally.attained) == (0, 0.0)


def test_a_whole_search_prints_a_table_a_picture_and_a_line(fimserve: CommandLine) -> None:
    picture, output = Path("kept/curve.svg"), Path("kept/goodput.jsonl")
    with serve_script(answer_like_fimserve) as server:
        outcome = fimserve(
            "bench", "goodput", "--url", server.url, *QUICK,
            "--picture", picture, "--output", output,
        )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    line = json.loads(outcome.stdout.splitlines()[-1])
    assert line == json.loads(output.read_text())
    assert [trial["rate"] for trial in line["trials"]] == [10.0, 20.0, 40.0]
    assert (line["bench"], line["rate"], line["is_limited"]) == ("goodput", 40.0, True)
    assert line["num_editors"] == 80
    assert line["server"]["has_sessions"]
    assert line["trials"][0]["tally"]["cached_share"] == 0.75
    assert "goodput: at least 40 requests/s" in outcome.stdout
    assert "…" not in outcome.stdout
    assert picture.read_text().startswith("<?xml")
    assert all(body["session"] for body in server.streamed)


def test_a_server_that_fails_has_no_goodput(fimserve: CommandLine) -> None:
    def answer(body: Body) -> Reply:
        return Reply(["oops"], 500) if body and body.get("stream") else answer_openai(body)

    with serve_script(answer) as server:
        outcome = fimserve("bench", "goodput", "--url", server.url, *QUICK, "--first-rate", 0.08)
    assert outcome.exit_code == 0
    line = json.loads(outcome.stdout.splitlines()[-1])
    assert line["rate"] is None
    assert "goodput: none" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--url", "localhost:8000"), 1, "must begin with http"),
        (("--url", "http://127.0.0.1:9"), 1, "start the server or correct --url"),
        (("--picture", "curve.bmp"), 1, "must end in .svg"),
        (("--dialect", "ollama"), 1, "use one of openai, openai-ids, llama-infill"),
        (("--attainment", 2), 2, "attainment"),
    ],
)
def test_mistakes_are_explained(
    fimserve: CommandLine, arguments: tuple[object, ...], code: int, words: str
) -> None:
    outcome = fimserve("bench", "goodput", *arguments)
    assert outcome.exit_code == code
    assert words in " ".join(outcome.stderr.split())
