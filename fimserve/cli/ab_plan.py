"""`fimserve ab plan`: how many users and days it takes, told by what users did lately."""

import json
from typing import Annotated, Any

import typer

from fimserve.cli.ab_measure import AsJson, Config, Url, now_ms, open_database
from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["plan"]

DAY_MS = 86_400_000


def plan(
    lift: Annotated[
        float, typer.Option(help="Relative difference that is worth finding: 0.03 is 3 %.")
    ] = 0.03,
    metric: Annotated[str, typer.Option(help="Metric that is to decide.")] = "retained_chars",
    days: Annotated[int, typer.Option(min=1, help="Days of history to go by.")] = 14,
    past_days: Annotated[
        int, typer.Option(min=0, help="Days before those, to plan for CUPED; 0: without.")
    ] = 14,
    share: Annotated[
        float, typer.Option(min=0.0001, max=1.0, help="Share of the users that will take part.")
    ] = 1.0,
    ratio: Annotated[
        float, typer.Option(min=0.01, max=100.0, help="Users of the treatment per user of control.")
    ] = 1.0,
    power: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Probability of finding the difference.")
    ] = 0.8,
    alpha: Annotated[
        float,
        typer.Option(min=0.0001, max=0.2, help="Probability of finding one that is not there."),
    ] = 0.05,
    as_json: AsJson = False,
    url: Url = None,
    config: Config = None,
) -> None:
    """Say how many users and days it takes to find a difference of a given size."""
    from fimserve.telemetry.metrics import METRICS, Window, measure
    from fimserve.telemetry.metrics.definitions import find_metric
    from fimserve.telemetry.metrics.window import ALL
    from fimserve.telemetry.statistics import StatisticsError, plan_experiment

    if metric not in {one.name for one in METRICS}:
        names = ", ".join(one.name for one in METRICS)
        raise UsageFailure(f"--metric is {metric!r}; use one of {names}")
    now = now_ms()
    with open_database(url, config) as database:
        users = measure(database, Window(now - days * DAY_MS, now, now, None, past_days)).users
    num_seen = users.count(ALL)
    history = users.sums(ALL, find_metric(metric))
    try:
        found = plan_experiment(
            history,
            lift,
            alpha=alpha,
            power=power,
            treatment_by_control=ratio,
            # As many users as the history has come in as many days; more days bring new ones, and
            # nobody knows how many.
            users_per_day=share * num_seen / days if num_seen else None,
        )
    except StatisticsError as error:
        raise Failure(f"no plan can be made: {error}") from None
    told = {"metric": metric, "history_users": num_seen, "history_days": days, **found._asdict()}
    if as_json:
        print(json.dumps(told))
    else:
        _print_plan(told)


def _print_plan(told: dict[str, Any]) -> None:
    print(f"{told['metric']}: {told['baseline']:.4g} of {told['history_users']} users in "
          f"{told['history_days']} days")  # fmt: skip
    print(f"a lift of {told['lift']:+.1%} takes, users of both arms together:")
    for title, users, days in (
        ("one look at the end", told["num_users"], told["num_days"]),
        ("any look, confidence sequence", told["num_users_anytime"], told["num_days_anytime"]),
    ):
        print(f"  {title:30} {users:>9}   about {days} days")
    print("days are whole weeks and two at least, at the rate at which different users came lately")
