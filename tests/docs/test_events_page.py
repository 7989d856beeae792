"""`docs/events.md` documents every field and setting there is, and its example is valid."""

import json
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from fimserve.telemetry import EVENT_RULES, Event, EventType, TelemetrySettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def code_block(language: str) -> str:
    """Return the first code block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_every_field_has_its_row_in_the_order_of_the_schema() -> None:
    fields = PAGE.partition("## Fields")[2].partition("## Store")[0]
    assert re.findall(r"^\| `(\w+)` \|", fields, re.MULTILINE) == list(EVENT_RULES)


def test_every_type_has_its_row() -> None:
    types = PAGE.partition("## What to send when")[2].partition("## Fields")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", types, re.MULTILINE)) == set(get_args(EventType))


def test_the_example_is_a_valid_batch() -> None:
    records = json.loads(code_block("json"))["events"]
    assert [Event.from_json(record).to_json() | {"schema_version": 1} for record in records] == [
        record | {"schema_version": 1} for record in records
    ]


def test_the_settings_are_all_there_with_their_defaults() -> None:
    shown = tomllib.loads(code_block("toml"))["telemetry"]
    assert shown == asdict(TelemetrySettings()) | {"store_text": []}
