"""Which of 10,000 buckets a user is in: the one source of chance in experiments.

A keyed hash, so that nobody who knows a user's name can tell the bucket, and so that buckets under
different keys are independent of each other.
"""

import hashlib
import hmac

__all__ = ["NUM_BUCKETS", "find_bucket"]

NUM_BUCKETS = 10_000
"""A share is a whole number of buckets: the smallest is 0.01 %."""


def find_bucket(salt: str, user: str) -> int:
    """Return the bucket of a user under a salt: always the same one, evenly spread over users.

    Args:
        salt: The key; another one spreads the same users anew.
        user: Hash of the user.

    Returns:
        0 to 9,999.
    """
    # HMAC rather than SHA-256 of both joined: no pair of salt and user can stand for another pair.
    digest = hmac.digest(salt.encode(), user.encode("utf-8", "surrogatepass"), hashlib.sha256)
    # 64 bits: the remainder is uneven by less than one in 10^15.
    return int.from_bytes(digest[:8]) % NUM_BUCKETS
