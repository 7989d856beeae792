"""Replace secrets and e-mail addresses in source text by harmless stand-ins of the same shape.

The patterns are the published token shapes of the large providers plus assignments of long random
strings to names such as `password`. A replaced value keeps the code valid, so the file can stay.
"""

import math
import re
from collections import Counter
from typing import NamedTuple

_EMAIL = re.compile(
    r"\b[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,10}\b"
)
_EMAIL_STAND_IN = "user@example.com"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]{0,8000}?-----END [A-Z ]*PRIVATE KEY-----"
)
_TOKEN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access key
    r"|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b"
    r"|\bglpat-[A-Za-z0-9_-]{20,}\b"
    r"|\bxox[abposr]-[A-Za-z0-9-]{10,}\b"  # Slack
    r"|\bAIza[0-9A-Za-z_-]{35}\b"  # Google
    r"|\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}\b"  # Stripe
    r"|\bsk-[A-Za-z0-9_-]{32,}\b"
    r"|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_-]{50,}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"  # JSON web token
)
_ASSIGNED_SECRET = re.compile(
    r"(?i)((?:passw(?:or)?d|secret|token|api_?key|access_?key|auth)\w*[\"']?\s*[:=]{1,2}\s*[\"'])"
    r"([A-Za-z0-9+/_=-]{20,})(?=[\"'])"
)
_STAND_IN = "REDACTED"
# Random base64 has about 5 bits per character over 40 characters, English identifiers about 3.5.
_MIN_SECRET_ENTROPY_BITS = 4.0


class Scrubbed(NamedTuple):
    """A text without secrets, and how many were replaced."""

    text: str
    num_emails: int
    num_secrets: int


def scrub(text: str) -> Scrubbed:
    """Return the text with e-mail addresses and secrets replaced, and the counts of both."""
    num_emails = num_secrets = 0
    if "@" in text:
        text, num_emails = _EMAIL.subn(_EMAIL_STAND_IN, text)
    if "PRIVATE KEY" in text:
        text, num_secrets = _PRIVATE_KEY.subn(_STAND_IN, text)
    text, num_tokens = _TOKEN.subn(_STAND_IN, text)
    assigned = 0

    def _replace(match: re.Match[str]) -> str:
        nonlocal assigned
        if entropy_bits(match[2]) < _MIN_SECRET_ENTROPY_BITS:
            return match[0]
        assigned += 1
        return match[1] + _STAND_IN

    text = _ASSIGNED_SECRET.sub(_replace, text)
    return Scrubbed(text, num_emails, num_secrets + num_tokens + assigned)


def entropy_bits(value: str) -> float:
    """Return the Shannon entropy of a string's characters, in bits per character."""
    if not value:
        return 0.0
    counts = Counter(value).values()
    return -sum(c / len(value) * math.log2(c / len(value)) for c in counts)
