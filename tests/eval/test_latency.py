"""`python -m fimeval.latency` from its options to its last line. No time is asserted."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fimeval.editing_trace import PromptShape, cut_distinct
from fimeval.errors import EvalError
from fimeval.latency import PROGRAM, WARMUP, app
from fimeval.latency_scenarios import cut_places, plan_scenarios
from fimserve.prompt import Order
from support.completion_events import answer_like_fimserve, answer_plainly
from support.completions_server import CompletionsServer, serve_completions
from support.tiny_checkpoint import write_tiny_checkpoint

N = 3
SHORT = ("--n", N, "--prefix-tokens", 40, "--suffix-tokens", 20, "--max-tokens", 3)
SHAPE = PromptShape(prefix_chars=30, suffix_chars=15, hole_chars=8)
TEXT = "".join(f"line {number:03}\n" for number in range(100))


class Outcome(NamedTuple):
    """How a run ended and what it printed."""

    code: int | str | None
    out: str
    err: str

    @property
    def line(self) -> dict[str, Any]:
        """The JSON line that stdout ends with."""
        found = json.loads(self.out.splitlines()[-1])
        assert isinstance(found, dict)
        return found


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `python -m fimeval.latency ...` as if typed."""
    monkeypatch.setenv("COLUMNS", "80")

    def run_command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["latency.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app(prog_name=PROGRAM)
        return Outcome(ended.value.code, *capsys.readouterr())

    return run_command


def find_streamed(server: CompletionsServer, **fields: object) -> list[dict[str, Any]]:
    """Return the streamed requests that carry these fields, None meaning none."""
    return [
        body
        for body in server.bodies
        if body.get("stream") and all(body.get(name) == fields[name] for name in fields)
    ]


def test_places_share_no_text_and_are_as_many_as_the_questions() -> None:
    places = cut_places(TEXT, SHAPE, 5)
    assert len(places.cold) == len(places.typing) == 5
    assert (*places.cold, places.repeated) == cut_distinct(TEXT, SHAPE, 6)
    assert len(places.sha256()) == 64
    # The typing has its place behind all that others could use.
    assert TEXT.index(places.typing[0].prefix) > TEXT.index(places.repeated.suffix)
    with pytest.raises(EvalError, match="18 distinct prompts"):
        cut_places(TEXT, SHAPE, 17)


def test_each_order_types_in_a_session_of_its_own_and_cold_prompts_have_none() -> None:
    places = cut_places(TEXT, SHAPE, 5)
    scenarios = plan_scenarios(places, (Order.PSM, Order.SPM), "run1")
    found = [(s.name, s.order, {question.session for question in s.questions}) for s in scenarios]
    assert found == [
        ("cold", None, {None}),
        ("keystroke", Order.PSM, {"run1-keystroke-psm"}),
        ("keystroke", Order.SPM, {"run1-keystroke-spm"}),
        ("repeat", None, {"run1-repeat-default"}),
    ]
    assert all(len(scenario.questions) == 5 for scenario in scenarios)
    assert all(question.multiline for scenario in scenarios for question in scenario.questions)


def test_a_server_of_ours_is_measured_in_the_orders_it_takes(call: Call) -> None:
    with serve_completions(answer_like_fimserve) as server:
        outcome = call("--url", server.url, "--model", "m", *SHORT)
    assert outcome.code == 0
    line = outcome.line
    assert [(s["scenario"], s["order"]) for s in line["scenarios"]] == [
        ("cold", None),
        ("keystroke", "psm"),
        ("keystroke", "spm"),
        ("repeat", None),
    ]
    for scenario in line["scenarios"]:
        assert scenario["n"] == N
        assert scenario["cached_share"] == 0.75
        assert (scenario["prompt_tokens"], scenario["new_tokens"]) == (40.0, 3.0)
        assert scenario["finish_reasons"] == {"length": N}
        assert list(scenario["ttft_ms"]) == list(scenario["e2e_ms"]) == ["p50", "p95", "p99"]
    assert line["bench"] == "latency"
    assert (line["warmup"], line["n"]) == (WARMUP, N)
    assert line["settings"]["url"] == server.url
    assert line["provenance"]["command"].startswith("python -m fimeval.latency --url http")
    assert "keystroke spm" in outcome.out
    assert "75.0%" in outcome.out
    assert "…" not in outcome.out


def test_what_is_sent_is_typed_one_character_at_a_time(call: Call) -> None:
    with serve_completions(answer_like_fimserve) as server:
        call("--url", server.url, *SHORT)
    typed = find_streamed(server, order="spm")
    assert len(typed) == WARMUP + N
    assert len({body["session"] for body in typed}) == 1
    assert len({body["suffix"] for body in typed}) == 1
    for before, after in pairwise(typed):
        assert after["prompt"][:-1] == before["prompt"]
    plain = find_streamed(server, order=None)
    cold = [body["prompt"] for body in plain if "session" not in body]
    repeated = [body["prompt"] for body in plain if "session" in body]
    assert (len(cold), len(set(cold))) == (WARMUP + N, WARMUP + N)
    assert (len(repeated), len(set(repeated))) == (WARMUP + N, 1)


def test_another_server_is_asked_plainly(call: Call) -> None:
    with serve_completions(answer_plainly) as server:
        outcome = call("--url", server.url, *SHORT)
    assert [(s["scenario"], s["order"]) for s in outcome.line["scenarios"]] == [
        ("cold", None),
        ("keystroke", None),
        ("repeat", None),
    ]
    plain = find_streamed(server, order=None, session=None, multiline=None)
    assert len(plain) == 3 * (WARMUP + N)


def test_the_line_is_kept_only_where_asked(call: Call) -> None:
    Path("eval/results").mkdir(parents=True)
    output = Path("kept/latency.jsonl")
    with serve_completions(answer_plainly) as server:
        call("--url", server.url, *SHORT)
        assert not list(Path("eval/results").iterdir())
        outcomes = [call("--url", server.url, *SHORT, "--output", output) for _ in range(2)]
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert lines == [outcome.line for outcome in outcomes]
    assert not list(Path("eval/results").iterdir())


def test_a_server_that_is_down_ends_the_run_with_one_message(call: Call) -> None:
    with serve_completions(answer_plainly) as server:
        url = server.url
    outcome = call("--url", url, *SHORT, "--output", "kept.jsonl")
    assert outcome.code == 1
    assert outcome.err.startswith(f"latency: no answer from {url}/v1/completions")
    assert "start the server or correct --url" in outcome.err
    assert outcome.out == ""
    assert not Path("kept.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--url", "localhost:8000"), 1, "must begin with http"),
        (("--url", "http://127.0.0.1:9", "--n", 100_000), 1, "100004 distinct prompts"),
        (("--n", 0), 2, "--n"),
    ],
)
def test_mistakes_are_explained(
    call: Call, arguments: tuple[object, ...], code: int, words: str
) -> None:
    outcome = call(*arguments)
    assert outcome.code == code
    assert words in outcome.err


def test_an_output_that_cannot_be_written_is_named(call: Call) -> None:
    Path("file").write_text("")
    with serve_completions(answer_plainly) as server:
        outcome = call("--url", server.url, *SHORT, "--output", "file/latency.jsonl")
    assert outcome.code == 1
    assert "check --output" in outcome.err


def test_measuring_imports_no_torch() -> None:
    code = "import fimeval.latency, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "False"


def test_without_an_address_the_own_service_is_started_and_stopped(
    call: Call, tmp_path: Path
) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", endless=True)
    outcome = call("--model", model, *SHORT)
    assert outcome.code == 0, outcome.err
    scenarios = outcome.line["scenarios"]
    orders = [scenario["order"] for scenario in scenarios if scenario["scenario"] == "keystroke"]
    assert orders == ["psm", "spm", "middle-increment"]
    assert all(scenario["new_tokens"] == 3.0 for scenario in scenarios)
    shares = {(s["scenario"], s["order"]): s["cached_share"] for s in scenarios}
    assert shares["cold", None] == 0.0
    assert shares["repeat", None] > 0.9
    assert outcome.line["settings"]["url"] is None
    assert outcome.line["torch"]


def test_a_service_that_does_not_start_is_quoted(call: Call) -> None:
    outcome = call("--model", "./no-such-directory", *SHORT)
    assert outcome.code == 1
    assert "latency: the service ended with code 1 before it was ready" in outcome.err
    assert "no-such-directory" in outcome.err
