"""`fimserve mine` as a user calls it: mine, look, score, rank; and what it refuses."""

from pathlib import Path

import pytest

from support.mined import MineDesk


@pytest.fixture
def desk(tmp_path: Path) -> MineDesk:
    return MineDesk(tmp_path)
