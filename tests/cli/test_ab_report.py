"""`fimserve ab report` and `plan` on a planted experiment: table, JSON, page, mistakes."""

import json
from pathlib import Path

import pytest

from fimeval.bench.planted import plant_experiments
from support.cli import CommandLine


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of a database with an experiment that was stopped after 15 days."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ab')}/events.db"
    plant_experiments(url)
    return url


def test_the_report_says_what_may_be_concluded(fimserve: CommandLine, url: str) -> None:
    outcome = fimserve("ab", "report", "demo", "--url", url)
    assert outcome.exit_code == 0
    told = " ".join(outcome.stdout.split())
    assert "ours against control: retained characters per active day is higher" in told
    assert "CPR must not be compared by itself" in told


def test_json_and_page_hold_the_same_report(fimserve: CommandLine, url: str) -> None:
    outcome = fimserve("ab", "report", "demo", "--json", "--html", "report.html", "--url", url)
    report = json.loads(outcome.stdout)
    assert [arm["name"] for arm in report["arms"]] == ["control", "ours"]
    assert sum(arm["num_users"] for arm in report["arms"]) > 240
    assert not report["checks"]["is_mismatch"]
    assert not report["is_running"]
    car = next(row for row in report["metrics"] if row["metric"] == "car")
    assert car["fixed"][0] > 0
    assert {row["level"] for row in report["latencies"]} == {0.5, 0.75, 0.9, 0.95, 0.99}
    page = Path("report.html").read_text()
    assert f"{car['control']:.2%}" in page


def test_arms_may_be_given_where_the_registry_knows_none(fimserve: CommandLine, url: str) -> None:
    arms = ("--arm", "control=1", "--arm", "ours=9", "--since", "2020-01-01")
    report = json.loads(fimserve("ab", "report", "demo", *arms, "--json", "--url", url).stdout)
    assert report["checks"]["is_mismatch"]
    assert report["statements"][0]["level"] == "stop"


def test_a_plan_is_made_from_what_users_did(fimserve: CommandLine, url: str) -> None:
    common = ("ab", "plan", "--metric", "car", "--past-days", 0, "--url", url)
    small, large = (
        json.loads(fimserve(*common, "--json", "--lift", lift).stdout) for lift in (0.05, 0.2)
    )
    assert small["num_users"] > 10 * large["num_users"]
    assert small["num_days"] % 7 == 0
    assert "one look at the end" in fimserve(*common).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "nothing"], "there are: demo, draft"),
        (["report", "draft"], "nobody has been in it yet"),
        (["report", "demo", "--primary", "joy"], "use one of retained_chars"),
        (["report", "demo", "--since", "soon"], "2026-01-31"),
        (["report", "demo", "--since", "2999-01-01"], "not after the beginning"),
        (["report", "demo", "--arm", "control", "--since", "2026-01-31"], "NAME=SHARE"),
        (["report", "demo", "--arm", "control=1"], "--arm needs --since"),
        (["report", "demo", "--html", "no/such/place.html"], "cannot write"),
        (["plan", "--metric", "joy"], "use one of"),
        (["plan", "--lift", "0"], "lift is 0"),
    ],
)
def test_mistakes_are_explained(
    fimserve: CommandLine, url: str, arguments: list[str], words: str
) -> None:
    outcome = fimserve("ab", *arguments, "--url", url)
    assert outcome.exit_code in (1, 2)
    assert words in outcome.stderr
