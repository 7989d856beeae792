"""Guardrails: an arm that is worse is stopped by itself, one that is not goes on."""

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fimserve.telemetry import Event, TelemetrySettings, open_event_store
from fimserve.telemetry.database import Database
from fimserve.telemetry.experiments import Arm, Experiment, Guardrails
from fimserve.telemetry.experiments.arm_sums import read_arm_sums
from fimserve.telemetry.experiments.guard import Guard
from fimserve.telemetry.experiments.registry import ExperimentRegistry
from fimserve.telemetry.location import find_location
from support.events import make_event
from support.experiments import make_plan, open_watch, wait_until

ARMS = (Arm("control", 0.5), Arm("ours", 0.5))
ALL_LIMITS = Guardrails(latency_ms=50.0, errors=0.05, car_drop=0.1, tightest_at=300)

Behave = Callable[[random.Random, str], dict[str, float]]
"""What a user of an arm meets: `latency_ms`, `errors` and `accepts`."""


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    found = Database(find_location(TelemetrySettings(url=url)))
    found.prepare()
    yield found
    found.drop_connections()


def alike(rng: random.Random, arm: str) -> dict[str, float]:
    """Both arms are the same."""
    return {"latency_ms": rng.lognormvariate(4, 0.3), "errors": 0.02, "accepts": 0.3}


def worse(**values: float) -> Behave:
    """Return users whose second arm differs by these."""

    def behave(rng: random.Random, arm: str) -> dict[str, float]:
        met = alike(rng, arm)
        for name, value in values.items() if arm == "ours" else ():
            met[name] += value
        return met

    return behave


def make_traffic(behave: Behave, num_users: int = 150, name: str = "test") -> list[Event]:
    """Return the events of users who ask ten times each."""
    rng, ids, events = random.Random(1), itertools.count(), []
    for arm, number in itertools.product(("control", "ours"), range(num_users)):
        who = {
            "experiment": name,
            "arm": arm,
            "assigned_arm": arm,
            "user_hash": f"{arm.encode().hex()}{number:016x}",
        }
        for _ in range(10):
            met = behave(rng, arm)
            events.append(make_event(type="requested", completion_id=None, **who))
            if rng.random() < met["errors"]:
                events.append(make_event(type="error", completion_id=None, **who))
                continue
            about = {**who, "completion_id": f"cmpl-{next(ids)}"}
            events.append(make_event(e2e_ms=met["latency_ms"], shown_ms=800.0, **about))
            if rng.random() < met["accepts"]:
                events.append(make_event(type="accepted", **about))
    return events


def store(url: str, spool: Path, events: list[Event]) -> None:
    """Store events as a service does."""
    opened = open_event_store(TelemetrySettings(url=url, spool=str(spool)))
    assert opened is not None
    for start in range(0, len(events), 500):
        opened.append("local", events[start : start + 500])
    opened.close()


def run(database: Database, guardrails: Guardrails) -> tuple[Guard, ExperimentRegistry, Experiment]:
    """Start an experiment with these limits."""
    registry = ExperimentRegistry(database)
    one = registry.ensure(make_plan(arms=ARMS, guardrails=guardrails))
    return Guard(database, registry), registry, one


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (worse(latency_ms=150.0), "latency p95"),
        (worse(errors=0.3), "errors per request"),
        (worse(accepts=-0.25), "CAR is lower"),
    ],
)
def test_an_arm_that_breaks_a_limit_is_stopped_and_the_reason_kept(
    database: Database, url: str, tmp_path: Path, behave: Behave, reason: str
) -> None:
    store(url, tmp_path / "spool", make_traffic(behave))
    guard, registry, one = run(database, ALL_LIMITS)
    assert guard.look([one]) == [("test", "ours")]
    (kept,) = registry.read().experiments
    assert kept.state == "running"
    assert reason in kept.stopped_arms["ours"].reason
    assert guard.look([kept]) == []


@pytest.mark.parametrize("behave", [alike, worse(latency_ms=20.0, errors=0.02, accepts=-0.03)])
def test_an_arm_within_its_limits_goes_on(
    database: Database, url: str, tmp_path: Path, behave: Behave
) -> None:
    store(url, tmp_path / "spool", make_traffic(behave))
    guard, _, one = run(database, ALL_LIMITS)
    assert guard.look([one]) == []


def test_few_users_and_no_limits_conclude_nothing(
    database: Database, url: str, tmp_path: Path
) -> None:
    guard, registry, one = run(database, ALL_LIMITS)
    assert guard.look([one]) == []
    store(url, tmp_path / "spool", make_traffic(worse(errors=0.9), num_users=99))
    assert guard.look([one]) == []
    registry.stop("test", "enough")
    unlimited = registry.ensure(make_plan("free", arms=ARMS))
    assert guard.look([unlimited]) == []


def test_sums_count_a_suggestion_once_and_find_the_name_among_others(
    database: Database, url: str, tmp_path: Path
) -> None:
    who = {"experiment": "other+test", "assigned_arm": "x+ours", "user_hash": "a" * 32}
    about = {**who, "completion_id": "c1"}
    store(
        url,
        tmp_path / "spool",
        [
            make_event(shown_ms=100.0, e2e_ms=80.0, **about),
            make_event(shown_ms=900.0, e2e_ms=90.0, **about),
            make_event(type="accepted", **about),
            make_event(shown_ms=100.0, **(about | {"completion_id": "c2"})),
            make_event(shown_ms=900.0, other_provider=True, **(about | {"completion_id": "c3"})),
            make_event(type="accepted", **(about | {"experiment": "testing"})),
            make_event(type="accepted", **(about | {"user_hash": None})),
        ],
    )
    _, _, one = run(database, ALL_LIMITS)
    sums = read_arm_sums(database, one)
    assert sums.keys() == {"ours"}
    user = ("local", "a" * 32)
    assert (sums["ours"].counted, sums["ours"].accepted) == ({user: 1}, {user: 1})
    assert sums["ours"].latencies_ms == {user: [80.0]}


def test_a_running_service_stops_the_arm_by_itself(url: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    watch = open_watch(
        url,
        str(spool),
        guard_s=0.2,
        start=(make_plan(arms=ARMS, guardrails=ALL_LIMITS).to_json(),),
    )
    try:
        store(url, spool, make_traffic(worse(errors=0.3)))
        wait_until(lambda: "ours" in watch.catalogue.running[0].stopped_arms)
    finally:
        watch.close()
