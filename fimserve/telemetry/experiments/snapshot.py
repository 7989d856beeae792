"""The last known state of all experiments in a file, for a start while the database is away.

Without it such a start would give everybody production, and mix the arms of what runs. Holds the
key of users' hashes, so only its owner may read it.
"""

import json
import logging
import os
from pathlib import Path

from fimserve.telemetry.directories import make_directory
from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.registry import Registered

__all__ = ["Snapshot"]

logger = logging.getLogger(__name__)


class Snapshot:
    """Keeps what was last read from one database.

    Args:
        file: Where.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def save(self, known: Registered) -> None:
        """Write the file anew, whole or not at all; a disk that refuses is said in the log."""
        told = {
            "secret": known.secret,
            "experiments": [one.to_json() for one in known.experiments],
        }
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        try:
            make_directory(self._file.parent)
            with open(
                os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
            ) as out:
                json.dump(told, out)
            unfinished.replace(self._file)
        except OSError as error:
            logger.warning("the state of experiments was not kept: %s", error)

    def load(self) -> Registered | None:
        """Return what was written last; None where nothing was, or nothing can be read."""
        try:
            told = json.loads(self._file.read_text())
            experiments = tuple(Experiment.from_json(one) for one in told["experiments"])
            return Registered(str(told["secret"]), experiments)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, ExperimentError) as error:
            logger.warning("the kept state of experiments cannot be read: %s", error)
            return None
