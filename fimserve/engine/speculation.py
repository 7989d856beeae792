"""Guessing several tokens ahead from text that is already there, and when that pays.

Code repeats itself: what followed the last few tokens where they stood before, in the prompt or in
the session's recent completions, often follows again. The model checks all guesses in one step, so
a wrong guess costs time and never changes the text. Knows nothing of models and torch.

Source: prompt lookup decoding (github.com/apoorvumang/prompt-lookup-decoding); the gate is ours.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

MAX_NGRAM = 4
"""Longest run of last tokens that is looked for."""
MIN_NGRAM = 2
"""Shortest one: a single token stands in too many places."""
MAX_HISTORY_TOKENS = 2048
"""Tokens of a session's recent completions that are remembered."""

_ITEM_BYTES = array("i").itemsize


class DraftSource:
    """Finds what may follow the tokens written so far.

    Args:
        history: Tokens of the session's recent completions, oldest first.
    """

    def __init__(self, history: Sequence[int] = ()) -> None:
        self._history = array("i", history).tobytes()
        self._tokens = b""
        self._num_tokens = 0

    def propose(self, token_ids: Sequence[int], num_drafts: int) -> list[int]:
        """Return up to `num_drafts` guesses of what follows; none where nothing matches.

        The longest match wins, in the history before the prompt: a person who types what was
        suggested gets the rest of it again.

        Args:
            token_ids: Prompt and completion so far; only ever grows between calls.
            num_drafts: Most guesses.

        Returns:
            Token ids.
        """
        new = token_ids[self._num_tokens :]
        self._tokens += array("i", new).tobytes()
        self._num_tokens = len(token_ids)
        for size in range(MAX_NGRAM, MIN_NGRAM - 1, -1):
            pattern = array("i", token_ids[-size:]).tobytes()
            for text in (self._history, self._tokens):
                end = _find_last(text, pattern)
                if end is not None:
                    found = text[end : end + num_drafts * _ITEM_BYTES]
                    return array("i", found).tolist()
        return []


def _find_last(text: bytes, pattern: bytes) -> int | None:
    """Return where the last match that something follows ends, in bytes."""
    limit = len(text) - _ITEM_BYTES
    while (start := text.rfind(pattern, 0, max(limit, 0))) >= 0:
        if start % _ITEM_BYTES == 0:
            return start + len(pattern)
        limit = start + len(pattern) - 1
    return None


@dataclass(slots=True)
class SpeculationGate:
    """Decides, for one session, whether guessing pays: by its own record.

    A guess saves a step where it is right and lengthens one where it is wrong. While the share of
    right guesses is below what a guess costs, only every `PROBE_STEPS`-th chance is taken, to
    notice when that changes; so a session that gains nothing loses next to nothing.
    """

    accepted_share: float = 0.5
    """Running mean of the share of guesses that were right; starts undecided."""
    num_skipped: int = 0
    """Chances let pass since the last guess."""

    def allows(self, cost_share: float) -> bool:
        """Return whether to guess now; a chance that is let pass is counted.

        Args:
            cost_share: What one more guess adds to a step, as a share of a step without any.

        Returns:
            Whether to guess.
        """
        if self.would_allow(cost_share):
            self.num_skipped = 0
            return True
        self.num_skipped += 1
        return False

    def let_pass(self, cost_share: float) -> None:
        """Count a chance that nobody could take; one that is allowed stays so.

        Args:
            cost_share: As in `allows`.
        """
        if not self.would_allow(cost_share):
            self.num_skipped += 1

    def would_allow(self, cost_share: float) -> bool:
        """Return what `allows` would, counting nothing."""
        return self.accepted_share > MIN_GAIN * cost_share or self.num_skipped >= PROBE_STEPS

    def observe(self, num_drafts: int, num_accepted: int) -> None:
        """Note how many of some guesses were right."""
        weight = 1 - (1 - RECORD_WEIGHT) ** num_drafts
        self.accepted_share += weight * (num_accepted / num_drafts - self.accepted_share)


MIN_GAIN = 1.5
"""Guesses are made while the share of right ones is this many times what a guess costs."""
PROBE_STEPS = 48
"""Chances between two guesses of a session that gains nothing."""
RECORD_WEIGHT = 0.05
"""Weight of one guess in the running mean: the record of about the last twenty counts."""


class StepCost:
    """Measures what guesses add to the time of a step that decodes one completion.

    Running means of steps with and without guesses; until both are known a guess is taken to
    cost `FIRST_GUESS_COST` of a step.
    """

    def __init__(self) -> None:
        self._plain_ms: float | None = None
        self._draft_share: float | None = None

    @property
    def draft_share(self) -> float:
        """What one guess adds to a step, as a share of a step without guesses."""
        return FIRST_GUESS_COST if self._draft_share is None else self._draft_share

    def observe(self, num_drafts: int, elapsed_ms: float) -> None:
        """Note a step that decoded one completion and did nothing else.

        Args:
            num_drafts: Guesses in it.
            elapsed_ms: Its time.
        """
        if num_drafts == 0:
            self._plain_ms = _blend(self._plain_ms, elapsed_ms)
        elif self._plain_ms:
            added_ms = max(0.0, elapsed_ms - self._plain_ms) / num_drafts
            self._draft_share = _blend(self._draft_share, added_ms / self._plain_ms)


FIRST_GUESS_COST = 0.15
"""Where nothing has been measured yet; `StepCost` replaces it within the first steps."""


def _blend(mean: float | None, value: float) -> float:
    return value if mean is None else mean + 0.1 * (value - mean)
