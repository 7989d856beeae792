"""What the tests of the event store share: both databases, real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.postgres import Postgres, run_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Return a running PostgreSQL."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database; the test runs once on each sort."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/events.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.make_database()
