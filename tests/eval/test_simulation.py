"""Simulated users over a real server: the same from a seed; what is planted is what is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fimeval.errors import EvalError
from fimeval.simulation import Effect, SimulationResult, SimulationSettings, parse_effect, simulate
from fimeval.simulation.backdate import backdate
from fimeval.simulation.calendar import plan_sessions
from fimeval.simulation.life import Offer, make_life
from fimeval.simulation.user import User, draw_user
from fimserve.telemetry import Event, TelemetrySettings, open_event_store
from fimserve.telemetry.experiments import Arm
from support.experiments import make_plan, open_registry_of, open_watch
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.stored import read_rows

DAY_MS = 86_400_000
END_MS = 20_000 * DAY_MS
ARMS = (Arm("control", 0.5), Arm("ours", 0.5, adapter="ours"))
SETTINGS = SimulationSettings(
    num_users=12, days=3, per_day=3.0, completion_share=0.3, end_ms=END_MS, connections=3
)


@contextmanager
def serve(url: str) -> Iterator[str]:
    """Have a service with an experiment."""
    watch = open_watch(url, start=(make_plan(arms=ARMS).to_json(),))
    store = open_event_store(TelemetrySettings(url=url))
    with serve_in_thread(FakeEngine(), None, store, watch) as address:
        yield address


def run(address: str, settings: SimulationSettings = SETTINGS) -> SimulationResult:
    """Simulate."""
    return asyncio.run(simulate(address, settings, None, lambda: None))


def test_all_events_reach_the_store_with_the_arm_of_their_user(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    with serve(url) as address:
        result = run(address)
        assert result.num_stored == result.events.total()
        again = run(address)
    assert again.num_stored < again.events.total()  # ids repeat: users are the same
    assert again.users == result.users
    rows = read_rows(url)
    assert result.users.total() == 12
    assert set(result.users) == {"control", "ours"}
    assert result.num_completions >= 12
    arms: dict[str, set[str]] = {}
    for row in rows:
        assert (row["experiment"], row["arm"]) == ("test", row["assigned_arm"])
        arms.setdefault(row["user_hash"], set()).add(row["assigned_arm"])
    assert all(len(found) == 1 for found in arms.values())
    assert Counter(found.pop() for found in arms.values()) == result.users
    assert {"requested", "shown", "accepted", "persisted", "dismissed"} <= set(result.events)


def test_backdating_moves_the_simulation_s_events_and_nothing_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    with serve(url) as address:
        run(address)
    store = open_event_store(TelemetrySettings(url=url))
    assert store is not None
    store.append("local", [Event(id="simple", type="requested", at_ms=1)])
    store.close()
    num = len(read_rows(url)) - 1
    assert backdate(TelemetrySettings(url=url), "test", SETTINGS.run) == num
    for row in read_rows(url):
        assert (row["received_ms"] == row["at_ms"] + 1_000) == (row["id"] != "simple")
    with open_registry_of(url) as registry:
        (one,) = registry.read().experiments
    assert one.started_ms is not None
    assert END_MS - 3 * DAY_MS <= one.started_ms < END_MS - 2 * DAY_MS + DAY_MS


def test_users_differ_and_come_again_from_the_same_seed() -> None:
    def draw(seed: int) -> list[User]:
        settings = SimulationSettings(seed=seed)
        return [draw_user(settings, i, np.random.default_rng([seed, i])) for i in range(400)]

    users = draw(0)
    assert draw(0) == users
    assert not {user.hash for user in draw(1)} & {user.hash for user in users}
    activity = np.log([user.per_day for user in users])
    assert np.std(activity) == pytest.approx(0.8, abs=0.15)
    acceptance = [1 / (1 + np.exp(-user.acceptance)) for user in users]
    assert np.mean(acceptance) == pytest.approx(0.3, abs=0.04)
    assert np.std(acceptance) == pytest.approx(0.138, abs=0.03)


def test_sessions_lie_in_the_days_and_fewer_at_weekends() -> None:
    settings = SimulationSettings(days=14, end_ms=END_MS, per_day=20.0, activity_spread=0.0)
    by_weekday: Counter[int] = Counter()
    for number in range(40):
        rng = np.random.default_rng(number)
        user = draw_user(settings, number, rng)
        for session in plan_sessions(settings, user, rng):
            assert session == sorted(session)
            assert END_MS - 14 * DAY_MS <= session[0] < END_MS
            by_weekday[(session[0] // DAY_MS + 3) % 7] += len(session)
    weekend = (by_weekday[5] + by_weekday[6]) / 2
    assert 0.08 < weekend / (sum(by_weekday[day] for day in range(5)) / 5) < 0.25


def live(effect: Effect, censored: float = 0.1, **offered: Any) -> Counter[str]:
    """Return counts over many lives of suggestions that one user gets."""
    rng = np.random.default_rng(0)
    user = draw_user(SimulationSettings(), 0, rng)
    offer = Offer("c", 30, 1, 150.0, {})
    found: Counter[str] = Counter()
    for life in range(1_500):
        events = make_life(
            Offer("c", 30, 1, offered.get("e2e_ms", offer.e2e_ms), {}), 0, user, effect,
            censored, rng,
        )  # fmt: skip
        for number, event in enumerate(events):
            if life < 100:
                Event.from_json(event | {"id": f"e{number}"})  # every one is valid
            found[event["type"]] += 1
            found["censored"] += bool(event.get("censored"))
            found["kept"] += event.get("after_s") == 30 and event.get("difference", 1) < 0.33
    return found


def test_effects_latency_and_persistence_do_what_they_say() -> None:
    usual = live(Effect())
    rate = usual["accepted"] / usual["shown"]
    better = live(Effect(acceptance=0.5))
    odds = rate / (1 - rate) * np.exp(0.5)
    assert better["accepted"] / better["shown"] == pytest.approx(odds / (1 + odds), abs=0.04)
    assert live(Effect(), e2e_ms=650.0)["accepted"] < 0.85 * usual["accepted"]
    fewer = live(Effect(persistence=-2.0))
    assert fewer["kept"] / fewer["accepted"] < usual["kept"] / usual["accepted"] - 0.1
    assert live(Effect(), censored=0.0)["censored"] == 0
    assert usual["censored"] > 0


def test_effects_are_read_and_wrong_ones_refused() -> None:
    assert parse_effect("ours:acceptance=0.4, latency_ms=50") == (
        "ours", Effect(acceptance=0.4, latency_ms=50.0),
    )  # fmt: skip
    for text in ("ours", "ours:", "ours:accepts=1", "ours:acceptance=x", ":acceptance=1"):
        with pytest.raises(EvalError, match="write ARM:NAME=NUMBER"):
            parse_effect(text)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(EvalError, match="no answer from /v1/completions"):
        run("http://127.0.0.1:1")
