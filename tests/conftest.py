"""What holds for every test: nothing is written into the home directory, no property is timed."""

import os
from collections.abc import Iterator
from pathlib import Path

# Where there is no GPU, Triton's interpreter runs the kernels. It is chosen when kernels are
# imported, and any test may be the first to import what imports them.
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"

import hypothesis
import pytest

# Tests check behaviour; how long an example takes on a busy machine is none.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let services started without settings keep their state in a temporary directory."""
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    yield
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before
