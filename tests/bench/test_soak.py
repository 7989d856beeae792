"""The soak: what it must find, and that it finds nothing where nothing is. No time is asserted."""

import asyncio
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fimeval.bench.client import BenchClient
from fimeval.bench.health_watch import HealthWatch, Sample, find_listener, read_rss_mib
from fimeval.bench.malformed import MALFORMED, send_malformed
from fimeval.bench.openai_dialect import OpenAiDialect
from support.bench_replies import answer_like_fimserve, is_well_formed
from support.cli import CommandLine
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.scripted_server import Body, Reply, serve_script

SHORT = (
    "--rate", 25, "--load", 0.8, "--minutes", 0.02, "--tokens", 64, "--max-tokens", 3,
    "--malformed-share", 0.5, "--leave-share", 0.2,
)  # fmt: skip
HEALTHY = {
    "service": "fimserve",
    "pid": os.getpid(),
    "engine": {
        "num_blocks": 64, "num_free_blocks": 64, "num_running": 0, "num_waiting": 0, "restarts": 0,
    },
}  # fmt: skip


def with_engine(**changes: object) -> dict[str, Any]:
    """Return what `/health` says with some numbers changed."""
    return HEALTHY | {"engine": {**HEALTHY["engine"], **changes}}  # type: ignore[dict-item]


def soak(
    fimserve: CommandLine,
    answer: Callable[[Body], Reply] = answer_like_fimserve,
    health: Callable[[], object] = lambda: HEALTHY,
    *arguments: object,
) -> tuple[int, dict[str, Any], str]:
    """Return exit code, JSON line and standard error of a short soak."""
    with serve_script(answer, health) as server:
        outcome = fimserve("bench", "soak", "--url", server.url, *SHORT, *arguments)
    line = json.loads(outcome.stdout.splitlines()[-1])
    assert isinstance(line, dict)
    return outcome.exit_code, line, outcome.stderr


def test_a_sound_server_passes_with_a_picture(fimserve: CommandLine) -> None:
    code, line, error = soak(
        fimserve, answer_like_fimserve, lambda: HEALTHY, "--picture", "kept/soak.png"
    )
    assert (code, line["problems"]) == (0, []), error
    assert line["settings"]["rate"] == 20.0
    assert line["tally"]["outcomes"]["done"] > 0
    assert line["tally"]["outcomes"]["failed"] == 0
    assert sum(line["malformed"].values()) > 0
    assert line["num_wrong_answers"] == 0
    assert line["after"]["num_free_blocks"] == 64
    assert line["after"]["rss_mib"] > 0
    assert Path("kept/soak.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("health", "problem"),
    [
        (with_engine(num_free_blocks=61), "3 blocks are missing after the drain"),
        (with_engine(num_free_blocks=70), "6 blocks are missing after the drain"),
        (with_engine(num_running=1), "not idle after the drain"),
    ],
)
def test_what_is_not_given_back_fails_the_soak(
    fimserve: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
    health: dict[str, Any],
    problem: str,
) -> None:
    monkeypatch.setattr("fimeval.bench.soak.DRAIN_S", 0.1)
    code, line, error = soak(fimserve, answer_like_fimserve, lambda: health)
    assert code == 1
    assert [problem in found for found in line["problems"]] == [True]
    assert problem in error


def test_one_failed_request_fails_the_soak_and_is_quoted(fimserve: CommandLine) -> None:
    chooser = random.Random(0)

    def answer(body: Body) -> Reply:
        is_hit = body and body.get("stream") and chooser.random() < 0.3
        return Reply(["out of luck"], 500) if is_hit else answer_like_fimserve(body)

    code, line, error = soak(fimserve, answer)
    assert code == 1
    assert "well-formed requests failed" in error
    assert line["tally"]["faults"]["failed: status 500"] == line["tally"]["outcomes"]["failed"]
    assert "out of luck" in line["faults"][0]


def test_refusals_with_a_time_to_come_back_are_no_failures(fimserve: CommandLine) -> None:
    chooser = random.Random(0)

    def answer(body: Body) -> Reply:
        is_hit = body and body.get("stream") and chooser.random() < 0.3
        busy = Reply(["busy"], 429, {"Retry-After": "1"})
        return busy if is_hit else answer_like_fimserve(body)

    code, line, error = soak(fimserve, answer)
    assert code == 0, error
    assert line["tally"]["outcomes"]["refused"] > 0
    assert line["tally"]["num_bare_refusals"] == 0


def test_a_server_that_completes_nonsense_fails_the_soak(fimserve: CommandLine) -> None:
    def answer(body: Body) -> Reply:
        if not is_well_formed(body):
            return Reply(["{}"], 200)
        return answer_like_fimserve(body)

    code, line, error = soak(fimserve, answer)
    assert code == 1
    assert line["num_wrong_answers"] > 0
    assert "malformed requests were not refused" in error


def test_restarts_and_death_are_found(fimserve: CommandLine) -> None:
    looks = iter(range(100))

    def restarting() -> dict[str, Any]:
        return with_engine(restarts=min(next(looks), 5))

    code, line, _ = soak(fimserve, answer_like_fimserve, restarting)
    assert code == 1
    assert any("the engine was restarted" in problem for problem in line["problems"])
    answers = iter([HEALTHY, HEALTHY])
    code, line, _ = soak(fimserve, answer_like_fimserve, lambda: next(answers, None))
    assert code == 0 or "the server does not answer /health any more" in line["problems"]


def test_another_server_without_health_is_soaked_too(fimserve: CommandLine) -> None:
    code, line, _ = soak(fimserve, answer_like_fimserve, lambda: None)
    assert (code, line["problems"]) == (0, [])
    assert line["after"]["num_blocks"] is None


def test_our_own_service_refuses_every_malformed_body() -> None:
    async def run(url: str) -> list[str]:
        async with BenchClient(url, OpenAiDialect()) as client:
            found = {}
            chooser = random.Random(0)
            while len(found) < len(MALFORMED):
                report = await send_malformed(client, chooser)
                found[report.name] = report
            return [f"{r.name}: {r.answer}" for r in found.values() if not r.is_right]

    with serve_in_thread(FakeEngine()) as url:
        assert asyncio.run(run(url)) == []


def test_our_own_health_is_understood() -> None:
    async def run(url: str) -> Sample:
        async with BenchClient(url, OpenAiDialect()) as client:
            return await HealthWatch(client, os.getpid()).look()

    with serve_in_thread(FakeEngine()) as url:
        sample = asyncio.run(run(url))
        assert find_listener(url) == os.getpid()
    assert (sample.num_blocks, sample.num_free_blocks) == (64, 61)
    assert (sample.num_running, sample.num_waiting, sample.num_restarts) == (2, 1, 0)
    assert (sample.num_missing_blocks, sample.is_idle) == (3, False)
    assert sample.rss_mib is not None
    assert sample.rss_mib > 1
    unknown = replace(sample, num_free_blocks=None, num_waiting=None)
    assert (unknown.num_missing_blocks, unknown.is_idle) == (None, None)


def test_memory_of_what_is_gone_is_unknown() -> None:
    assert read_rss_mib(2**22 + 1) is None
    assert find_listener("http://127.0.0.1:9") is None
    assert find_listener("http://elsewhere.invalid:80") is None
