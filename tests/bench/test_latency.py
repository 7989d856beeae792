"""`fimserve bench latency` from its options to its last line. No time is asserted."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fimeval.bench.latency import WARMUP
from fimeval.bench.scenarios import ScenarioKind
from fimserve.models import write_random_adapter
from support.bench_replies import answer_infill, answer_like_fimserve, answer_openai
from support.cli import CommandLine, Outcome
from support.scripted_server import Body, Reply, serve_script
from support.tiny_checkpoint import write_tiny_checkpoint

N = 2
SHORT = ("bench", "latency", "--n", N, "--tokens", 256, "--max-tokens", 3, "--offset-chars", 7000)


def last_line(outcome: Outcome) -> dict[str, Any]:
    """Return the JSON line that stdout ends with."""
    assert outcome.exit_code == 0, outcome.stderr
    found = json.loads(outcome.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def rows(server: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return scenario and order of everything measured of one server."""
    return [(found["scenario"], found["order"]) for found in server["scenarios"]]


def test_a_server_of_ours_is_measured_in_the_orders_it_takes(fimserve: CommandLine) -> None:
    with serve_script(answer_like_fimserve) as server:
        outcome = fimserve(*SHORT, "--url", server.url, "--model", "m")
    line = last_line(outcome)
    (found,) = line["servers"]
    assert rows(found) == [
        ("cold", None),
        ("keystroke", None),
        ("keystroke", "psm"),
        ("keystroke", "spm"),
        *((kind, None) for kind in list(ScenarioKind)[2:]),
    ]
    for result in found["scenarios"]:
        assert (result["n"], result["num_short"], result["tokens"]) == (N, 0, 256)
        assert (result["prompt_tokens"], result["new_tokens"]) == (40.0, 3.0)
        assert (result["cached_share"], result["is_counted"]) == (0.75, True)
        assert result["finish_reasons"] == {"length": N}
        assert list(result["ttft_ms"]) == list(result["e2e_ms"]) == ["p50", "p95", "p99"]
    assert (line["bench"], line["warmup"], line["n"]) == ("latency", WARMUP, N)
    assert found["server"]["length_control"] == "ignore_eos"
    assert line["provenance"]["command"].startswith("fimserve bench latency")
    assert "keystroke spm" in outcome.stdout
    assert "75.0%" in outcome.stdout
    assert "…" not in outcome.stdout
    assert all(body["ignore_eos"] and body["model"] == "m" for body in server.streamed)


def test_what_is_typed_grows_by_a_character_and_what_is_accepted_by_a_line(
    fimserve: CommandLine,
) -> None:
    with serve_script(answer_like_fimserve) as server:
        fimserve(*SHORT, "--url", server.url, "--scenarios", "keystroke,accept")
    typed = [body for body in server.streamed if body.get("order") == "spm"]
    assert len(typed) == WARMUP + N
    assert len({body["session"] for body in typed}) == 1
    for before, after in pairwise(typed):
        assert after["prompt"][:-1] == before["prompt"]
        assert after["suffix"] == before["suffix"]
    accepted = [body["prompt"] for body in server.streamed if "accept" in body["session"]]
    assert len(accepted) == WARMUP + N
    for before, after in pairwise(accepted):
        assert after == before + "x\n"


def test_a_stream_that_is_left_comes_before_each_question_after_a_cancel(
    fimserve: CommandLine,
) -> None:
    with serve_script(answer_openai) as server:
        line = last_line(fimserve(*SHORT, "--url", server.url, "--scenarios", "after-cancel"))
    assert len(server.streamed) == 2 * (WARMUP + N)
    assert line["servers"][0]["scenarios"][0]["n"] == N


def test_another_server_is_asked_plainly_and_its_short_answers_are_counted(
    fimserve: CommandLine,
) -> None:
    with serve_script(answer_openai) as server:
        outcome = fimserve(*SHORT, "--url", server.url, "--max-tokens", 9)
    (found,) = last_line(outcome)["servers"]
    assert rows(found) == [(kind, None) for kind in ScenarioKind]
    assert all(result["num_short"] == N for result in found["scenarios"])
    # The stream does not say what was cached, the whole answer does.
    assert all(result["cached_share"] == 0.75 for result in found["scenarios"])
    assert found["server"]["length_control"] == "none"
    assert "cannot be told how long" in " ".join(outcome.stdout.split())
    own = {"session", "order", "multiline", "ignore_eos", "min_tokens"}
    assert not any(own & set(body) for body in server.streamed)


def test_two_servers_are_asked_the_same_in_turn(fimserve: CommandLine) -> None:
    with serve_script(answer_like_fimserve) as ours, serve_script(answer_infill) as theirs:
        outcome = fimserve(
            *SHORT, "--url", ours.url, "--peer", theirs.url, "--peer-dialect", "llama-infill",
            "--scenarios", "cold,repeat", "--no-keep-alive",
        )  # fmt: skip
    line = last_line(outcome)
    assert [found["server"]["name"] for found in line["servers"]] == ["server", "peer"]
    assert [body["prompt"] for body in ours.streamed] == [
        body["input_prefix"] for body in theirs.streamed
    ]
    assert [body["suffix"] for body in ours.streamed] == [
        body["input_suffix"] for body in theirs.streamed
    ]
    assert set(theirs.paths) == {"/infill"}
    assert not any(found["server"]["keeps_alive"] for found in line["servers"])
    assert [(one["second"], one["scenario"]) for one in line["paired"]] == [
        ("peer", "cold"),
        ("peer", "repeat"),
    ]
    assert "what is added to the times of server" in outcome.stdout
    assert "…" not in outcome.stdout


def test_token_ids_are_sent_in_both_orders(fimserve: CommandLine) -> None:
    with serve_script(answer_openai) as server:
        outcome = fimserve(
            *SHORT, "--url", server.url, "--dialect", "openai-ids", "--scenarios", "keystroke"
        )
    (found,) = last_line(outcome)["servers"]
    assert rows(found) == [("keystroke", None), ("keystroke", "psm"), ("keystroke", "spm")]
    for body in server.streamed:
        assert "suffix" not in body
        assert all(isinstance(token_id, int) for token_id in body["prompt"])
        assert len(body["prompt"]) <= 257


def test_one_order_can_be_asked_for_everywhere(fimserve: CommandLine) -> None:
    with serve_script(answer_like_fimserve) as ours, serve_script(answer_infill) as theirs:
        outcome = fimserve(
            *SHORT, "--url", ours.url, "--peer", theirs.url, "--peer-dialect", "llama-infill",
            "--scenarios", "cold,jump", "--order", "psm",
        )  # fmt: skip
    line = last_line(outcome)
    assert [found["server"]["order"] for found in line["servers"]] == ["psm", None]
    assert all(body["order"] == "psm" for body in ours.streamed)


def test_equal_offsets_send_equal_prompts(fimserve: CommandLine) -> None:
    with serve_script(answer_openai) as server:
        call = (*SHORT, "--url", server.url, "--scenarios", "cold", "--offset-chars")
        hashes = [
            last_line(fimserve(*call, offset))["settings"]["prompts_sha256"]
            for offset in (7000, 7000, 9000)
        ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_line_is_kept_only_where_asked(fimserve: CommandLine) -> None:
    output = Path("kept/latency.jsonl")
    with serve_script(answer_openai) as server:
        call = (*SHORT, "--url", server.url, "--scenarios", "cold")
        fimserve(*call)
        assert not list(Path().iterdir())
        lines = [last_line(fimserve(*call, "--output", output)) for _ in range(2)]
    assert [json.loads(line) for line in output.read_text().splitlines()] == lines


def test_an_output_that_cannot_be_written_loses_nothing(fimserve: CommandLine) -> None:
    Path("file").write_text("")
    with serve_script(answer_openai) as server:
        outcome = fimserve(
            *SHORT, "--url", server.url, "--scenarios", "cold", "--output", "file/latency.jsonl"
        )
    assert outcome.exit_code == 1
    assert "check --output" in outcome.stderr
    assert json.loads(outcome.stdout.splitlines()[-1])["bench"] == "latency"


def test_the_first_request_that_is_not_answered_ends_the_run(fimserve: CommandLine) -> None:
    def answer(body: Body) -> Reply:
        busy = Reply(["come back later"], 429, {"Retry-After": "1"})
        return busy if body and body.get("stream") else answer_openai(body)

    with serve_script(answer) as server:
        outcome = fimserve(*SHORT, "--url", server.url)
    assert outcome.exit_code == 1
    assert "refused: status 429) come back later" in outcome.stderr
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--url", "localhost:8000"), 1, "must begin with http"),
        (("--url", "http://127.0.0.1:9"), 1, "start the server or correct --url"),
        (("--url", "http://127.0.0.1:9", "--n", 100_000), 1, "lower --n or"),
        (("--tokens", "many"), 2, "write lengths as 1024,2048"),
        (("--tokens", "8"), 2, "the shortest prompt has 32"),
        (("--scenarios", "cold,warm"), 2, "use some of cold, keystroke"),
        (("--n", 0), 2, "--n"),
        (("--order", "mps"), 2, "use one of psm, spm"),
        (("--corpus", "."), 1, "holds no source file"),
        (("--adapter-rank", 4, "--url", "http://h"), 2, "go without --url"),
        (("--adapter-rank", 4, "--peer", "http://h"), 2, "goes without --adapter"),
        (("--adapter-rank", 4, "--adapter", "."), 2, "leave out one"),
        (("--adapter", "."), 1, "adapter_config.json"),
    ],
)
def test_mistakes_are_explained(
    fimserve: CommandLine, arguments: tuple[object, ...], code: int, words: str
) -> None:
    outcome = fimserve("bench", "latency", *arguments)
    assert outcome.exit_code == code
    assert words in " ".join(outcome.stderr.split())


def test_measuring_imports_no_torch() -> None:
    code = "import fimserve.cli.benching, sys; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "False"


def test_without_an_address_the_own_service_is_started_and_stopped(
    fimserve: CommandLine, tmp_path: Path
) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", endless=True)
    outcome = fimserve(*SHORT, "--model", model, "--scenarios", "cold,keystroke,repeat")
    line = last_line(outcome)
    (found,) = line["servers"]
    assert found["server"]["url"] is None
    assert found["server"]["health"]["service"] == "fimserve"
    orders = [order for scenario, order in rows(found) if scenario == "keystroke"]
    assert orders == [None, "psm", "spm", "middle-increment"]
    assert all(result["num_short"] == 0 for result in found["scenarios"])
    shares = {(s["scenario"], s["order"]): s["cached_share"] for s in found["scenarios"]}
    assert shares["repeat", None] > 0.9
    assert line["torch"]


def test_an_adapter_is_measured_unmerged_and_merged(fimserve: CommandLine, tmp_path: Path) -> None:
    model = write_tiny_checkpoint(tmp_path / "tiny", endless=True)
    outcome = fimserve(*SHORT, "--model", model, "--scenarios", "cold,repeat", "--adapter-rank", 4)
    line = last_line(outcome)
    servers = [found["server"] for found in line["servers"]]
    assert [server["name"] for server in servers] == ["base", "unmerged", "merged"]
    assert [server["adapter"] for server in servers] == [None, "random-rank-4", None]
    assert [server["health"]["model"] for server in servers] == ["tiny", "tiny", "merged"]
    assert [(one["first"], one["second"], one["scenario"]) for one in line["paired"]] == [
        ("base", second, scenario)
        for scenario in ("cold", "repeat")
        for second in ("unmerged", "merged")
    ]
    assert "…" not in outcome.stdout
    again = fimserve(
        *SHORT, "--model", model, "--scenarios", "cold",
        "--adapter", write_random_adapter(model, tmp_path / "ours", rank=2),
    )  # fmt: skip
    assert last_line(again)["servers"][1]["server"]["adapter"] == "ours"


def test_a_service_that_does_not_start_is_quoted(fimserve: CommandLine) -> None:
    outcome = fimserve(*SHORT, "--model", "./no-such-directory")
    assert outcome.exit_code == 1
    assert "the service ended with code 1 before it was ready" in outcome.stderr
    assert "no-such-directory" in outcome.stderr
