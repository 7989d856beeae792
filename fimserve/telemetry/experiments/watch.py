"""What a service knows of experiments: read again and again, the last known state when it cannot.

Whoever answers a request looks at `catalogue`, a plain attribute: no lock, no database, no wait.
The thread behind it notices within `refresh_s` what `fimserve ab` has done. While the database is
away everything goes on as it was last known, for a service that starts then too.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from fimserve.telemetry.database import Database, DatabaseAway
from fimserve.telemetry.errors import ExperimentError, TelemetryError
from fimserve.telemetry.experiments.catalogue import Catalogue
from fimserve.telemetry.experiments.guard import Guard
from fimserve.telemetry.experiments.plan import Plan, parse_plan
from fimserve.telemetry.experiments.registry import ExperimentRegistry, Registered
from fimserve.telemetry.experiments.settings import ExperimentSettings
from fimserve.telemetry.experiments.snapshot import Snapshot
from fimserve.telemetry.location import find_location
from fimserve.telemetry.settings import TelemetrySettings

__all__ = ["ExperimentWatch", "open_experiments"]

logger = logging.getLogger(__name__)

OnChange = Callable[[Catalogue], None]


def open_experiments(
    telemetry: TelemetrySettings, settings: ExperimentSettings
) -> "ExperimentWatch | None":
    """Return the experiments beside the events that settings describe.

    A database that is away is no obstacle. Raises ExperimentError where an experiment of the
    settings cannot be, and what opening the event store raises.

    Args:
        telemetry: Where events are.
        settings: Experiments of the settings file, and how often to look.

    Returns:
        The watch; None where events are switched off, and experiments with them.

    Raises:
        ExperimentError: If the settings describe experiments that nobody could decide by.
    """
    plans = [parse_plan(one) for one in settings.start]
    if not telemetry.is_on:
        if plans:
            raise ExperimentError("experiments need events, and [telemetry] url is off")
        return None
    location = find_location(telemetry)
    snapshot = Snapshot(location.spool.with_name(f"{location.spool.name}.experiments"))
    return ExperimentWatch(Database(location), snapshot, settings, plans)


class ExperimentWatch:
    """Follows the experiments of one database.

    Args:
        database: The database, of the watch alone.
        snapshot: Where the last known state is kept.
        settings: How often to look, and the holdout.
        plans: What is to be started where it is not known.
    """

    def __init__(
        self,
        database: Database,
        snapshot: Snapshot,
        settings: ExperimentSettings,
        plans: Sequence[Plan] = (),
    ) -> None:
        self._database = database
        self._registry = ExperimentRegistry(database)
        self._snapshot = snapshot
        self._settings = settings
        self._plans = list(plans)
        self._guard = Guard(database, self._registry)
        self._known: Registered | None = None
        self._is_prepared = False
        self._is_away = False
        self._on_change: OnChange | None = None
        self.catalogue = Catalogue()
        """What holds at this moment."""
        self._look_first()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._run, name="experiments", daemon=True)]
        if settings.guard_s:
            guard = threading.Thread(target=self._run_guard, name="experiments-guard", daemon=True)
            self._threads.append(guard)
        for thread in self._threads:
            thread.start()

    def follow(self, on_change: OnChange) -> None:
        """Have a function called with the state, now and whenever it changes.

        Args:
            on_change: Called on the watch's thread; what it raises is logged.
        """
        self._on_change = on_change
        self._tell()

    def close(self) -> None:
        """End the threads and let go of the database."""
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._database.drop_connections()

    def _look_first(self) -> None:
        try:
            self._look()
        except TelemetryError:
            self._database.drop_connections()
            raise
        except DatabaseAway as error:
            self._is_away = True
            known = self._snapshot.load()
            logger.warning(
                "the database of experiments is away, %s: %s",
                "nobody is in one" if known is None else "they go on as last known",
                error,
            )
            if known is not None:
                self._take(known)

    def _run(self) -> None:
        while not self._closing.wait(self._settings.refresh_s):
            try:
                self._look()
            except DatabaseAway as error:
                if not self._is_away:
                    logger.warning("experiments go on as last known: %s", error)
                self._is_away = True
            except Exception:
                # Completions do not wait for this thread, and the next look may do better.
                logger.exception("looking at experiments failed; they go on as last known")
            else:
                if self._is_away:
                    logger.warning("the database of experiments is back")
                self._is_away = False

    def _run_guard(self) -> None:
        while not self._closing.wait(self._settings.guard_s):
            try:
                self._guard.look(self.catalogue.running)
            except (DatabaseAway, TelemetryError) as error:
                logger.warning("the guardrails were not looked at: %s", error)
            except Exception:
                logger.exception("looking at the guardrails failed")

    def _look(self) -> None:
        if not self._is_prepared:
            self._database.prepare()
            self._is_prepared = True
        while self._plans:
            self._registry.ensure(self._plans[0])
            self._plans.pop(0)
        known = self._registry.read()
        if known != self._known:
            self._take(known)
            self._snapshot.save(known)

    def _take(self, known: Registered) -> None:
        self._known = known
        self.catalogue = Catalogue(known.secret, known.experiments, self._settings.holdout)
        logger.info("experiments that run: %s", _name_all(self.catalogue))
        self._tell()

    def _tell(self) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(self.catalogue)
        except Exception:
            logger.exception("a change of experiments was not followed")


def _name_all(catalogue: Catalogue) -> str:
    return ", ".join(one.name for one in catalogue.running) or "none"
