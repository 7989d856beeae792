"""Makes batches of events such as an editor's client sends: all sorts, about 25 fields each.

Only JSON values: what a server makes of them is its business.
"""

import random
import uuid
from typing import Any

__all__ = ["EventSupply"]

KINDS = ("identifier", "call", "block", "argument_list", "return_statement", "string", "comment")
LANGUAGES = ("python", "typescript", "go", "rust", "java")
LIFE = ("requested", "shown", "accepted", "persisted", "dismissed")


class EventSupply:
    """An endless supply of new events.

    Args:
        seed: Decides the values; ids are always new.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        # Ids of an earlier run on the same database would be known.
        self._run = uuid.uuid4().hex[:12]
        self._num_made = 0

    def make_batch(self, num_events: int) -> dict[str, Any]:
        """Return the body of a request with this many new events."""
        return {"events": [self._make_event() for _ in range(num_events)]}

    def _make_event(self) -> dict[str, Any]:
        rng, number = self._rng, self._num_made
        self._num_made += 1
        type_ = LIFE[number % len(LIFE)]
        event = {
            "id": f"{self._run}-{number}",
            "type": type_,
            "at_ms": 1_790_000_000_000 + number,
            "completion_id": f"cmpl-{self._run}-{number // len(LIFE)}",
            "user_hash": f"{rng.randrange(200):032x}",
            "window_hash": f"{rng.randrange(400):032x}",
            "session_hash": f"{rng.randrange(4_000):032x}",
            "model": "fimserve-embedded",
            "arm": "control",
            "editor": "vscode",
            "editor_version": "1.106.2",
            "client": "fimserve-vscode",
            "client_version": "0.1.0",
            "language": rng.choice(LANGUAGES),
            "kind": rng.choice(KINDS),
            "parent_kind": rng.choice(KINDS),
            "grandparent_kind": rng.choice(KINDS),
            "source": "network",
            "multiline": rng.random() < 0.3,
            "prefix_chars": rng.randrange(8_000),
            "suffix_chars": rng.randrange(4_000),
            "completion_chars": rng.randrange(1, 200),
            "completion_lines": rng.randrange(1, 5),
            "ttft_ms": round(rng.uniform(10, 400), 1),
            "e2e_ms": round(rng.uniform(50, 900), 1),
            "shown_ms": round(rng.uniform(0, 5_000), 1),
        }
        if type_ == "persisted":
            event |= {"after_s": rng.choice((30, 120, 300, 600)), "difference": rng.random()}
        return event
