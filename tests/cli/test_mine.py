"""`fimserve mine` as a user calls it: mine, look, score, rank; and what it refuses."""

import json
from pathlib import Path

import pytest
from datasets import load_dataset

from fimserve.telemetry.event import Event
from fimserve.telemetry.settings import TelemetrySettings
from support.cli import CommandLine
from support.completions_server import CompletionsServer
from support.events import make_event
from support.mined import MineDesk


@pytest.fixture
def desk(tmp_path: Path) -> MineDesk:
    return MineDesk(tmp_path)
