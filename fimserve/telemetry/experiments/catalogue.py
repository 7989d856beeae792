"""All that runs at one moment, and who is in what: pure functions of a user and this state.

Immutable, and made anew when something changes. Neither a clock nor a database is asked when a
request comes: the same user gets the same arm from every process that has the same state.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fimserve.telemetry.experiments.arm import BASE, Arm
from fimserve.telemetry.experiments.bucket import find_bucket
from fimserve.telemetry.experiments.experiment import Experiment
from fimserve.telemetry.experiments.naming import JOINT
from fimserve.telemetry.experiments.plan import count_buckets

__all__ = ["HOLDOUT", "Assignment", "Catalogue", "Membership"]

HOLDOUT = "holdout"
"""Experiment and arm that events name for users who are kept out of all experiments."""

HASH_CHARS = 32
HASH = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place in one experiment."""

    experiment: str
    arm: Arm
    """What was assigned."""
    is_stopped: bool
    """Whether the arm was stopped: its users get production."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A user's places in all experiments, one a layer, and how events say it."""

    user_hash: str
    memberships: tuple[Membership, ...]
    """Ordered by layer; none in the holdout."""

    @property
    def experiment(self) -> str:
        """Names of the experiments, joined."""
        return JOINT.join(one.experiment for one in self.memberships) or HOLDOUT

    @property
    def assigned_arm(self) -> str:
        """Names of the arms, in the same order."""
        return JOINT.join(one.arm.name for one in self.memberships) or HOLDOUT

    @property
    def served_arm(self) -> str:
        """Names of what is served instead: base for arms that are stopped."""
        names = (BASE if one.is_stopped else one.arm.name for one in self.memberships)
        return JOINT.join(names) or HOLDOUT


class Catalogue:
    """Answers who is in what.

    Args:
        secret: Key of everything that must stay the same for ever: users' hashes, layers, holdout.
        experiments: All that are known; those that do not run are left aside.
        holdout: Part of the users that is kept out of all of them.
    """

    def __init__(
        self, secret: str = "", experiments: Sequence[Experiment] = (), holdout: float = 0.0
    ) -> None:
        self._secret = secret
        self.experiments = tuple(experiments)
        self._num_held_out = count_buckets(holdout)
        layers: dict[str, list[Experiment]] = {}
        for one in experiments:
            if one.state == "running":
                layers.setdefault(one.plan.layer, []).append(one)
        self._layers = [(f"{secret}:layer:{name}", layers[name]) for name in sorted(layers)]

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, so that nobody needs to be asked about."""
        return not self._layers

    @property
    def running(self) -> list[Experiment]:
        """The experiments that run."""
        return [one for _, layer in self._layers for one in layer]

    def hash_user(self, tenant: str, user: str) -> str:
        """Return what stands for a user in events.

        Args:
            tenant: Whose user it is: the same name elsewhere is somebody else.
            user: How the client names him; what is a hash already, 16 to 64 lower-case
                hexadecimal digits, stays as it is, so that a client can keep the name to itself.

        Returns:
            Hexadecimal digits.
        """
        if HASH.fullmatch(user):
            return user
        named = f"{tenant}\n{user}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(f"{self._secret}:user".encode(), named, hashlib.sha256)
        return digest.hex()[:HASH_CHARS]

    def assign(
        self, user_hash: str, tenant: str, language: str | None, editor: str | None
    ) -> Assignment | None:
        """Return what a user is in; None where it is nothing.

        Args:
            user_hash: The user.
            tenant: Whose request it is.
            language: Language of the document, where it is known.
            editor: Name of the editor, where it is known.

        Returns:
            The same for the same user as long as the experiments that concern such requests stay.
        """
        if self.is_idle:
            return None
        if find_bucket(f"{self._secret}:holdout", user_hash) < self._num_held_out:
            return Assignment(user_hash, ())
        found = []
        for salt, layer in self._layers:
            bucket = find_bucket(salt, user_hash)
            for one in layer:
                if one.owns(bucket) and one.concerns(tenant, language, editor):
                    arm = one.arm_of(user_hash)
                    if arm is not None:
                        found.append(Membership(one.name, arm, arm.name in one.stopped_arms))
        return Assignment(user_hash, tuple(found)) if found else None
