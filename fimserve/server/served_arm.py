"""What a request got from an experiment: for its log line, its headers and its events."""

from dataclasses import dataclass

from fimserve.telemetry.experiments import BASE, JOINT

__all__ = ["HEADERS", "ServedArm"]

HEADERS = (
    "x-fimserve-experiment",
    "x-fimserve-arm",
    "x-fimserve-assigned-arm",
    "x-fimserve-user-hash",
)
"""Headers of an answer that an experiment decided; a client repeats their values in its events."""


@dataclass(slots=True)
class ServedArm:
    """One user's place in what runs, and what came of it in one request."""

    experiment: str
    arm: str
    """What was served."""
    assigned_arm: str
    user_hash: str
    adapter: str | None = None
    """LoRA adapter that wrote the completion."""
    delay_ms: float = 0.0
    """Time that the answer is held back."""

    def fall_back(self) -> None:
        """Note that the arm could not be served and production was."""
        self.arm = JOINT.join([BASE] * len(self.assigned_arm.split(JOINT)))
        self.adapter = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        values = (self.experiment, self.arm, self.assigned_arm, self.user_hash)
        return dict(zip(HEADERS, values, strict=True))
