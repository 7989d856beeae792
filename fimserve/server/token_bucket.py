"""A token bucket: so many per second, and some saved up. Has no clock of its own."""

__all__ = ["TokenBucket"]


class TokenBucket:
    """Counts what may be taken.

    Args:
        rate_per_s: Tokens that arrive per second.
        capacity: Most tokens that can be saved up; full at the start.
        now_s: The time now.
    """

    def __init__(self, rate_per_s: float, capacity: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._capacity = capacity
        self._num_tokens = capacity
        self._filled_at_s = now_s

    def take(self, now_s: float) -> float:
        """Take a token if there is one.

        Args:
            now_s: The time now, on the clock that the bucket was made with.

        Returns:
            0 if a token was taken, otherwise the seconds until there is one.
        """
        elapsed_s = max(0.0, now_s - self._filled_at_s)
        self._num_tokens = min(self._capacity, self._num_tokens + elapsed_s * self._rate_per_s)
        self._filled_at_s = now_s
        if self._num_tokens >= 1.0:
            self._num_tokens -= 1.0
            return 0.0
        return (1.0 - self._num_tokens) / self._rate_per_s
