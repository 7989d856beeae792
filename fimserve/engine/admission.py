"""Whether a request can be answered in time, from how fast the engine has been lately.

Refusing at once is kinder than answering late: the editor asks again at the next key. Knows nothing
of sequences; counts tokens.
"""

from __future__ import annotations

from fimserve.engine.errors import QueueFull

SMOOTHING = 0.1
"""Weight of the newest step in the running mean."""


class Admission:
    """Refuses what would come too late.

    Args:
        max_waiting: Requests that may wait; one more is refused.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._ms_per_token: float | None = None

    @property
    def ms_per_token(self) -> float | None:
        """Milliseconds that a token of a prompt takes; None before anything was computed."""
        return self._ms_per_token

    def observe(self, num_tokens: int, elapsed_ms: float) -> None:
        """Note a step that computed pieces of prompts.

        Args:
            num_tokens: Tokens in it.
            elapsed_ms: Its time.
        """
        each_ms = elapsed_ms / num_tokens
        mean_ms = self._ms_per_token
        self._ms_per_token = (
            each_ms if mean_ms is None else mean_ms + SMOOTHING * (each_ms - mean_ms)
        )

    def check(
        self, num_waiting: int, num_tokens_ahead: int, num_tokens: int, deadline_in_ms: float | None
    ) -> None:
        """Let a request in, or refuse it.

        Args:
            num_waiting: Requests that wait already.
            num_tokens_ahead: Tokens of prompts that are computed before it.
            num_tokens: Tokens of its own prompt that must be computed.
            deadline_in_ms: Milliseconds left until its deadline; None where it has none.

        Raises:
            QueueFull: If too many wait, or its first token would come after its deadline.
        """
        each_ms = self._ms_per_token or 0.0
        if num_waiting >= self._max_waiting:
            raise QueueFull(
                f"{num_waiting} requests wait; the limit is {self._max_waiting}",
                retry_after_ms=max(each_ms * num_tokens_ahead, 1.0),
            )
        if deadline_in_ms is None or not num_tokens_ahead:
            return  # an engine with nothing else to do always tries
        expected_ms = each_ms * (num_tokens_ahead + num_tokens)
        if expected_ms > deadline_in_ms:
            raise QueueFull(
                f"the first token is expected in {expected_ms:.0f} ms; the deadline is in "
                f"{deadline_in_ms:.0f} ms",
                retry_after_ms=each_ms * num_tokens_ahead,
            )
