"""`fimserve ab create`, `start`, `stop`, `list`, as an operator types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli import CommandLine

HALVES = ("--arm", "control=0.5", "--arm", "later=0.5,delay_ms=200")


@pytest.fixture
def ab(fimserve: CommandLine, tmp_path: Path) -> CommandLine:
    """Return the command line of an operator who has a database and a directory of adapters."""
    adapter = tmp_path / "adapters" / "ours"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    Path("fimserve.toml").write_text(
        f'[telemetry]\nurl = "sqlite:///{tmp_path}/events.db"\n'
        f'[engine]\nadapters = "{tmp_path}/adapters"\n'
    )
    return fimserve


def list_all(ab: CommandLine) -> dict[str, Any]:
    """Return all experiments by name."""
    return {one["plan"]["name"]: one for one in json.loads(ab("ab", "list", "--json").stdout)}


def test_an_experiment_from_draft_to_end(ab: CommandLine) -> None:
    more = ("--share", "0.4", "--language", "go", "--primary", "car")
    made = ab("ab", "create", "slow", *HALVES, *more)
    assert (made.exit_code, made.stdout) == (0, "slow is draft\n")
    assert ab("ab", "start", "slow").stdout.startswith("slow is running; services follow")
    one = list_all(ab)["slow"]
    assert (one["state"], one["buckets"]) == ("running", [[0, 4000]])
    assert one["plan"]["languages"] == ["go"]
    assert one["plan"]["primary"] == "car"
    assert "salt" not in one
    assert ab("ab", "stop", "slow", "--arm", "later", "--reason", "no need").exit_code == 0
    assert ab("ab", "stop", "slow", "--reason", "enough").exit_code == 0
    one = list_all(ab)["slow"]
    assert (one["state"], one["reason"]) == ("stopped", "enough")
    assert one["stopped_arms"]["later"][1] == "no need"
    table = ab("ab", "list").stdout
    for word in ("slow", "stopped", "enough", "later"):
        assert word in table


def test_all_that_runs_can_be_stopped_at_once(ab: CommandLine) -> None:
    for number in range(2):
        ab("ab", "create", f"e{number}", *HALVES, "--share", "0.5", "--start")
    ab("ab", "create", "draft", *HALVES)
    assert "stopped e0, e1;" in ab("ab", "stop", "--all").stdout
    states = {name: one["state"] for name, one in list_all(ab).items()}
    assert states == {"e0": "stopped", "e1": "stopped", "draft": "draft"}


def test_a_file_describes_an_experiment(ab: CommandLine) -> None:
    Path("plan.toml").write_text(
        'share = 0.5\narms = [{name = "a", share = 0.5}, {name = "b", share = 0.5, '
        'adapter = "ours", trim = false}]\n[guardrails]\nerrors = 0.01\n'
    )
    assert ab("ab", "create", "filed", "--file", "plan.toml", "--share", "0.25").exit_code == 0
    plan = list_all(ab)["filed"]["plan"]
    assert (plan["share"], plan["arms"][1]["trim"]) == (0.25, False)
    assert plan["guardrails"]["errors"] == 0.01


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--arm", "a=0.5,adapter=theirs"), "arm a: adapter is 'theirs'; the adapter directory ho"),
        (("--arm", "a=0.7", "--arm", "b=0.7"), "add up to 1.4"),
        (("--arm", "a"), "--arm has 'a'; write KEY=VALUE"),
        (("--arm", "a=x"), "share is 'x'; use a number"),
        (("--arm", "a=1", "--guard", "latency=5"), "did you mean latency_ms"),
        ((), "an experiment without arms"),
    ],
)
def test_what_cannot_be_is_refused(ab: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    refused = ab("ab", "create", "test", *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert list_all(ab) == {}


def test_wrong_names_and_states_are_refused(ab: CommandLine) -> None:
    assert "there is none" in ab("ab", "start", "what").stderr
    assert "or --all" in ab("ab", "stop").stderr
    ab("ab", "create", "one", *HALVES, "--start")
    assert "layer default, where 0 is free" in ab("ab", "create", "two", *HALVES, "--start").stderr
    assert "only a draft can be started" in ab("ab", "start", "one").stderr
    off = ab("ab", "list", "--url", "off")
    assert off.exit_code == 2
    assert "experiments need events" in off.stderr
