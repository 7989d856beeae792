"""How often each address has been refused for want of a good key, and whether that is too often.

Guessing a key of 256 bits is hopeless anyway; this keeps a guesser, or a tool with a wrong key that
tries for ever, from filling the log and the event loop. Whoever has a good key is never held up.
Knows nothing of keys and HTTP.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

from fimserve.server.token_bucket import TokenBucket

__all__ = ["FailedAttempts"]

SAVED_UP = 30
"""Refusals that an address may have at once."""

MAX_ADDRESSES = 4096
"""Addresses that are remembered, those that failed last."""

IPV6_BITS = 64
"""What a provider gives to one customer, who has all addresses in it."""


class FailedAttempts:
    """Counts.

    Args:
        rate_per_s: Refusals that an address may have per second; 0 for no limit.
        clock_s: Seconds that never go back.
    """

    def __init__(self, rate_per_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._clock_s = clock_s
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of addresses that are remembered."""
        return len(self._buckets)

    def add(self, address: str) -> float:
        """Count one.

        Args:
            address: Host that failed.

        Returns:
            0 where it is told so; where it failed too often, the seconds until it is again.
        """
        if not self._rate_per_s:
            return 0.0
        owner, now_s = _owner_of(address), self._clock_s()
        bucket = self._buckets.get(owner)
        if bucket is None:
            bucket = self._buckets[owner] = TokenBucket(self._rate_per_s, SAVED_UP, now_s)
        self._buckets.move_to_end(owner)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return bucket.take(now_s)


def _owner_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address) or parsed.ipv4_mapped is not None:
        return address
    return str(ip_network((int(parsed), IPV6_BITS), strict=False))
