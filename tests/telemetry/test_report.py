"""Reports on planted experiments: the numbers, and above all the words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fimserve.telemetry.metrics import Cell, Latencies, Measurement, UserTable, Window
from fimserve.telemetry.metrics.measurement import _to_columns
from fimserve.telemetry.metrics.window import DAY_MS, MeasureError
from fimserve.telemetry.report import (
    ExperimentFacts,
    Report,
    build_report,
    rank_kinds,
    render_page,
)
from fimserve.telemetry.report.experiment_report import find_facts
from fimserve.telemetry.statistics import Moments
from support.experiments import make_plan, make_running

ARMS = ("control", "treatment")
SHARES = {"control": 0.5, "treatment": 0.5}
FACTS = ExperimentFacts("exp", SHARES, "control", is_running=False)
START_MS = 1_700_000_000_000


def make_users(
    sizes: tuple[int, int] = (1_000, 1_000),
    acceptance: float = 1.0,
    persistence: float = 1.0,
    past_gap: float | None = None,
    missing: tuple[float, float] = (0.1, 0.1),
    seed: int = 0,
) -> UserTable:
    """Return users of two arms; factors are the treatment's."""
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.repeat([0, 1], sizes))
    rate = rng.beta(3, 7, len(arm))
    factor = np.where(arm == 1, acceptance, 1.0)

    def live(rates: np.ndarray) -> list[dict[str, float]]:
        rows = []
        for number, chance in enumerate(rates):
            counted = 10 + rng.poisson(40)
            accepted = rng.binomial(counted, min(1.0, chance))
            lost = rng.binomial(accepted, missing[arm[number]])
            observed = accepted - lost
            stays = 0.8 * (persistence if arm[number] else 1.0)
            kept = rng.binomial(observed, stays)
            row = {
                "counted": counted, "accepted": accepted, "taken": accepted,
                "shown_chars": counted * 30, "taken_chars": accepted * 30, "active_days": 10,
                "requested": counted + 5, "errors": rng.binomial(counted, 0.01),
                "retained_30": kept * 30, "retained_300": kept * 25,
            }  # fmt: skip
            for w in (30, 120, 300, 600):
                row |= {f"observed_{w}": observed, f"persisted_{w}": kept, f"missing_{w}": lost}
            rows.append({name: float(value) for name, value in row.items()})
        return rows

    past = {}
    if past_gap is not None:
        past = _to_columns(live(rate * np.where(arm == 1, past_gap, 1.0)))
    columns = _to_columns(live(rate * factor))
    return UserTable(ARMS, arm, np.arange(len(arm)) + START_MS, columns, past)


def measured(users: UserTable, days: int = 14, **more: int) -> Measurement:
    """Return the measurement of these users."""
    until = START_MS + days * DAY_MS
    nothing = np.array([], dtype=np.int64)
    latencies = Latencies(ARMS, nothing, nothing, nothing.astype(np.float64), 0)
    counts = {"num_mixed": 0, "num_nameless": 0} | more
    return Measurement(Window(START_MS, until, until, "exp"), users, (), latencies, **counts)


def words(report: Report, level: str) -> str:
    """Return all sentences of a level."""
    return "\n".join(one.text for one in report.statements if one.level == level)


def test_a_planted_difference_is_found_and_told() -> None:
    report = build_report(measured(make_users(acceptance=1.2)), FACTS)
    assert words(report, "stop") == ""
    findings = words(report, "finding")
    assert "treatment against control: retained characters per active day is higher" in findings
    assert "acceptance (CAR) is higher" in findings
    assert "CPR must not be compared by itself" in words(report, "warning")
    rows = {row.metric: row for row in report.metrics}
    assert rows["car"].lift == pytest.approx(0.2, abs=0.06)
    assert rows["car"].p_adjusted >= rows["car"].p
    assert rows["cpr_30"].p > 0.01


def test_no_difference_is_no_proof_of_none() -> None:
    findings = words(build_report(measured(make_users()), FACTS), "finding")
    assert "no difference is shown" in findings
    assert "no proof of none" in findings
    assert "four times out of five" in findings
    assert "is higher" not in findings


def test_unequal_arms_stop_every_conclusion() -> None:
    report = build_report(measured(make_users((1_200, 1_000), acceptance=1.5)), FACTS)
    assert report.checks.is_mismatch
    assert "Nothing may be concluded" in words(report, "stop")
    assert words(report, "finding") == ""


def test_unequal_shares_that_were_planned_do_not() -> None:
    facts = replace(FACTS, shares={"control": 0.3, "treatment": 0.15})
    report = build_report(measured(make_users((1_000, 500))), facts)
    assert not report.checks.is_mismatch
    assert report.arms[0].share == pytest.approx(2 / 3)


def test_users_who_get_no_opportunities_are_noticed() -> None:
    users = make_users()
    is_lost = (users.arm == 1) & (np.arange(len(users.arm)) % 5 == 0)
    requested = np.where(is_lost, 0.0, users.columns["requested"])
    report = build_report(
        measured(replace(users, columns={**users.columns, "requested": requested})), FACTS
    )
    assert report.checks.users_p > 0.5
    assert report.checks.triggered_p is not None
    assert report.checks.is_mismatch


def test_arms_that_differed_before_stop_every_conclusion() -> None:
    report = build_report(measured(make_users(past_gap=1.3)), FACTS)
    assert "differed before" in words(report, "stop")
    same = build_report(measured(make_users(past_gap=1.0)), FACTS)
    assert words(same, "stop") == ""
    assert "taken out (CUPED)" in words(same, "note")
    assert next(row.variance_removed for row in same.metrics if row.metric == "car") > 0.3


def test_while_it_runs_only_what_holds_at_any_time_is_concluded() -> None:
    running = replace(FACTS, is_running=True)
    clear = build_report(measured(make_users(acceptance=1.5)), running)
    assert "whenever one looks" in words(clear, "finding")
    unclear = build_report(measured(make_users(acceptance=1.05)), running)
    assert words(unclear, "finding") == ""
    assert "must not decide it" in words(unclear, "note")
    early = build_report(measured(make_users((60, 60), acceptance=1.5)), running)
    assert "too early" in words(early, "note")
    row = next(row for row in clear.metrics if row.metric == "car")
    assert row.anytime is not None
    assert row.anytime.lower < row.fixed.lower < row.fixed.upper < row.anytime.upper


def test_unequal_censoring_and_its_bounds_are_told() -> None:
    report = build_report(measured(make_users(missing=(0.1, 0.3))), FACTS)
    assert "not observed at 30 s differs between the arms" in words(report, "warning")
    row = next(row for row in report.metrics if row.metric == "cpr_30")
    assert row.control_bounds is not None
    assert row.treatment_bounds is not None
    assert row.control_bounds.lower < row.control < row.control_bounds.upper
    width = row.treatment_bounds.upper - row.treatment_bounds.lower
    assert width == pytest.approx(0.3, abs=0.02)


def test_guardrails_short_experiments_and_left_out_users_are_warned_of() -> None:
    users = make_users()
    errors = users.columns["errors"] + 2.0 * (users.arm == 1)
    worse = replace(users, columns={**users.columns, "errors": errors})
    report = build_report(measured(worse, days=3, num_mixed=7, num_nameless=9), FACTS)
    told = words(report, "warning")
    assert "errors by opportunities is higher, which is worse" in told
    assert "less than two whole weeks" in told
    assert "7 of 2007 users" in told
    assert "9 events name no user" in told


def test_nobody_and_wrong_questions() -> None:
    empty = replace(
        measured(make_users()),
        users=UserTable(
            (), np.array([], dtype=np.int64), np.array([], dtype=np.int64), _to_columns([]), {}
        ),
    )
    report = build_report(empty, FACTS)
    assert "no users in control and treatment" in words(report, "stop")
    json.dumps(report.to_json(), allow_nan=False)
    with pytest.raises(MeasureError, match="the arms are control, treatment"):
        ExperimentFacts("exp", SHARES, "nobody", False)
    with pytest.raises(MeasureError, match="use one of retained_chars, car"):
        ExperimentFacts("exp", SHARES, "control", False, primary="happiness")


def test_another_metric_may_decide() -> None:
    report = build_report(measured(make_users()), replace(FACTS, primary="car"))
    roles = {row.metric: row.role for row in report.metrics}
    assert roles["car"] == "primary"
    assert roles["retained_chars"] == "secondary"
    assert list(roles.values()).count("primary") == 1


def test_the_page_is_whole_and_escapes_names() -> None:
    facts = replace(FACTS, name="<script>alert(1)</script>")
    page = render_page(build_report(measured(make_users(acceptance=1.2)), facts))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<table>") == page.count("</table>") >= 5
    assert "http" not in page
    assert "What may be concluded" in page


NEVER_ACCEPTED = Moments.of(np.array([[0.0] * 4, [30.0] * 4]))


def test_the_metric_that_decides_is_the_one_that_was_planned() -> None:
    planned, silent = make_running(make_plan(primary="car")), make_running(make_plan())
    assert find_facts(planned).primary == "car"
    assert find_facts(planned, primary="wcar").primary == "wcar"
    assert find_facts(silent).primary == "retained_chars"


@pytest.fixture
def kind_cells() -> list[Cell]:
    def cell(kind: str, arm: str, rate: float, num_users: int, each: int = 10) -> Cell:
        accepted = np.full(num_users, rate * each) + np.tile([-1.0, 1.0], num_users // 2)
        columns = np.vstack([accepted, np.full(num_users, float(each))])
        n, d = columns.sum(axis=1)
        return Cell("kind", kind, arm, "car", n, d, Moments.of(columns))

    return [
        cell("comment", "control", 0.1, 50),
        cell("comment", "treatment", 0.2, 50),
        cell("call", "control", 0.5, 50),
        cell("string", "control", 0.1, 4, each=30),
        Cell("kind", "lambda", "control", "car", 0.0, 120.0, NEVER_ACCEPTED),
        cell("rare", "control", 0.1, 2),
    ]


def test_kinds_are_ranked_over_all_arms_and_chance_is_left_aside(kind_cells: list[Cell]) -> None:
    ranks = rank_kinds(kind_cells)
    # Four users who never accepted prove less than a hundred who seldom did.
    assert [rank.kind for rank in ranks] == ["string", "comment", "call", "lambda"]
    comment = ranks[1]
    assert comment.car == pytest.approx(0.15)
    assert (comment.counted, comment.refused) == (1_000, 850)
    assert comment.interval.lower < 0.15 < comment.interval.upper
