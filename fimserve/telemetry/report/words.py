"""Says in words what may be concluded from a report, and what may not.

Written for somebody who decides, not for somebody who tests: each sentence stands by itself.
"""

from collections.abc import Iterator

from fimserve.telemetry.report.model import MetricRow, Report, Statement
from fimserve.telemetry.statistics.sequence import MIN_USERS_PER_ARM

__all__ = ["ALPHA", "state"]

ALPHA = 0.05
WHOLE_DAYS = 14
DAY_MS = 86_400_000
SUSPICIOUS_BELOW = 0.001
MISSING_MATTERS = 0.05
"""Share of windows that nobody could observe, from which persistence is read with its bounds."""


def state(report: Report) -> Iterator[Statement]:
    """Return the sentences of a report, the most important first.

    Args:
        report: The report, its statements left out of account.

    Yields:
        Statement: A sentence.
    """
    stops = list(_find_stops(report))
    yield from stops
    if not stops:
        yield from _judge_primary(report)
        yield from _judge_others(report)
        yield from _judge_guardrails(report)
    yield from _warn(report)
    yield from _explain(report)


def _find_stops(report: Report) -> Iterator[Statement]:
    empty = [arm.name for arm in report.arms if arm.num_users == 0]
    if empty:
        yield Statement("stop", f"There are no users in {_join(empty)}: nothing can be compared.")
        return
    checks = report.checks
    if checks.is_mismatch:
        counts = ", ".join(f"{arm.name} {arm.num_users}" for arm in report.arms)
        smallest = min(p for p in (checks.users_p, checks.triggered_p) if p is not None)
        yield Statement(
            "stop",
            f"The arms have not the shares of users that were planned ({counts}; "
            f"{_p(smallest)}): users went missing or were assigned wrongly. Nothing may be "
            "concluded from this experiment. Find the cause and begin anew.",
        )
    if checks.past_p is not None and checks.past_p < SUSPICIOUS_BELOW:
        yield Statement(
            "stop",
            f"The arms differed before the experiment began ({_p(checks.past_p)}): the "
            "assignment is not random. Nothing may be concluded.",
        )


def _judge_primary(report: Report) -> Iterator[Statement]:
    rows = [row for row in report.metrics if row.role == "primary"]
    if not rows:
        yield Statement(
            "stop",
            "The metric that decides cannot be compared yet: there are too few users, or clients "
            "do not report what it needs.",
        )
    for row in rows:
        yield _judge(row, report)


def _judge(row: MetricRow, report: Report) -> Statement:
    what = f"{row.arm} against {report.control}: {row.title}"
    numbers = f"{_amount(row, row.control)} to {_amount(row, row.treatment)}"
    if report.is_running:
        if row.anytime is None:
            return Statement(
                "note",
                f"{what}: {numbers} so far. Fewer than {MIN_USERS_PER_ARM} users in an arm: too "
                "early to say anything.",
            )
        lower, upper = row.anytime
        if lower > 0 or upper < 0:
            return Statement(
                "finding",
                f"{what} is {_direction(row)}: {numbers}, a difference between "
                f"{_amount(row, lower, True)} and {_amount(row, upper, True)}. This holds although "
                "the experiment still runs and whenever one looks: it may be ended now.",
            )
        return Statement(
            "note",
            f"{what}: {numbers} so far, a difference between {_amount(row, lower, True)} and "
            f"{_amount(row, upper, True)}. No difference is shown yet. The p-values below are for "
            "the planned end: while the experiment runs they must not decide it.",
        )
    lower, upper = row.fixed
    if row.p_adjusted < ALPHA:
        return Statement(
            "finding",
            f"{what} is {_direction(row)}: {numbers}, a difference between "
            f"{_amount(row, lower, True)} and {_amount(row, upper, True)} "
            f"({_p(row.p_adjusted)}).",
        )
    return Statement(
        "finding",
        f"{what}: no difference is shown ({numbers}; {_p(row.p_adjusted)}). That is no proof "
        f"of none: differences between {_amount(row, lower, True)} and "
        f"{_amount(row, upper, True)} agree with what was seen.{_describe_power(row)}",
    )


def _describe_power(row: MetricRow) -> str:
    if row.detectable_lift is None:
        return ""
    return (
        f" With so many users a lift of {row.detectable_lift:.1%} would have been found four times "
        "out of five, a smaller one less often."
    )


def _judge_others(report: Report) -> Iterator[Statement]:
    rows = [row for row in report.metrics if row.role == "secondary"]
    for arm in dict.fromkeys(row.arm for row in rows):
        shown = [row for row in rows if row.arm == arm and _is_shown(row, report.is_running)]
        if not shown:
            continue
        told = "; ".join(
            f"{row.title} is {_direction(row)}, {_amount(row, row.control)} to "
            f"{_amount(row, row.treatment)}"
            + ("" if report.is_running else f" ({_p(row.p_adjusted)})")
            for row in shown
        )
        if report.is_running:
            text = f"{arm}, by anytime intervals not corrected for being {len(rows)}: {told}."
            yield Statement("note", text)
        else:
            text = f"{arm}, corrected for being {len(rows)} questions: {told}."
            yield Statement("finding", text)


def _is_shown(row: MetricRow, is_running: bool) -> bool:
    if not is_running:
        return row.p_adjusted < ALPHA
    return row.anytime is not None and (row.anytime[0] > 0 or row.anytime[1] < 0)


def _judge_guardrails(report: Report) -> Iterator[Statement]:
    for row in report.metrics:
        bounds = row.anytime or row.fixed
        is_worse = bounds[1] < 0 if row.better == "up" else bounds[0] > 0
        if row.role == "guardrail" and is_worse:
            yield Statement("warning", f"{row.arm}: {row.title} is {_direction(row)}.")
    for latency in report.latencies:
        interval = latency.difference_interval
        if latency.level == 0.95 and interval is not None and interval[0] > 0:
            yield Statement(
                "warning",
                f"{latency.arm} is slower: its p95 is longer by {interval[0]:.0f} to "
                f"{interval[1]:.0f} ms. Latency alone costs acceptance.",
            )


def _warn(report: Report) -> Iterator[Statement]:
    checks = report.checks
    days = (report.until_ms - report.since_ms) / DAY_MS
    if days < WHOLE_DAYS:
        yield Statement(
            "warning",
            f"{days:.1f} days of data: less than two whole weeks, in which weekdays weigh unevenly "
            "and a new thing is tried because it is new.",
        )
    total = sum(arm.num_users for arm in report.arms) + checks.num_mixed
    if checks.num_mixed:
        yield Statement(
            "warning",
            f"{checks.num_mixed} of {total} users have events of several arms and are left out; "
            "assignment should stay.",
        )
    if checks.triggered_p is None:
        yield Statement(
            "warning",
            "Clients report no opportunities, so that users who never got anything shown cannot be "
            "told from users who were never there: show rate and error rate are not known.",
        )
    if checks.num_nameless:
        yield Statement("warning", f"{checks.num_nameless} events name no user and are left out.")
    yield from _warn_of_missing(report)


def _warn_of_missing(report: Report) -> Iterator[Statement]:
    rows = [row for row in report.metrics if row.role == "diagnostic"]
    for row in rows:
        if row.p_adjusted < ALPHA:
            yield Statement(
                "warning",
                f"{row.arm}: {row.title} differs between the arms, {row.control:.1%} to "
                f"{row.treatment:.1%}. Persistence there may differ for that reason alone; look at "
                "its bounds.",
            )
    if any(row.p_adjusted < ALPHA for row in rows):
        return
    for arm in dict.fromkeys(row.arm for row in rows):
        most = max(
            (row for row in rows if row.arm == arm), key=lambda row: row.control + row.treatment
        )
        if max(most.control, most.treatment) > MISSING_MATTERS:
            yield Statement(
                "note",
                f"{arm}: {most.title} is {most.control:.1%} and {most.treatment:.1%} of accepted "
                "suggestions, fewer before; persistence is that of the others.",
            )


def _explain(report: Report) -> Iterator[Statement]:
    acceptance = [row for row in report.metrics if row.metric == "car"]
    moved = [row.arm for row in acceptance if row.p < ALPHA]
    if moved:
        yield Statement(
            "warning",
            f"Acceptance differs in {_join(moved)}, so the accepted suggestions are not the same "
            "sort in both arms: CPR must not be compared by itself. Characters retained per day "
            "and the share of counted suggestions that persist do not have this fault.",
        )
    elif acceptance:
        yield Statement(
            "note",
            "CPR is about accepted suggestions, and which those are is itself an outcome; "
            "characters retained per day are the safer measure.",
        )
    removed = [row.variance_removed for row in report.metrics if row.role == "primary"]
    if removed and max(removed) > 0:
        yield Statement(
            "note",
            f"What users did before explains {max(removed):.0%} of the variance of the deciding "
            "metric and was taken out (CUPED).",
        )
    if report.metrics and not report.is_running:
        yield Statement(
            "note",
            "p-values are valid if the end was fixed before the experiment began; otherwise the "
            "anytime intervals are.",
        )


def _direction(row: MetricRow) -> str:
    if row.better == "up":
        return "higher" if row.difference > 0 else "lower, which is worse"
    return "lower" if row.difference < 0 else "higher, which is worse"


def _amount(row: MetricRow, value: float, is_difference: bool = False) -> str:
    if not row.is_share:
        return f"{value:+.3g}" if is_difference else f"{value:.4g}"
    return f"{100 * value:+.2f} points" if is_difference else f"{value:.2%}"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.4f}"


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
