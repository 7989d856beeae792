"""The bench of events: what it says was stored is what is stored, and its load is as asked."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from fimeval.bench.databases import open_database
from fimeval.bench.event_supply import EventSupply
from fimeval.bench.ingest import IngestResult, IngestSettings, Phase, measure_ingest
from fimeval.bench.ingest_beside import BesideSettings, measure_beside
from fimeval.bench.ingest_report import build_beside_table, build_ingest_line
from fimeval.gpu import Gpu
from fimeval.provenance import describe_provenance
from fimserve.cli.ingest_bench import IngestOptions
from fimserve.telemetry import Event
from support.cli import CommandLine
from support.events_server import open_nursery
from support.stored import read_stored

SETTINGS = IngestSettings(
    rate=400, batch_events=10, seconds=0.4, warmup_s=0.1, num_connections=2, seed=1
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('bench')}/events.db"


@pytest.fixture(scope="module")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server that stores events in the database."""
    with open_nursery(database, str(tmp_path_factory.mktemp("spool"))) as nursery:
        yield f"http://127.0.0.1:{nursery.start().port}"


def test_the_supply_is_of_valid_new_events() -> None:
    records = [*EventSupply(0).make_batch(30)["events"], *EventSupply(0).make_batch(30)["events"]]
    events = [Event.from_json(record) for record in records]
    assert len({event.id for event in events}) == 60
    assert {event.type for event in events} >= {"requested", "shown", "accepted", "persisted"}


def test_everything_acknowledged_is_stored(server: str, database: str) -> None:
    before = count_stored(database)
    num_batches = 0

    def advance() -> None:
        nonlocal num_batches
        num_batches += 1

    result = asyncio.run(measure_ingest(server, SETTINGS, None, advance))
    assert result.paced.outcomes == {"200": 20}
    assert result.paced.num_acknowledged == len(result.paced.latencies_ms) * 10 == 160
    assert result.flat_out.outcomes.keys() == {"200"}
    assert num_batches == result.paced.outcomes.total() + result.flat_out.outcomes.total()
    assert count_stored(database) - before == num_batches * 10


def count_stored(database: str) -> int:
    """Return the number of stored events."""
    return sum(map(len, read_stored(database).values()))


def test_a_server_that_is_not_there_is_counted_not_raised() -> None:
    result = asyncio.run(measure_ingest("http://127.0.0.1:1", SETTINGS, None, lambda: None))
    assert result.paced.outcomes == {"ConnectError": 20}
    assert result.paced.latency_ms is None
    assert result.paced.events_per_s == 0


def test_the_command_prints_a_table_and_keeps_a_line(fimserve: CommandLine, server: str) -> None:
    outcome = fimserve(
        "bench", "events", "--url", server, "--seconds", 0.2, "--warmup-s", 0, "--rate", 400,
        "--batch", 10, "--rounds", 0, "--output", "lines.jsonl",
    )  # fmt: skip
    assert outcome.exit_code == 0
    assert "400 events/s" in outcome.stdout
    (line,) = Path("lines.jsonl").read_text().splitlines()
    assert json.loads(outcome.stdout.splitlines()[-1]) == json.loads(line)
    assert json.loads(line)["paced"]["num_batches"] == 8


def test_batches_that_were_not_stored_fail_the_command(fimserve: CommandLine) -> None:
    outcome = fimserve(
        "bench", "events", "--url", "http://127.0.0.1:1", "--seconds", 0.1, "--warmup-s", 0,
        "--rounds", 0,
    )  # fmt: skip
    assert outcome.exit_code == 1
    assert "not stored: ConnectError" in outcome.stderr


def test_completions_are_asked_for_without_and_with_events(server: str, database: str) -> None:
    settings = BesideSettings(
        rounds=2, seconds=0.4, completions_per_s=20.0, rate=500.0, batch_events=10
    )
    before = count_stored(database)
    result = asyncio.run(measure_beside(server, settings, None))
    for stretches in (result.alone, result.sender_only, result.beside):
        assert len(stretches.latencies_ms) == 16
        assert stretches.num_failed == 0
    assert (result.alone.num_events, result.beside.num_events) == (0, 400)
    assert result.sender_only.num_events == 0, "the server has the sender's events"
    assert result.alone.sender_cpu_s == 0 < result.sender_only.sender_cpu_s
    assert len(result.sender_only.batch_latencies_ms) == 40
    assert len(result.beside.batch_latencies_ms) == 40
    assert count_stored(database) - before == 400
    assert result.p95_change is not None
    line = build_ingest_line(
        "sqlite", IngestResult(Phase(), Phase()), SETTINGS, describe_provenance(),
        Gpu(None, None), True, (result, settings),
    )  # fmt: skip
    told = json.loads(json.dumps(line))["completions"]
    assert told["beside"]["num_events"] == 400
    assert told["p95_change"] == result.p95_change
    assert told["alone"]["batch_latency_ms"] is None
    assert told["beside"]["batch_latency_ms"]["p99"] >= told["beside"]["batch_latency_ms"]["p50"]
    assert told["p95_change_by_sender"] == result.p95_change_by_sender
    assert (1 + told["p95_change_by_sender"]) * (1 + told["p95_change_by_server"]) == (
        pytest.approx(1 + told["p95_change"])
    )
    shown = Console(width=80)
    with shown.capture() as capture:
        shown.print(build_beside_table(result, settings))
    assert f"p95 changes by {result.p95_change:+.1%}" in capture.get()
    assert "batches meanwhile: p50 / p95 / p99" in capture.get()


def test_completions_that_fail_are_counted_and_no_latency() -> None:
    settings = BesideSettings(rounds=1, seconds=0.1, completions_per_s=20.0)
    result = asyncio.run(measure_beside("http://127.0.0.1:1", settings, None))
    assert (result.alone.num_failed, result.alone.latency_ms) == (2, None)
    assert result.p95_change is None


def test_a_line_names_the_sort_of_database_and_no_more() -> None:
    url = "postgresql://me:hunter2@db/events"
    options = IngestOptions(None, "embedded", url, 1.0, 1, 1.0, 0.0, 1, 0)
    assert options.name_database() == "postgresql"
    line = build_ingest_line(
        options.name_database(),
        asyncio.run(measure_ingest("http://127.0.0.1:1", SETTINGS, None, lambda: None)),
        options.to_settings(),
        describe_provenance(),
        Gpu(None, None),
        True,
    )
    assert "hunter2" not in json.dumps(line)


def test_a_rate_is_of_acknowledged_events() -> None:
    assert Phase(num_acknowledged=20, seconds=2.0).events_per_s == 10


def test_a_fresh_sqlite_database_is_gone_afterwards() -> None:
    with open_database("sqlite") as url:
        file = Path(url.removeprefix("sqlite:///"))
        file.write_text("")
    assert not file.parent.exists()
    with open_database("postgresql://db/events") as url:
        assert url == "postgresql://db/events"
