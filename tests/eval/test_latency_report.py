"""What measured requests add up to, and how it is shown."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from fimeval.gpu import Gpu
from fimeval.latency_report import (
    LatencyRun,
    Percentiles,
    ScenarioResult,
    build_latency_line,
    build_latency_table,
    find_percentiles,
    summarise,
)
from fimeval.provenance import Environment, Provenance
from fimeval.streaming_client import Timing
from fimserve.prompt import Order

TIMINGS = [Timing(10.0, 40.0, "length", 100, 4), Timing(20.0, 80.0, "stop", 102, 3)]

RUN = LatencyRun(
    url=None, model="embedded", n=2, warmup=1, prefix_tokens=64, suffix_tokens=32, max_tokens=4,
    offset_chars=0, prompts_sha256="ab12",
)  # fmt: skip

PROVENANCE = Provenance(
    "2026-01-02T03:04:05+00:00", "python -m fimeval.latency", "c0ffee", True,
    Environment("3.11.7", "Linux x86_64", "a CPU", 2, {"torch": "2.13.0", "triton": "3.5.0"}),
)  # fmt: skip


def show(results: list[ScenarioResult], width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(build_latency_table("a title", results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], Percentiles(7.0, 7.0, 7.0)),
        ([float(value) for value in range(100, -1, -1)], Percentiles(50.0, 95.0, 99.0)),
        ([10.0, 20.0], Percentiles(15.0, 19.5, 19.9)),
        ([0.00049, 0.00049], Percentiles(0.0, 0.0, 0.0)),
    ],
)
def test_percentiles_are_interpolated_and_need_no_order(
    values: list[float], expected: Percentiles
) -> None:
    assert find_percentiles(values) == expected


def test_a_scenario_is_summed_up() -> None:
    assert summarise("keystroke", Order.SPM, TIMINGS, 0.987654) == ScenarioResult(
        scenario="keystroke",
        order=Order.SPM,
        n=2,
        ttft_ms=Percentiles(15.0, 19.5, 19.9),
        e2e_ms=Percentiles(60.0, 78.0, 79.6),
        ms_per_token=Percentiles(15.0, 19.5, 19.9),
        cached_share=0.9877,
        prompt_tokens=101.0,
        new_tokens=3.5,
        finish_reasons={"length": 1, "stop": 1},
    )


def test_a_server_that_does_not_count_leaves_gaps_and_no_zeros() -> None:
    uncounted = [replace(TIMINGS[0], num_new_tokens=None, num_prompt_tokens=None), TIMINGS[1]]
    found = summarise("cold", None, [uncounted[0]], None)
    assert (found.ms_per_token, found.cached_share) == (None, None)
    assert (found.prompt_tokens, found.new_tokens) == (None, None)
    # A mean over some of the requests would be one of other requests than the times are.
    assert summarise("cold", None, uncounted, None).new_tokens is None


def test_the_table_has_a_row_for_each_percentile_and_fits_80_columns() -> None:
    results = [
        summarise("cold", None, TIMINGS, None),
        summarise("keystroke", Order.MIDDLE_INCREMENT, TIMINGS, 0.996),
    ]
    lines = show(results)
    rows = [line.split() for line in lines]
    assert ["cold", "p50", "15.0", "60.0", "15.0", "-", "101+4"] in rows
    assert [
        "keystroke", "middle-increment", "p50", "15.0", "60.0", "15.0", "99.6%", "101+4",
    ] in rows  # fmt: skip
    assert rows.count(["p95", "19.5", "78.0", "19.5"]) == 2
    assert rows.count(["p99", "19.9", "79.6", "19.9"]) == 2
    assert not any("…" in line for line in lines)


def test_slow_servers_fit_too() -> None:
    slow = [Timing(123456.0, 234567.0, "length", 10_000, 100)] * 2
    lines = show([summarise("keystroke", Order.MIDDLE_INCREMENT, slow, 1.0)])
    assert not any("…" in line for line in lines)
    assert "123456.0" in "".join(lines)


def test_the_line_says_what_the_house_asks_for() -> None:
    results = [summarise("cold", None, TIMINGS, 0.0)]
    line = build_latency_line(RUN, results, PROVENANCE, Gpu("a GPU", "580.1"))
    assert {name: line[name] for name in line if name not in ("settings", "scenarios")} == {
        "bench": "latency",
        "gpu": "a GPU",
        "driver": "580.1",
        "torch": "2.13.0",
        "triton": "3.5.0",
        "commit": "c0ffee",
        "dirty": True,
        "warmup": 1,
        "n": 2,
        "provenance": line["provenance"],
    }
    assert line["provenance"]["environment"]["cpu"] == "a CPU"
    assert line["settings"]["prompts_sha256"] == "ab12"
    assert line["scenarios"][0]["ttft_ms"] == {"p50": 15.0, "p95": 19.5, "p99": 19.9}


def test_versions_here_are_not_said_of_a_server_elsewhere() -> None:
    run = replace(RUN, url="http://elsewhere:8000")
    line = build_latency_line(run, [], PROVENANCE, Gpu(None, None))
    assert (line["torch"], line["triton"]) == (None, None)
