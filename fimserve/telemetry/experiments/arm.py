"""One arm of an experiment: how requests of its users are served, where not as usual.

Everything that is None is left as it is in production; an arm of Nones is production. The values
are plain: what they mean to an engine is the server's business.
"""

import math
from dataclasses import dataclass, fields

from fimserve.telemetry.errors import ExperimentError
from fimserve.telemetry.experiments.naming import check_name

__all__ = ["BASE", "Arm"]

BASE = "base"
"""Arm that events name where an arm could not be served and production was: no arm is called so."""

MAX_DELAY_MS = 5_000.0
"""Nobody waits longer for grey text; a delay arm prices hundreds of milliseconds."""
ORDERS = ("auto", "psm", "spm", "middle-increment")

_RANGES: dict[str, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "delay_ms": (0.0, MAX_DELAY_MS),
    "max_snippets": (0, 1_000),
    "max_prefix_chars": (1, 10_000_000),
    "max_suffix_chars": (0, 10_000_000),
    "max_tokens": (1, 100_000),
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "min_p": (0.0, 1.0),
}
"""Smallest and largest value."""
_WHOLE = ("max_snippets", "max_prefix_chars", "max_suffix_chars", "max_tokens", "top_k")
_FLAGS = ("multiline", "trim", "heal", "speculate")


@dataclass(frozen=True, slots=True)
class Arm:
    """How the users of one arm are served. Valid once made: else ExperimentError."""

    name: str
    """Its name in events, the log and reports."""
    share: float
    """Part of the experiment's users, 0 to 1."""
    adapter: str | None = None
    """LoRA adapter; None serves the model as it is."""
    delay_ms: float | None = None
    """Time that the answer is held back: prices latency, so that a better but slower arm can be
    judged on the same scale."""

    order: str | None = None
    """Prompt: order of its parts."""
    max_snippets: int | None = None
    """Prompt: most pieces of other files."""
    max_prefix_chars: int | None = None
    """Prompt: most characters before the cursor, the nearest ones."""
    max_suffix_chars: int | None = None
    """Prompt: most characters behind it."""
    heal: bool | None = None
    """Prompt: whether a split token may be finished."""

    max_tokens: int | None = None
    """Decoding: longest completion, where the client did not ask for a shorter one."""
    multiline: bool | None = None
    """Decoding: whether several lines may be written."""
    temperature: float | None = None
    """Decoding: 0 is the likeliest text."""
    top_p: float | None = None
    """Decoding: share of probability to sample from."""
    top_k: int | None = None
    """Decoding: candidates; 0 for all."""
    min_p: float | None = None
    """Decoding: least probability, as a share of the likeliest one's."""
    trim: bool | None = None
    """Decoding: whether text is left out that stands behind the cursor already."""
    speculate: bool | None = None
    """Decoding: whether tokens are guessed ahead."""

    def __post_init__(self) -> None:
        check_name("an arm's name", self.name)
        if self.name == BASE:
            raise ExperimentError(f"an arm is called {BASE!r}, which events say of fallbacks")
        for name, (least, most) in _RANGES.items():
            self._check_number(name, least, most)
        for name in _FLAGS:
            if not isinstance(value := getattr(self, name), bool | None):
                raise ExperimentError(f"arm {self.name}: {name} is {value!r}; use true or false")
        if self.order not in (None, *ORDERS):
            raise ExperimentError(
                f"arm {self.name}: order is {self.order!r}; use one of {', '.join(ORDERS)}"
            )
        if self.adapter is not None and (not isinstance(self.adapter, str) or not self.adapter):
            raise ExperimentError(f"arm {self.name}: adapter is {self.adapter!r}; use a name")

    @property
    def changes(self) -> frozenset[str]:
        """Names of what differs from production."""
        return frozenset(name for name in CHANGES if getattr(self, name) is not None)

    def to_json(self) -> dict[str, object]:
        """Return the fields that are there."""
        names = ("name", "share", *CHANGES)
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _check_number(self, name: str, least: float, most: float) -> None:
        value = getattr(self, name)
        if value is None and name != "share":
            return
        kinds = (int,) if name in _WHOLE else (int, float)
        is_number = type(value) in kinds and math.isfinite(value)
        if not is_number or not least <= value <= most:
            noun = "a whole number" if name in _WHOLE else "a number"
            raise ExperimentError(
                f"arm {self.name}: {name} is {value!r}; use {noun} from {least:g} to {most:g}"
            )


CHANGES = tuple(one.name for one in fields(Arm) if one.name not in ("name", "share"))
"""Fields that say what an arm changes."""
