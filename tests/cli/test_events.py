"""`fimserve events` on a file: counts, an export, deletion; mistakes explained in one message."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fimserve.telemetry import TelemetrySettings, open_event_store
from support.cli import CommandLine
from support.events import make_events


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a database that holds three events."""
    url = f"sqlite:///{tmp_path}/events.db"
    store = open_event_store(TelemetrySettings(url=url))
    assert store is not None
    store.append("one", make_events(3))
    store.close()
    return url


def test_stats_are_a_table_or_json(fimserve: CommandLine, url: str) -> None:
    table = fimserve("events", "stats", "--url", url)
    assert table.exit_code == 0
    assert "shown" in table.stdout
    counts = json.loads(fimserve("events", "stats", "--json", "--url", url).stdout)
    assert counts["events"][0]["num_events"] == 3
    assert counts["num_spooled_files"] == 0


def test_export_writes_what_the_settings_file_names(fimserve: CommandLine, url: str) -> None:
    Path("fimserve.toml").write_text(f'[telemetry]\nurl = "{url}"\n')
    outcome = fimserve("events", "export", "events.parquet")
    assert outcome.exit_code == 0
    assert "3 events" in outcome.stderr
    assert pq.read_table("events.parquet").num_rows == 3
    assert fimserve("events", "export", "none.parquet", "--since", "2999-01-01").exit_code == 0
    assert pq.read_table("none.parquet").num_rows == 0


def test_prune_deletes_nothing_young(fimserve: CommandLine, url: str) -> None:
    assert fimserve("events", "prune", "--url", url).stdout == "deleted 0 events\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "--url", "mysql://root:hunter2@here/db"], "url should be off, sqlite"),
        (["stats", "--url", "off"], "switched off"),
        (["stats", "--url", "sqlite:///"], "names no file"),
        (["export", "x.parquet", "--since", "yesterday"], "2026-01-31"),
    ],
)
def test_mistakes_are_explained(fimserve: CommandLine, arguments: list[str], words: str) -> None:
    outcome = fimserve("events", *arguments)
    assert outcome.exit_code in (1, 2)
    assert words in outcome.stderr
    assert "hunter2" not in outcome.stderr
