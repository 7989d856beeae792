"""Stops an arm that does worse than the first one by more than its experiment allows.

Looked at again and again: what it goes by holds at all looks together. Reads events and writes the
registry; several services may do it at once.
"""

import logging
from collections.abc import Iterable

from fimserve.telemetry.database import Database
from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.arm_sums import read_arm_sums
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.registry import ExperimentRegistry

__all__ = ["Guard"]

logger = logging.getLogger(__name__)


class Guard:
    """Looks after the arms of running experiments.

    Args:
        database: Where the events are.
        registry: Where an arm is stopped.
    """

    def __init__(self, database: Database, registry: ExperimentRegistry) -> None:
        self._database = database
        self._registry = registry

    def look(self, running: Iterable[Experiment]) -> list[tuple[str, str]]:
        """Compare arms and stop those that break a limit.

        Args:
            running: The experiments that run.

        Returns:
            Experiment and arm of each that was stopped now.
        """
        stopped = []
        for one in running:
            if not one.plan.guardrails.is_any:
                continue
            for arm, reason in self._find_breaches(one):
                logger.warning("experiment %s: arm %s is stopped: %s", one.name, arm, reason)
                try:
                    self._registry.stop_arm(one.name, arm, f"guardrail: {reason}")
                except ExperimentError as error:  # an operator stopped it meanwhile
                    logger.info("experiment %s: %s", one.name, error)
                    continue
                stopped.append((one.name, arm))
        return stopped

    def _find_breaches(self, one: Experiment) -> list[tuple[str, str]]:
        # Brings scipy and a library of data frames, which a service without guardrails never needs.
        from fimserve.telemetry.experiments.breach import find_breach

        sums = read_arm_sums(self._database, one)
        control, *others = (arm.name for arm in one.plan.arms)
        if control not in sums:
            return []
        checked = [name for name in others if name in sums and name not in one.stopped_arms]
        found = [
            (name, find_breach(one.plan.guardrails, sums[control], sums[name], len(one.plan.arms)))
            for name in checked
        ]
        return [(name, reason) for name, reason in found if reason is not None]
