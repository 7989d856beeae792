"""Whether an arm breaks a limit: the comparison of two arms' users, as statistics has it.

Every bound is one of a confidence sequence, so that looking each minute finds nothing that is not
there. The probability of an error is shared among the limits.
"""

import numpy as np

from fimserve.telemetry.experiments.arm_sums import ArmSums
from fimserve.telemetry.experiments.guardrails import Guardrails
from fimserve.telemetry.statistics import (
    RatioEstimate,
    TooFewUsers,
    UserSums,
    estimate_quantile,
    estimate_ratio,
    follow_difference,
)

__all__ = ["find_breach"]

LATENCY_LEVEL = 0.95


def find_breach(
    guardrails: Guardrails, control: ArmSums, arm: ArmSums, num_arms: int = 2
) -> str | None:
    """Return in words which limit an arm breaks.

    Args:
        guardrails: The limits.
        control: Users of the first arm.
        arm: Users of the other.
        num_arms: Arms of the experiment, which share the probability of an error.

    Returns:
        The first breach; None where it keeps within all limits, or too little is known.
    """
    limits = (guardrails.latency_ms, guardrails.errors, guardrails.car_drop)
    num_tests = sum(limit is not None for limit in limits) * max(1, num_arms - 1)
    alpha = guardrails.alpha / max(1, num_tests)
    for test in (_test_latency, _test_errors, _test_car):
        try:
            found = test(guardrails, control, arm, alpha)
        except TooFewUsers:
            continue
        if found is not None:
            return found
    return None


def _test_latency(
    guardrails: Guardrails, control: ArmSums, arm: ArmSums, alpha: float
) -> str | None:
    if guardrails.latency_ms is None:
        return None
    one, other = (_estimate_latency(sums, guardrails.min_users) for sums in (control, arm))
    found = follow_difference(one, other, alpha, guardrails.tightest_at, "lower")
    if found.lower <= guardrails.latency_ms:
        return None
    return (
        f"latency p95 is {found.difference:.0f} ms longer than in the first arm, at least "
        f"{found.lower:.0f}; the limit is {guardrails.latency_ms:g}"
    )


def _test_errors(
    guardrails: Guardrails, control: ArmSums, arm: ArmSums, alpha: float
) -> str | None:
    if guardrails.errors is None:
        return None
    one, other = (
        _estimate(sums.errors, sums.requests, guardrails.min_users) for sums in (control, arm)
    )
    found = follow_difference(one, other, alpha, guardrails.tightest_at, "lower")
    if found.lower <= guardrails.errors:
        return None
    return (
        f"errors per request are higher by {found.difference:.4f} than in the first arm, at least "
        f"{found.lower:.4f}; the limit is {guardrails.errors:g}"
    )


def _test_car(guardrails: Guardrails, control: ArmSums, arm: ArmSums, alpha: float) -> str | None:
    if guardrails.car_drop is None:
        return None
    one, other = (
        _estimate(sums.accepted, sums.counted, guardrails.min_users) for sums in (control, arm)
    )
    found = follow_difference(one, other, alpha, guardrails.tightest_at, "upper")
    if found.upper >= -guardrails.car_drop:
        return None
    return (
        f"CAR is lower by {-found.difference:.4f} than in the first arm, at least "
        f"{-found.upper:.4f}; the limit is {guardrails.car_drop:g}"
    )


def _estimate(
    numerators: dict[tuple[str, str], int],
    denominators: dict[tuple[str, str], int],
    min_users: int,
) -> RatioEstimate:
    users = [user for user, number in denominators.items() if number]
    _check_users(len(users), min_users)
    return estimate_ratio(
        UserSums(
            np.array([numerators.get(user, 0) for user in users], dtype=np.float64),
            np.array([denominators[user] for user in users], dtype=np.float64),
        )
    )


def _estimate_latency(sums: ArmSums, min_users: int) -> RatioEstimate:
    _check_users(len(sums.latencies_ms), min_users)
    values = np.concatenate([np.asarray(one) for one in sums.latencies_ms.values()])
    nums = [len(one) for one in sums.latencies_ms.values()]
    found = estimate_quantile(values, np.repeat(np.arange(len(nums)), nums), LATENCY_LEVEL)
    return RatioEstimate(found.value, found.standard_error**2, found.num_users)


def _check_users(num_users: int, min_users: int) -> None:
    if num_users < min_users:
        raise TooFewUsers(f"{num_users} users; {min_users} are needed")
