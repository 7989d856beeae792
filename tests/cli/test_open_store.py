"""Where events go when the service starts, and what happens where they cannot go there."""

import logging
from pathlib import Path

import pytest

from fimserve.cli.failure import Failure
from fimserve.cli.serve import open_store
from fimserve.telemetry import TelemetrySettings


def test_without_a_place_for_the_default_file_the_service_starts_without_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert open_store(TelemetrySettings()) is None
    assert "events are not stored" in caplog.text


def test_a_place_that_was_asked_for_and_cannot_be_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match=r"\[telemetry\]"):
        open_store(TelemetrySettings(url=f"sqlite:///{tmp_path}/file/events.db"))


def test_events_that_are_off_have_no_store() -> None:
    assert open_store(TelemetrySettings(url="off")) is None
