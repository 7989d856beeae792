"""One experiment: its plan, and what has become of it so far.

Immutable: each change makes another one, which the registry stores. Knows no clock and no
database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeAlias

from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.arm import Arm
from fimserve.telemetry.experiments.bucket import find_bucket
from fimserve.telemetry.experiments.plan import Plan, count_buckets, parse_plan

__all__ = ["ArmStop", "BucketRange", "Experiment", "State"]

State: TypeAlias = Literal["draft", "running", "stopped"]
"""draft: nobody is in it yet; running; stopped: for good, so that results stay what they are."""


class BucketRange(NamedTuple):
    """Buckets of a layer: from `start`, up to but not with `end`."""

    start: int
    end: int


class ArmStop(NamedTuple):
    """Why one arm is not served any more."""

    at_ms: int
    """Unix milliseconds."""
    reason: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """A plan and its state."""

    plan: Plan
    salt: str
    """Key of the split into arms; of the experiment alone, so that splits are independent."""
    created_ms: int
    """Unix milliseconds, as all times here."""
    state: State = "draft"
    started_ms: int | None = None
    stopped_ms: int | None = None
    reason: str | None = None
    """Why it was stopped."""
    buckets: tuple[BucketRange, ...] = ()
    """Buckets of the layer that are its own while it runs."""
    stopped_arms: Mapping[str, ArmStop] = field(default_factory=dict)
    """Arms whose users get production, by name."""

    @property
    def name(self) -> str:
        """Name of the plan."""
        return self.plan.name

    def concerns(self, tenant: str, language: str | None, editor: str | None) -> bool:
        """Return whether the experiment is about such requests.

        Args:
            tenant: Whose request it is.
            language: Language of the document; None where it is not known.
            editor: Name of the editor, likewise.

        Returns:
            Whether it is; what is not known fits no target.
        """
        plan = self.plan
        return (
            (not plan.tenants or tenant in plan.tenants)
            and (not plan.languages or language in plan.languages)
            and (not plan.editors or editor in plan.editors)
        )

    def owns(self, bucket: int) -> bool:
        """Return whether a bucket of the layer is the experiment's: the base flag."""
        return any(start <= bucket < end for start, end in self.buckets)

    def arm_of(self, user_hash: str) -> Arm | None:
        """Return the arm of a user whom the base flag let in; None for the part that has none.

        Args:
            user_hash: The user.

        Returns:
            The arm that is assigned, stopped or not.
        """
        bucket = find_bucket(self.salt, user_hash)
        end = 0
        for arm in self.plan.arms:
            end += count_buckets(arm.share)
            if bucket < end:
                return arm
        return None

    def start(self, buckets: Sequence[BucketRange], now_ms: int) -> "Experiment":
        """Return the experiment as it begins.

        Args:
            buckets: Buckets of its layer that are free.
            now_ms: The time.

        Returns:
            The running experiment.

        Raises:
            ExperimentError: If it was started before.
        """
        if self.state != "draft":
            raise ExperimentError(
                f"{self.name} is {self.state}; only a draft can be started, and what was stopped "
                "goes on under another name"
            )
        return replace(self, state="running", started_ms=now_ms, buckets=tuple(buckets))

    def stop(self, reason: str, now_ms: int) -> "Experiment":
        """Return the experiment as it ends: all its users get production.

        Args:
            reason: Why.
            now_ms: The time.

        Returns:
            The stopped experiment.

        Raises:
            ExperimentError: If it does not run.
        """
        if self.state != "running":
            raise ExperimentError(f"{self.name} is {self.state}; there is nothing to stop")
        return replace(self, state="stopped", stopped_ms=now_ms, reason=reason)

    def stop_arm(self, name: str, reason: str, now_ms: int) -> "Experiment":
        """Return the experiment with one arm stopped: its users get production, and stay its own.

        Args:
            name: The arm.
            reason: Why.
            now_ms: The time.

        Returns:
            The experiment; the same where the arm is stopped already.

        Raises:
            ExperimentError: If it does not run or has no such arm.
        """
        if self.state != "running":
            raise ExperimentError(f"{self.name} is {self.state}; there is nothing to stop")
        names = [arm.name for arm in self.plan.arms]
        if name not in names:
            raise ExperimentError(f"{self.name} has no arm {name!r}; it has {', '.join(names)}")
        if name in self.stopped_arms:
            return self
        stops = {**self.stopped_arms, name: ArmStop(now_ms, reason)}
        return replace(self, stopped_arms=stops)

    def to_json(self) -> dict[str, object]:
        """Return all of it, for a file or a program."""
        return {
            "plan": self.plan.to_json(),
            "state": self.state,
            "salt": self.salt,
            "created_ms": self.created_ms,
            "started_ms": self.started_ms,
            "stopped_ms": self.stopped_ms,
            "reason": self.reason,
            "buckets": [list(one) for one in self.buckets],
            "stopped_arms": {name: list(stop) for name, stop in self.stopped_arms.items()},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Experiment":
        """Return what `to_json` told; ExperimentError where its plan cannot be.

        Args:
            record: The object.

        Returns:
            The experiment.
        """
        told = dict(record)
        stops = {name: ArmStop(*stop) for name, stop in told.pop("stopped_arms").items()}
        buckets = tuple(BucketRange(*one) for one in told.pop("buckets"))
        return cls(plan=parse_plan(told.pop("plan")), buckets=buckets, stopped_arms=stops, **told)
