"""`fimserve eval` as one types it: a real HTTP server, or a tiny model in this process."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fimeval.completer import Completion, EvalPrompt
from fimeval.http_completer import HttpCompleter
from fimeval.provenance import hash_weights
from fimserve.cli.main import run
from support.completions_server import openai_body, serve_completions
from support.fim_rows import santacoder_row, single_line_row, write_rows
from support.tiny_checkpoint import write_tiny_checkpoint

NUM_ROWS = 8


class Outcome(NamedTuple):
    """How a command ended and what it printed."""

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
    """Run `fimserve eval ...` as if typed."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["fimserve", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run()
        captured = capsys.readouterr()
        return Outcome(ended.value.code, captured.out, captured.err)

    return run_command


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [single_line_row(index // 2, index % 2) for index in range(NUM_ROWS)]
    return write_rows(tmp_path / "single.jsonl.gz", rows)


def answer_half(body: dict[str, Any]) -> tuple[int, Any]:
    """Answer the second row of every problem right, and run on after it."""
    text = "    return x\n\n\ndef g():" if body["prompt"].endswith(" 1\n") else "    pass\n"
    return 200, openai_body(text)


def test_a_run_against_a_server_ends_in_one_json_line(
    call: Call, data: Path, tmp_path: Path
) -> None:
    with serve_completions(answer_half) as server:
        outcome = call(
            "humaneval-infilling", "--data", data, "--model", "m", "--url", server.url,
            "--output", "out", "--json",
        )  # fmt: skip
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 1
    line = outcome.line
    assert line["task"] == "humaneval-infilling"
    assert line["subset"] == "single-line"
    assert line["value"] == 0.5
    assert {score["rule"]: score["value"] for score in line["scores"]} == {
        "line-stripped": 0.5,
        "line-indented": 0.5,
        "own-stop-stripped": 0.0,
    }
    assert line["settings"]["url"] == server.url
    assert line["settings"]["order"] is None
    assert "line-stripped" in outcome.err
    assert f"{NUM_ROWS}/{NUM_ROWS}" in outcome.err
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "generations.jsonl", "report.json", "scores.jsonl",
    ]  # fmt: skip
    assert json.loads(Path("out/report.json").read_text()) == line


def test_without_json_people_get_the_table(call: Call, data: Path) -> None:
    with serve_completions(answer_half) as server:
        outcome = call("humaneval-infilling", "--data", data, "--url", server.url)
    assert outcome.code == 0
    assert "50.00" in outcome.out
    assert "own-stop-stripped" in outcome.out
    assert "run: runs/eval/humaneval-infilling-single-line-embedded-" in outcome.out


def test_an_interrupted_run_continues_and_ends_like_an_undisturbed_one(
    call: Call, data: Path
) -> None:
    def fail_once(body: dict[str, Any]) -> tuple[int, Any]:
        return (503, "busy") if len(server.bodies) == 4 else answer_half(body)

    command = ("humaneval-infilling", "--data", data, "--json", "--url")
    with serve_completions(fail_once) as server:
        broken = call(*command, server.url)
        assert broken.code == 1
        assert broken.out == ""
        assert "refused with status 503: busy" in broken.err
        resumed = call(*command, server.url)
        asked = [body["prompt"] for body in server.bodies]
    assert resumed.code == 0
    assert resumed.line["value"] == 0.5
    assert len(resumed.line["generated"]) == 2
    assert asked[3] == asked[4]
    assert len(asked) == NUM_ROWS + 1
    assert len(set(asked)) == NUM_ROWS


def test_a_killed_process_loses_no_finished_row(data: Path, tmp_path: Path) -> None:
    arrived = threading.Event()

    def hang_at_five(body: dict[str, Any]) -> tuple[int, Any]:
        if len(server.bodies) == 5:
            arrived.set()
            killed.wait(30)
        return answer_half(body)

    killed = threading.Event()
    with serve_completions(hang_at_five) as server:
        command = [
            sys.executable, "-m", "fimserve", "eval", "humaneval-infilling", "--data", str(data),
            "--url", server.url, "--output", str(tmp_path / "out"), "--json",
        ]  # fmt: skip
        environment = {"PYTHONPATH": ":".join(sys.path)}
        first = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert arrived.wait(30)
        first.kill()
        first.wait()
        killed.set()
        again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        asked = [body["prompt"] for body in server.bodies]
    assert len(asked) == NUM_ROWS + 1  # the row that was in the air is asked for once more
    assert asked[4] == asked[5]
    assert json.loads(again.stdout)["value"] == 0.5


def test_ctrl_c_says_how_to_continue(
    call: Call, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: HttpCompleter, prompt: EvalPrompt) -> Completion:
        raise KeyboardInterrupt

    monkeypatch.setattr(HttpCompleter, "__call__", interrupt)
    outcome = call("humaneval-infilling", "--data", data, "--url", "http://127.0.0.1:9")
    assert outcome.code == 130
    assert "the same command continues" in outcome.err


def test_a_directory_is_not_shared_by_two_models(call: Call, data: Path) -> None:
    command = ("humaneval-infilling", "--data", data, "--output", "out")
    with serve_completions(answer_half) as server:
        assert call(*command, "--url", server.url, "--model", "a").code == 0
        other = call(*command, "--url", server.url, "--model", "b")
        assert len(server.bodies) == NUM_ROWS
    assert other.code == 1
    assert "model was 'a' and is now 'b'" in other.err
    assert "give another --output" in other.err


def test_whole_runs_are_published_once_and_limited_ones_only_on_demand(
    call: Call, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "eval/results").mkdir(parents=True)
    published = tmp_path / "eval/results/humaneval-infilling.jsonl"
    command = ("humaneval-infilling", "--data", data, "--json", "--url")
    with serve_completions(answer_half) as server:
        limited = call(*command, server.url, "--limit", 3)
        assert limited.line["num_rows"] == 3
        assert limited.line["settings"]["limit"] == 3
        assert not published.exists()
        whole = call(*command, server.url)
        call(*command, server.url)
        call(*command, server.url, "--limit", 3, "--results", "mine")
        assert len(server.bodies) == 3 + NUM_ROWS
    assert [json.loads(line) for line in published.read_text().splitlines()] == [whole.line]
    mine = json.loads(Path("mine/humaneval-infilling.jsonl").read_text())
    assert mine["num_rows"] == 3


def test_scoring_again_needs_no_server(call: Call, data: Path) -> None:
    with serve_completions(answer_half) as server:
        first = call(
            "humaneval-infilling", "--data", data, "--url", server.url, "--output", "out", "--json"
        )
    again = call("score", "out/generations.jsonl", "--json")
    assert again.code == 0
    assert again.line["scores"] == first.line["scores"]
    assert again.line["generations_sha256"] == first.line["generations_sha256"]
    other_seed = call("score", "out/generations.jsonl", "--json", "--seed", 1, "--results", "res")
    assert other_seed.line["interval"]["seed"] == 1
    assert json.loads(Path("res/humaneval-infilling.jsonl").read_text()) == other_seed.line


def test_an_incomplete_file_is_not_scored(call: Call, data: Path) -> None:
    def fail_at_three(body: dict[str, Any]) -> tuple[int, Any]:
        return (500, "") if len(server.bodies) == 3 else answer_half(body)

    with serve_completions(fail_at_three) as server:
        call("humaneval-infilling", "--data", data, "--url", server.url, "--output", "out")
    outcome = call("score", "out/generations.jsonl")
    assert outcome.code == 1
    assert f"answers 2 of {NUM_ROWS} rows" in outcome.err


def test_santacoder_is_reported_by_language_and_without_trivial_answers(
    call: Call, tmp_path: Path
) -> None:
    rows = [
        santacoder_row(f"p{problem}", 1, language, answer)
        for problem in range(3)
        for language, answer in (("py", "x = 1"), ("java", "}"), ("js", "x = 1;"))
    ]
    path = write_rows(tmp_path / "santa.jsonl", rows)

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        return 200, openai_body("\n}" if " java" in body["prompt"] else "\nx = 1\nand more")

    with serve_completions(answer) as server:
        outcome = call("santacoder-fim", "--data", path, "--url", server.url, "--json")
    values = {
        (score["rule"], score["slice"], score["language"]): score["value"]
        for score in outcome.line["scores"]
    }
    assert values == {
        ("official", "all", "all"): pytest.approx(1 / 3),
        ("official", "all", "java"): 1.0,
        ("official", "all", "javascript"): 0.0,
        ("official", "all", "python"): 0.0,
        ("official", "nontrivial", "all"): 0.0,
        ("official", "nontrivial", "javascript"): 0.0,
        ("official", "nontrivial", "python"): 0.0,
        ("first-line", "all", "all"): pytest.approx(2 / 3),
        ("first-line", "all", "java"): 1.0,
        ("first-line", "all", "javascript"): 0.0,
        ("first-line", "all", "python"): 1.0,
        ("first-line", "nontrivial", "all"): 0.5,
        ("first-line", "nontrivial", "javascript"): 0.0,
        ("first-line", "nontrivial", "python"): 1.0,
    }
    assert {body["max_tokens"] for body in server.bodies} == {64}
    assert all("stop" not in body for body in server.bodies)


def test_the_scorer_tests_itself_without_a_model(call: Call, data: Path, tmp_path: Path) -> None:
    outcome = call("humaneval-infilling", "--data", data, "--check-references", "--json")
    assert outcome.code == 0
    assert outcome.line["is_right"] is True
    assert [check["gold"] for check in outcome.line["checks"]] == [1.0, 1.0, 1.0]
    assert [check["empty"] for check in outcome.line["checks"]] == [0.0, 0.0, 0.0]
    assert not (tmp_path / "runs").exists()
    blank = write_rows(tmp_path / "blank.jsonl", [single_line_row(0, 0, "\n")])
    failed = call("humaneval-infilling", "--data", blank, "--check-references", "--json")
    assert failed.code == 1
    assert failed.line["is_right"] is False
    assert "the scorer fails its own test: line-stripped on all" in failed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--url", "http://h", "--order", "psm"), 2, "--order psm does not go with --url"),
        (("--url", "http://h", "--dtype", "fp32"), 2, "--dtype fp32 does not go with --url"),
        (("--url", "http://h", "--no-heal"), 2, "--no-heal does not go with --url"),
        (("--url", "http://h", "--no-trim"), 2, "--no-trim does not go with --url"),
        (("--url", "http://h", "--adapter", "."), 2, "--adapter . does not go with --url"),
        (("--order", "prefix-first"), 2, "use one of psm, spm, middle-increment"),
        (("--url", "localhost"), 1, "must begin with http"),
        (("--limit", "0"), 2, "--limit"),
        (("--model", "no such model"), 1, "no such model"),
    ],
)
def test_wrong_use_is_explained(
    call: Call, data: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    outcome = call("humaneval-infilling", "--data", data, *arguments)
    assert outcome.code == code
    assert message in outcome.err


def test_a_file_of_another_benchmark_is_refused_by_line_and_field(call: Call, data: Path) -> None:
    outcome = call("santacoder-fim", "--data", data)
    assert outcome.code == 1
    assert "single.jsonl.gz, line 1: field 'name' is missing" in outcome.err


def read_generations(path: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (path / "generations.jsonl").read_text().splitlines())
    return [line for line in lines if line["record"] == "generation"]


def test_a_model_in_this_process_answers_and_is_described(
    call: Call, data: Path, tmp_path: Path
) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", default_order="spm")
    command = (
        "humaneval-infilling", "--data", data, "--model", model, "--dtype", "fp32",
        "--device", "cpu", "--limit", 3, "--json",
    )  # fmt: skip
    default = call(*command, "--output", "a")
    assert default.code == 0
    settings = default.line["settings"]
    assert settings["model"] == "tiny"
    assert settings["weights_sha256"] == hash_weights(model)
    assert (settings["order"], settings["device"], settings["dtype"]) == ("spm", "cpu", "fp32")
    assert default.line["rendered_sha256"]
    assert default.line["latency"]["p50_ms"] > 0

    spm = call(*command, "--order", "spm", "--output", "b")
    psm = call(*command, "--order", "psm", "--output", "c")
    assert spm.line["rendered_sha256"] == default.line["rendered_sha256"]
    assert psm.line["rendered_sha256"] != default.line["rendered_sha256"]
    assert psm.line["settings"]["order"] == "psm"
    # Greedy decoding: the same questions get the same answers.
    texts = [[row["text"] for row in read_generations(tmp_path / run)] for run in ("a", "b")]
    assert texts[0] == texts[1]

    trimmed = call("trim", "a/generations.jsonl", "--json")
    assert trimmed.line["settings"] == settings | {"trim": True}
    assert "own-stop-stripped: 0 answers became right, 0 wrong" in trimmed.err
    assert Path("a-trimmed/report.json").exists()


def test_an_order_that_the_model_does_not_know_is_refused(
    call: Call, data: Path, tmp_path: Path
) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny")
    metadata = {"family": "fimserve", "orders": ["psm"], "default_order": "psm"}
    (model / "fim.json").write_text(json.dumps(metadata))
    outcome = call(
        "humaneval-infilling", "--data", data, "--model", model, "--order", "spm",
        "--output", "out",
    )  # fmt: skip
    assert outcome.code == 1
    assert "--order is spm; tiny was trained for psm" in outcome.err
    assert not (tmp_path / "out").exists()


def test_the_command_starts_as_a_process_of_its_own(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fimserve", "eval", "humaneval-infilling", "--data", str(data),
         "--check-references", "--json"],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert json.loads(done.stdout)["is_right"] is True
