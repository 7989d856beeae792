"""Metrics on both databases: each rule of what counts, then breakdowns, time and users."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from fimserve.telemetry import Event
from fimserve.telemetry.batch import Batch
from fimserve.telemetry.database import Database
from fimserve.telemetry.location import find_location
from fimserve.telemetry.metrics import Measurement, Window, measure
from fimserve.telemetry.metrics.window import MeasureError
from fimserve.telemetry.settings import TelemetrySettings
from support.completions_told import (
    DAY_MS,
    START_MS,
    accepted,
    dismissed,
    partly,
    persisted,
    tell_completion,
)
from support.events import make_event

Told = tuple[str, dict[str, Any]]


class Desk:
    """Stores events and measures them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def store(self, events: Sequence[Event], received_ms: int | None = None) -> None:
        """Store events one by one, each received when it happened unless another time is given."""
        self.database.insert(
            [Batch("one", received_ms or event.at_ms, (event,)) for event in events]
        )

    def measure(self, days: int = 1, experiment: str | None = "exp", **more: Any) -> Measurement:
        """Measure the days from the start on."""
        until = START_MS + days * DAY_MS
        window = Window(START_MS, until, more.pop("as_of_ms", until), experiment, **more)
        return measure(self.database, window)

    def totals(self, *names: str, arm: str = "control") -> list[float]:
        """Return sums over an arm's users."""
        users = self.measure(past_days=0).users
        return [users.total(arm, name) for name in names]


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    database = Database(find_location(TelemetrySettings(url=url, spool="unused")))
    database.prepare()
    yield Desk(database)
    database.drop_connections()


CASES: dict[str, tuple[int, list[Told], dict[str, float]]] = {
    "seen for 749 ms and dismissed": (10, [dismissed(749)], {"counted": 0, "accepted": 0}),
    "seen for 750 ms and dismissed": (10, [dismissed(750)], {"counted": 1, "shown_chars": 10}),
    "accepted after 400 ms": (
        10, [accepted(10, 400)], {"counted": 1, "accepted": 1, "taken_chars": 10},
    ),
    "shown three times, once for long": (
        10,
        [("shown", {"shown_ms": 200.0}), ("shown", {"shown_ms": 800.0}), ("shown", {})],
        {"counted": 1, "shown_chars": 10},
    ),
    "taken in parts and dismissed": (
        20, [partly(5), partly(5), partly(12), dismissed(3000)],
        {"counted": 1, "accepted": 0, "taken": 1, "taken_chars": 12, "shown_chars": 20},
    ),
    "a part, then all": (
        20, [partly(5), accepted(20)], {"accepted": 1, "taken": 1, "taken_chars": 20},
    ),
    "accepted twice": (10, [accepted(10), accepted(10)], {"accepted": 1, "taken_chars": 10}),
    "accepted without a length": (
        10, [("accepted", {"accepted_chars": None})], {"taken_chars": 10},
    ),
    "typed through 6 of 10": (10, [accepted(4)], {"taken_chars": 4, "shown_chars": 10}),
    "three of ten characters replaced": (
        10, [accepted(10), persisted(30, difference=0.3, current_chars=10)],
        {"observed_30": 1, "persisted_30": 1, "retained_30": 7},
    ),
    "three of nine deleted": (
        9, [accepted(9), persisted(30, difference=3 / 9, current_chars=6)],
        {"observed_30": 1, "persisted_30": 0, "retained_30": 6},
    ),
    "four grown to eight": (
        4, [accepted(4), persisted(30, difference=0.5, current_chars=8)],
        {"observed_30": 1, "persisted_30": 0, "retained_30": 4},
    ),
    "what the client says is retained": (
        10, [accepted(10), persisted(30, difference=0.4, retained_chars=8)], {"retained_30": 8},
    ),
    "removed at once": (
        10, [accepted(10), persisted(30, removed=True, difference=1.0)],
        {
            "observed_30": 1, "persisted_30": 0, "observed_600": 1, "persisted_600": 0,
            "retained_30": 0, "retained_300": 0, "missing_600": 0,
        },
    ),
    "removed later": (
        10, [accepted(10), persisted(30, difference=0.0), persisted(120, removed=True)],
        {"persisted_30": 1, "retained_30": 10, "persisted_120": 0, "observed_300": 1},
    ),
    "editor closed after a minute": (
        10, [accepted(10), persisted(30, difference=0.0), persisted(120, censored=True)],
        {
            "observed_30": 1, "observed_120": 0, "missing_30": 0, "missing_120": 1,
            "missing_600": 1, "due_120": 1,
        },
    ),
    "never reported": (10, [accepted(10)], {"missing_30": 1, "observed_30": 0, "retained_30": 0}),
}  # fmt: skip


def test_what_counts_of_one_suggestion(desk: Desk) -> None:
    arms = {case: f"arm-{number}" for number, case in enumerate(CASES)}
    for number, (case, (chars, steps, _)) in enumerate(CASES.items()):
        desk.store(tell_completion(*steps, chars=chars, user=f"{number:016}", arm=arms[case]))
    users = desk.measure(past_days=0).users
    for case, (_, _, expected) in CASES.items():
        found = {name: users.total(arms[case], name) for name in expected}
        assert found == pytest.approx(expected), case


def test_beside_another_provider_nothing_but_latency_counts(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10), persisted(30, difference=0.0), other_provider=True))
    desk.store(tell_completion(accepted(10), user="b" * 16))
    found = desk.measure()
    names = ("counted", "accepted", "taken", "taken_chars", "observed_30", "retained_30")
    totals = [found.users.total("control", name) for name in names]
    assert totals == [1, 1, 1, 10, 0, 0]
    assert len(found.latencies.ms) == 2


def test_the_same_text_offered_again_after_acceptance_is_another_suggestion(desk: Desk) -> None:
    for _ in range(2):
        desk.store(tell_completion(accepted(10), text_hash="c" * 16))
    assert desk.totals("counted", "accepted") == [2, 2]


def test_a_window_that_is_not_over_yet_is_not_missing(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10)))
    found = desk.measure(as_of_ms=START_MS + 200_000).users
    assert [found.total("control", f"missing_{w}") for w in (30, 120)] == [1, 0]


def test_opportunities_errors_and_active_days_are_counted_per_user(desk: Desk) -> None:
    common = {"completion_id": None, "user_hash": "a" * 16, "experiment": "exp", "arm": "control"}
    hour = 3_600_000
    desk.store(
        [
            make_event(type="requested", at_ms=START_MS, **common),
            make_event(type="requested", at_ms=START_MS + hour, **common),
            make_event(type="error", at_ms=START_MS + hour, error_code="overloaded", **common),
            make_event(type="requested", at_ms=START_MS + DAY_MS, typed_chars=30, **common),
        ]
    )
    desk.store(tell_completion(accepted(10), at_ms=START_MS + 2 * DAY_MS))
    users = desk.measure(days=3).users
    names = ("requested", "errors", "active_days", "rocc_taken", "rocc_added")
    assert [users.total("control", name) for name in names] == [3, 1, 3, 10, 40]


def test_events_count_when_they_happened_as_far_as_that_can_be(desk: Desk) -> None:
    hour = 3_600_000
    late = tell_completion(accepted(10), at_ms=START_MS + DAY_MS - hour)
    desk.store(late, received_ms=START_MS + DAY_MS + hour)
    fast_clock = tell_completion(accepted(10), at_ms=START_MS + 40 * DAY_MS)
    desk.store(fast_clock, received_ms=START_MS + hour)
    far_too_late = tell_completion(accepted(10), at_ms=START_MS + hour)
    desk.store(far_too_late, received_ms=START_MS + 3 * DAY_MS)
    days = {c.key: c.denominator for c in desk.measure(4).cells if (c.dimension, c.metric) == CAR}
    assert days == {"2023-11-15": 2, "2023-11-18": 1}
    assert desk.totals("accepted") == [2]


CAR = ("day", "car")


def test_a_suggestion_belongs_to_the_day_on_which_it_was_shown(desk: Desk) -> None:
    minute = 60_000
    desk.store(tell_completion(accepted(10), at_ms=START_MS - 500))
    desk.store(tell_completion(accepted(10), at_ms=START_MS + DAY_MS - minute))
    assert desk.totals("accepted") == [1]


def test_an_event_stored_twice_counts_once(desk: Desk) -> None:
    events = tell_completion(accepted(10))
    desk.store(events)
    desk.store(events)
    assert desk.totals("counted", "accepted", "taken_chars") == [1, 1, 10]


def test_users_come_in_the_order_in_which_they_took_part(desk: Desk) -> None:
    for number, user in enumerate(("c", "a", "b")):
        arm = "control" if user == "a" else "treatment"
        at_ms = START_MS + number * 60_000
        desk.store(tell_completion(accepted(10), user=user * 16, arm=arm, at_ms=at_ms))
    users = desk.measure().users
    assert users.arms == ("control", "treatment")
    assert users.arm.tolist() == [1, 0, 1]
    assert [users.count(arm) for arm in ("control", "treatment", "none")] == [1, 2, 0]


def test_who_is_in_two_arms_is_in_none_and_is_counted(desk: Desk) -> None:
    for arm in ("control", "treatment"):
        desk.store(tell_completion(accepted(10), arm=arm))
    desk.store(tell_completion(accepted(10), user="b" * 16))
    desk.store(tell_completion(accepted(3), user_hash=None))
    found = desk.measure()
    assert found.num_mixed == 1
    assert found.num_nameless == 1
    assert found.users.total("control", "accepted") == 1


def test_users_count_for_the_arm_that_was_assigned(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10), assigned_arm="treatment"))
    assert desk.totals("accepted", arm="treatment") == [1]


def test_an_experiment_is_found_among_those_a_user_is_in(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10), experiment="exp+other", arm="treatment+x"))
    desk.store(tell_completion(accepted(10), user="b" * 16, experiment="another+exp", arm="y+z"))
    desk.store(tell_completion(accepted(10), user="c" * 16, experiment="experiment", arm="no"))
    assert desk.measure().users.arms == ("treatment", "z")


def test_without_an_experiment_everybody_counts_as_one_arm(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10)))
    nameless = tell_completion(dismissed(900), experiment=None, user_hash=None)
    desk.store(nameless[:1])
    desk.store(
        tell_completion(dismissed(900), experiment=None, user_hash=None, session_hash="d" * 16)
    )
    found = desk.measure(experiment=None)
    assert found.users.arms == ("all",)
    assert found.users.total("all", "counted") == 2
    assert found.num_nameless == 1


def test_the_past_is_the_user_s_own_whatever_he_was_in(desk: Desk) -> None:
    week = 7 * DAY_MS
    for at_ms in (START_MS - week, START_MS - week + 1):
        desk.store(tell_completion(accepted(8), at_ms=at_ms, experiment=None))
    desk.store(tell_completion(accepted(8), at_ms=START_MS - 30 * DAY_MS, experiment=None))
    desk.store(tell_completion(accepted(8), at_ms=START_MS - week, user="b" * 16))
    desk.store(tell_completion(dismissed(900)))
    users = desk.measure().users
    assert users.past["accepted"].tolist() == [2]
    assert users.past["active_days"].tolist() == [1]
    assert users.columns["accepted"].tolist() == [0]
    assert desk.measure(past_days=0).users.past == {}


def test_breakdowns_are_per_arm_language_kind_lines_and_day(desk: Desk) -> None:
    for user in "abcd":
        arm = "control" if user in "ab" else "treatment"
        for number, step in enumerate([accepted(10), dismissed(900), dismissed(900)]):
            place = {"language": "python", "kind": f"kind_{number}", "completion_lines": 3 * number}
            desk.store(tell_completion(step, user=user * 16, arm=arm, **place))
    cells = {
        (cell.dimension, cell.key, cell.arm): (cell.numerator, cell.denominator)
        for cell in desk.measure().cells
        if cell.metric == "car"
    }
    assert cells["language", "python", "control"] == (2, 6)
    assert cells["kind", "kind_0", "treatment"] == (2, 2)
    assert cells["kind", "kind_2", "treatment"] == (0, 2)
    assert cells["lines", "1", "control"] == (2, 2)
    assert cells["lines", "2-5", "control"] == (0, 2)
    assert cells["lines", "6-10", "control"] == (0, 2)
    assert cells["day", "2023-11-15", "control"] == (2, 6)


def test_a_cell_s_moments_are_those_of_its_users(desk: Desk) -> None:
    for user, num in (("a", 1), ("b", 3), ("c", 5)):
        for number in range(num):
            step = accepted(10) if number == 0 else dismissed(900)
            desk.store(tell_completion(step, user=user * 16, language="go"))
    (cell,) = (c for c in desk.measure().cells if (c.dimension, c.metric) == ("language", "car"))
    assert cell.moments is not None
    assert cell.moments.num_users == 3
    assert cell.moments.means.tolist() == [1, 3]
    assert cell.moments.covariance.tolist() == [[0, 0], [0, 4]]


def test_latencies_leave_out_what_the_client_had_already(desk: Desk) -> None:
    for number, user in enumerate("ab" * 5):
        source = "cache" if number >= 8 else "network"
        desk.store(tell_completion(dismissed(900), user=user * 16, source=source))
    latencies = desk.measure().latencies
    assert latencies.num_cached == 2
    median = latencies.estimate("control", 0.5)
    assert median is not None
    assert (median.value, median.num_users, median.num_values) == (120, 2, 8)
    assert latencies.estimate("nobody", 0.5) is None


def test_an_empty_store_and_a_strange_window(desk: Desk) -> None:
    found = desk.measure()
    assert found.users.arms == ()
    assert found.cells == ()
    with pytest.raises(MeasureError, match="not after"):
        Window(5, 5, 5)


def test_measuring_leaves_nothing_behind(desk: Desk) -> None:
    desk.store(tell_completion(accepted(10)))
    assert desk.totals("accepted") == desk.totals("accepted") == [1]
