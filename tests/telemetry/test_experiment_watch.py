"""Experiments in the database: changed by one process, followed by others, kept when it is away."""

import json
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fimserve.telemetry import StoreSettingsError, TelemetrySettings
from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments import ExperimentSettings, open_experiments
from support.experiments import HALVES, make_plan, open_registry_of, open_watch, wait_until
from support.postgres import Postgres


def test_what_is_stored_is_read_back_and_changes_are_refused(url: str) -> None:
    with open_registry_of(url) as registry:
        made = registry.create(make_plan())
        assert registry.read().experiments == (made,)
        with pytest.raises(ExperimentError, match="is there already"):
            registry.create(make_plan(share=0.5))
        started = registry.start("test")
        assert (started.state, started.buckets) == ("running", ((0, 10_000),))
        with pytest.raises(ExperimentError, match="only a draft"):
            registry.start("test")
        with pytest.raises(ExperimentError, match=r"where 0 is free [(]test 1[)]"):
            registry.ensure(make_plan("late"))
        registry.stop_arm("test", "ours", "too slow")
        stopped = registry.stop("test", "enough")
        assert registry.read().experiments[0] == stopped
        assert stopped.stopped_arms["ours"].reason == "too slow"
        with pytest.raises(ExperimentError, match="no experiment 'tset'; known: test, late"):
            registry.stop("tset", "x")
        registry.start("late")  # the room is free again


def test_two_operators_at_once_get_no_bucket_twice(url: str) -> None:
    plans = [make_plan(f"e{number}", share=0.3) for number in range(5)]

    def start(number: int) -> bool:
        with open_registry_of(url) as registry:
            try:
                registry.ensure(plans[number])
            except ExperimentError:
                return False
            return True

    with open_registry_of(url) as registry:
        secret = registry.read().secret
        with ThreadPoolExecutor(5) as pool:
            assert sum(pool.map(start, range(5))) == 3
        known = registry.read()
    assert known.secret == secret
    running = [one for one in known.experiments if one.state == "running"]
    owned = [b for one in running for start, end in one.buckets for b in range(start, end)]
    assert len(owned) == len(set(owned)) == 9_000


def test_a_service_follows_what_an_operator_does(url: str, tmp_path: Path) -> None:
    watch = open_watch(url, str(tmp_path / "spool"))
    try:
        assert watch.catalogue.is_idle
        with open_registry_of(url) as registry:
            registry.create(make_plan())
            registry.start("test")
            wait_until(lambda: not watch.catalogue.is_idle)
            registry.stop("test", "enough")
            wait_until(lambda: watch.catalogue.is_idle)
    finally:
        watch.close()


def test_experiments_of_the_settings_start_once_and_never_again(url: str, tmp_path: Path) -> None:
    spool = str(tmp_path / "spool")
    start = (make_plan().to_json(),)
    open_watch(url, spool, start=start).close()
    with open_registry_of(url) as registry:
        (one,) = registry.read().experiments
        assert one.state == "running"
        registry.stop("test", "enough")
        open_watch(url, spool, start=start).close()
        assert registry.read().experiments[0].state == "stopped"
    other = make_plan(arms=HALVES[:1]).to_json()
    with pytest.raises(ExperimentError, match="is stopped by another plan"):
        open_watch(url, spool, start=(other,))


def test_settings_that_cannot_be_are_refused() -> None:
    for values in ({"holdout": 0.9}, {"refresh_s": 0}, {"guard_s": -1}):
        with pytest.raises(StoreSettingsError):
            ExperimentSettings(**values)  # type: ignore[arg-type]
    start = (make_plan().to_json(),)
    with pytest.raises(ExperimentError, match="need events"):
        open_experiments(TelemetrySettings(url="off"), ExperimentSettings(start=start))
    assert open_experiments(TelemetrySettings(url="off"), ExperimentSettings()) is None


@pytest.mark.postgres
def test_a_database_that_goes_away_changes_nobody_s_arm(
    postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.make_database()
    spool = str(tmp_path / "spool")
    watch = open_watch(url, spool, start=(make_plan().to_json(),))
    before = watch.catalogue.assign("0" * 32, "local", None, None)
    postgres.stop()
    try:
        wait_until(lambda: "go on as last known" in caplog.text)
        assert watch.catalogue.assign("0" * 32, "local", None, None) == before
        late = open_watch(url, spool)  # a service that starts meanwhile
        assert late.catalogue.assign("0" * 32, "local", None, None) == before
        assert "they go on as last known" in caplog.text
        new = open_watch(url, str(tmp_path / "other"), start=(make_plan().to_json(),))
        assert new.catalogue.is_idle  # it never knew
    finally:
        postgres.start()
    with open_registry_of(url) as registry:
        registry.stop("test", "enough")
    for one in (watch, late, new):
        wait_until(lambda one=one: one.catalogue.experiments[:1] != () and one.catalogue.is_idle)  # type: ignore[misc]
        one.close()


def test_a_broken_snapshot_is_said_and_starts_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    spool = tmp_path / "spool"
    url = f"sqlite:///{directory}/events.db"
    open_watch(url, str(spool), start=(make_plan().to_json(),)).close()
    kept = tmp_path / "spool.experiments"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["experiments"][0]["state"] == "running"
    (directory / "events.db").write_bytes(b"not a database" * 100)
    kept.write_text('{"secret": "s", "experiments": [{}]}')
    with caplog.at_level(logging.WARNING):
        watch = open_watch(url, str(spool))
    assert watch.catalogue.is_idle
    assert "cannot be read" in caplog.text
    assert "nobody is in one" in caplog.text
    watch.close()
