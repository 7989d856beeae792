"""Whether a request can be answered in time, from how fast the engine has been lately.

Refusing at once is kinder than answering late: the editor asks again at the next key. Knows nothing
of sequences; counts tokens and places.
"""

from __future__ import annotations

from dataclasses import dataclass

from fimserve.engine.errors import QueueFull

SMOOTHING = 0.1
"""Weight of the newest value in a running mean."""

NOTABLE = 1.5
"""A step with prompts tells what their tokens cost if it takes this many times one without."""


@dataclass(frozen=True, slots=True)
class Load:
    """Holds what a request finds before it."""

    num_waiting: int
    """Requests that wait and whose place it may not take."""
    num_ahead: int
    """Requests that wait and go first."""
    num_tokens_ahead: int
    """Tokens of prompts that are computed first."""
    num_running: int
    """Requests that hold a place."""
    num_places: int
    """Requests that can hold one at the same time."""
    num_decoding: int
    """Requests that take a token of each step."""


class Admission:
    """Refuses what would come too late.

    A step is taken to last as long as its tokens say, but never less than one without prompts:
    below a certain size, reading the weights is all that counts.

    Args:
        max_waiting: Requests that may wait; one more is refused.
        max_step_tokens: Tokens computed in one step.
    """

    def __init__(self, max_waiting: int, max_step_tokens: int) -> None:
        self._max_waiting = max_waiting
        self._max_step_tokens = max_step_tokens
        self._least_ms: float | None = None
        self._stay_ms: float | None = None
        self._sum_tokens_ms = 0.0
        self._sum_tokens_tokens = 0.0

    @property
    def ms_per_token(self) -> float:
        """Milliseconds that a token of a prompt takes in a full step; 0 before any was computed."""
        return self._sum_tokens_ms / self._sum_tokens_tokens if self._sum_tokens_tokens else 0.0

    @property
    def least_step_ms(self) -> float:
        """Milliseconds of a step without prompts; 0 before there was one."""
        return self._least_ms or 0.0

    def observe_step(self, num_tokens: int, has_prompts: bool, elapsed_ms: float) -> None:
        """Note what a step took.

        Args:
            num_tokens: Tokens in it, at least one.
            has_prompts: Whether there were pieces of prompts among them.
            elapsed_ms: Its time.
        """
        if not has_prompts:
            self._least_ms = _blend(self._least_ms, elapsed_ms)
            return
        if elapsed_ms < NOTABLE * self.least_step_ms:
            return  # reading the weights was all that counted
        # Large steps say best what a token costs; small ones must not make them forgotten.
        kept = 1 - SMOOTHING * min(1.0, num_tokens / self._max_step_tokens)
        self._sum_tokens_ms = kept * self._sum_tokens_ms + num_tokens * elapsed_ms
        self._sum_tokens_tokens = kept * self._sum_tokens_tokens + num_tokens**2

    def observe_stay(self, stay_ms: float) -> None:
        """Note for how long a request had a place."""
        self._stay_ms = _blend(self._stay_ms, stay_ms)

    def expect_ms(self, load: Load, num_tokens: int) -> float:
        """Return in how many milliseconds a request can have its first token.

        Args:
            load: What it finds before it.
            num_tokens: Tokens of its own prompt that must be computed.

        Returns:
            The time; 0 while nothing has been measured.
        """
        num_too_many = load.num_ahead + load.num_running - load.num_places + 1
        place_ms = max(0, num_too_many) * (self._stay_ms or 0.0) / max(1, load.num_places)
        alone_ms = self._compute_ms(num_tokens, load.num_decoding)
        together_ms = self._compute_ms(load.num_tokens_ahead + num_tokens, load.num_decoding)
        return max(place_ms + alone_ms, together_ms)

    def expect_step_ms(self, num_tokens: int) -> float:
        """Return the time of a step, or of several full ones, with so many tokens of prompts.

        Args:
            num_tokens: Tokens; 0 for a step in which everybody only writes.

        Returns:
            The time; 0 while nothing has been measured.
        """
        return max(self.least_step_ms, self._compute_ms(num_tokens, 0))

    def check(self, load: Load, num_tokens: int, deadline_in_ms: float | None) -> None:
        """Let a request in, or refuse it.

        Args:
            load: What it finds before it.
            num_tokens: Tokens of its own prompt that must be computed.
            deadline_in_ms: Milliseconds left until its deadline; None where it has none.

        Raises:
            QueueFull: If too many wait, or its first token would come after its deadline.
        """
        if load.num_waiting >= self._max_waiting:
            raise QueueFull(
                f"{load.num_waiting} requests wait; the limit is {self._max_waiting}",
                retry_after_ms=max(self.expect_ms(load, 0), 1.0),
            )
        if deadline_in_ms is None:
            return
        has_place = load.num_ahead + load.num_running < load.num_places
        is_free = has_place and not load.num_tokens_ahead
        if is_free and deadline_in_ms > 0:
            # An engine with nothing else to do always tries: it measures anew, and what it computes
            # is there at the next key, however long the whole prompt takes.
            return
        expected_ms = self.expect_ms(load, num_tokens)
        if expected_ms > deadline_in_ms or deadline_in_ms <= 0:
            raise QueueFull(
                f"the first token is expected in {expected_ms:.0f} ms; the deadline is in "
                f"{deadline_in_ms:.0f} ms",
                retry_after_ms=max(expected_ms - max(deadline_in_ms, 0.0), 1.0),
            )

    def _compute_ms(self, num_tokens: int, num_decoding: int) -> float:
        """Return the time of the steps that compute so many tokens of prompts."""
        num_steps = -(-num_tokens // max(1, self._max_step_tokens - num_decoding))
        all_tokens = num_tokens + num_steps * num_decoding
        return max(num_steps * self.least_step_ms, all_tokens * self.ms_per_token)


def _blend(mean: float | None, value: float) -> float:
    return value if mean is None else mean + SMOOTHING * (value - mean)
