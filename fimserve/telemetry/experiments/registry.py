"""The experiments in the database: what `fimserve ab` writes and services read.

Each change is one transaction that reads before it writes, so that two operators at once cannot
give the same buckets away. Works beside running services; nothing here is told to them, they look.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, text, update

from fimserve.telemetry.database import Database, DatabaseAway
from fimserve.telemetry.errors import ExperimentError, StoreUnavailable
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.layers import find_room
from fimserve.telemetry.experiments.plan import Plan
from fimserve.telemetry.location import find_location
from fimserve.telemetry.retention import now_unix_ms
from fimserve.telemetry.settings import TelemetrySettings
from fimserve.telemetry.tables import EXPERIMENT_SECRETS, EXPERIMENTS

__all__ = ["ExperimentRegistry", "Registered", "open_registry"]

USERS = "users"
"""Name of the one secret."""
ADVISORY_LOCK = 0x66696D5F6162
"""Any number that no other program uses."""


class Registered(NamedTuple):
    """All that the database knows of experiments."""

    secret: str
    """Key of users' hashes and of layers."""
    experiments: tuple[Experiment, ...]
    """Oldest first."""


class ExperimentRegistry:
    """Reads and changes experiments. Every method may raise DatabaseAway.

    Args:
        database: The database, its tables at the newest version.
        clock_ms: Unix time in milliseconds.
    """

    def __init__(self, database: Database, clock_ms: Callable[[], int] = now_unix_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    def read(self) -> Registered:
        """Return everything; makes the secret where there is none."""
        with self._database.read() as connection:
            secret, experiments = _read_secret(connection), _read_all(connection)
        if secret is None:
            with self._begin() as connection:
                secret = _read_secret(connection)
                if secret is None:
                    secret = secrets.token_hex(32)
                    connection.execute(insert(EXPERIMENT_SECRETS), {"name": USERS, "value": secret})
        return Registered(secret, tuple(experiments))

    def create(self, plan: Plan) -> Experiment:
        """Store a draft.

        Args:
            plan: What it is meant to be.

        Returns:
            The draft.

        Raises:
            ExperimentError: If its name was used before.
        """
        made = Experiment(plan, secrets.token_hex(16), self._clock_ms())
        with self._begin() as connection:
            if _read_one(connection, plan.name) is not None:
                raise ExperimentError(
                    f"{plan.name} is there already; choose another name, events know it by it"
                )
            connection.execute(insert(EXPERIMENTS), _to_row(made))
        return made

    def start(self, name: str) -> Experiment:
        """Start a draft.

        Args:
            name: The experiment.

        Returns:
            The running experiment; ExperimentError where it is no draft or has no room.
        """

        def change(one: Experiment, all_: Sequence[Experiment]) -> Experiment:
            running = [other for other in all_ if other.state == "running" and other.name != name]
            room = find_room(one.plan, running) if one.state == "draft" else []
            return one.start(room, self._clock_ms())

        return self._change(name, change)

    def stop(self, name: str, reason: str) -> Experiment:
        """Stop an experiment: the kill switch; all its users get production.

        Args:
            name: The experiment.
            reason: Why; shown in lists and reports.

        Returns:
            The stopped experiment; ExperimentError where it does not run.
        """
        return self._change(name, lambda one, _: one.stop(reason, self._clock_ms()))

    def stop_arm(self, name: str, arm: str, reason: str) -> Experiment:
        """Stop one arm; its users get production and stay in the experiment's count.

        Args:
            name: The experiment.
            arm: The arm.
            reason: Why.

        Returns:
            The experiment; ExperimentError where it does not run or has no such arm.
        """
        return self._change(name, lambda one, _: one.stop_arm(arm, reason, self._clock_ms()))

    def ensure(self, plan: Plan) -> Experiment:
        """Start an experiment of a settings file unless it is known; a known one stays as it is.

        So a restart neither starts anew what was stopped nor changes what runs.

        Args:
            plan: The plan of the file.

        Returns:
            The experiment.

        Raises:
            ExperimentError: If it runs, or has run, by another plan, or cannot be started.
        """
        try:
            known = self.create(plan)
        except ExperimentError:
            known = next(one for one in self.read().experiments if one.name == plan.name)
        if known.plan != plan:
            raise ExperimentError(
                f"{plan.name} is {known.state} by another plan, and a plan does not change once it "
                "is there; give the new one another name"
            )
        return self.start(plan.name) if known.state == "draft" else known

    def _change(
        self, name: str, change: Callable[[Experiment, Sequence[Experiment]], Experiment]
    ) -> Experiment:
        with self._begin() as connection:
            experiments = _read_all(connection)
            one = next((found for found in experiments if found.name == name), None)
            if one is None:
                raise ExperimentError(_describe_unknown(name, experiments))
            changed = change(one, experiments)
            row = _to_row(changed)
            connection.execute(update(EXPERIMENTS).where(EXPERIMENTS.c.name == name).values(row))
        return changed

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._database.begin() as connection:
            if connection.dialect.name == "postgresql":
                # SQLite has one writer anyway.
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK}
                )
            yield connection


@contextmanager
def open_registry(settings: TelemetrySettings) -> Iterator[ExperimentRegistry]:
    """Open the registry beside the events that settings describe, for the length of a `with` block.

    Args:
        settings: Settings that are not switched off.

    Yields:
        ExperimentRegistry: The registry.

    Raises:
        StoreUnavailable: If the database is away.
    """
    database = Database(find_location(settings))
    try:
        database.prepare()
        yield ExperimentRegistry(database)
    except DatabaseAway as error:
        raise StoreUnavailable(f"the event database is away: {error}") from None
    finally:
        database.drop_connections()


def _read_secret(connection: Connection) -> str | None:
    query = select(EXPERIMENT_SECRETS.c.value).where(EXPERIMENT_SECRETS.c.name == USERS)
    return connection.scalar(query)


def _read_all(connection: Connection) -> list[Experiment]:
    query = select(EXPERIMENTS).order_by(EXPERIMENTS.c.created_ms, EXPERIMENTS.c.name)
    return [_from_row(dict(row)) for row in connection.execute(query).mappings()]


def _read_one(connection: Connection, name: str) -> Experiment | None:
    return next((one for one in _read_all(connection) if one.name == name), None)


def _describe_unknown(name: str, experiments: Sequence[Experiment]) -> str:
    names = ", ".join(one.name for one in experiments)
    return f"there is no experiment {name!r}; " + (f"known: {names}" if names else "there is none")


def _to_row(one: Experiment) -> dict[str, Any]:
    told = one.to_json()
    row = {"name": one.name, **{name: told[name] for name in _SCALARS}}
    return row | {name: json.dumps(told[name], sort_keys=True) for name in _OBJECTS}


def _from_row(row: dict[str, Any]) -> Experiment:
    return Experiment.from_json(
        {name: row[name] for name in _SCALARS} | {name: json.loads(row[name]) for name in _OBJECTS}
    )


_SCALARS = ("state", "salt", "created_ms", "started_ms", "stopped_ms", "reason")
_OBJECTS = ("plan", "buckets", "stopped_arms")
