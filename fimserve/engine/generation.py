"""One completion while it is written: choosing tokens, turning them into text, knowing the end.

Knows nothing of scheduling, of other completions, or of who waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fimserve.engine.completion import CompletionDelta, FinishReason, TokenLogprob
from fimserve.engine.healing import Healer
from fimserve.engine.sampler import Sampler
from fimserve.engine.speculation import DraftSource
from fimserve.engine.text_stream import TextStream


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """Holds where a completion ends, whatever its text."""

    max_tokens: int
    """Most tokens of new text."""
    room_tokens: int
    """Most tokens that the context holds behind the prompt."""
    min_tokens: int
    """Tokens before which no end token may be chosen."""
    ignore_eos: bool
    """Whether no end token may ever be chosen."""
    stop_token_ids: frozenset[int]
    """The end tokens."""
    has_own_stops: bool
    """Whether some of them are the request's own."""
    num_logprobs: int | None
    """Alternatives whose log-probabilities are told per token; None tells none."""


@dataclass(slots=True)
class Generation:
    """Holds one completion in progress."""

    index: int
    """Which of its request's completions it is."""
    limits: GenerationLimits
    """Where it ends."""
    sampler: Sampler
    """Chooses its tokens."""
    healer: Healer
    """Says which tokens may come first."""
    text: TextStream
    """Turns tokens into text."""
    token_bytes: Callable[[int], bytes]
    """Returns the bytes of a token."""
    drafts: DraftSource | None
    """Guesses ahead; None never does."""
    finish: FinishReason | None = None
    """Why it ended; None while it goes on."""
    num_written: int = 0
    """Tokens behind the prompt, those that heal included."""
    num_new: int = 0
    """Tokens of new text."""
    _ends_at_line: bool = False
    _unsent_text: list[str] = field(default_factory=list)
    _unsent_ids: list[int] = field(default_factory=list)
    _unsent_logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def is_healing(self) -> bool:
        """Whether the next token is limited to some that agree with the text before the cursor."""
        return self.healer.allowed() is not None

    @property
    def takes_best(self) -> bool:
        """Whether the next tokens are each the best score, looked at by nobody.

        The best but for end tokens where these are ignored: recorded steps leave them out.
        """
        limits = self.limits
        plain = self.sampler.takes_best and limits.num_logprobs is None
        if limits.ignore_eos:
            may_end = not limits.has_own_stops
        else:
            may_end = self.num_new >= limits.min_tokens
        return plain and may_end and not self.is_healing

    @property
    def num_left(self) -> int:
        """Most tokens that may still be written."""
        limits = self.limits
        left_in_context = limits.room_tokens - self.num_written
        return min(limits.max_tokens - self.num_new, left_in_context)

    def choose(self, scores: Tensor, best: int) -> int:
        """Return the next token.

        Shapes:
            scores: [V]  fp32, only tokens that may be chosen

        Args:
            scores: Scores behind the tokens so far.
            best: Id of the largest score.

        Returns:
            A token id, maybe an end token.
        """
        limits = self.limits
        bans_end = limits.ignore_eos or self.num_new < limits.min_tokens
        banned = tuple(i for i in limits.stop_token_ids if i < len(scores)) if bans_end else ()
        if self.sampler.takes_best and best not in banned and self.healer.allows(best):
            return best  # the scores stay where they are
        return self.sampler.choose(scores, self.num_written, self.healer.allowed(), banned)

    def accept(self, token_id: int, scores: Tensor) -> bool:
        """Take a chosen token in; return whether it became part of the completion.

        Afterwards `finish` tells whether the completion goes on.

        Args:
            token_id: The token.
            scores: The scores it was chosen from.

        Returns:
            Whether it is part of the completion; an end token is not.
        """
        if token_id in self.limits.stop_token_ids:
            self.finish = "stop"
            return False
        self.num_written += 1
        self.num_new += self.healer.accept(token_id)
        self._unsent_ids.append(token_id)
        if self.limits.num_logprobs is not None:
            self._unsent_logprobs.append(self._make_logprob(token_id, scores))
        self._unsent_text.append(self.text.feed(token_id))
        if self.text.stopped:
            self.finish = "stop"
        else:
            self._end_if_full()
        return True

    def end(self, reason: FinishReason, at_line_end: bool = False) -> None:
        """End the completion from outside; does nothing where it has ended.

        Args:
            reason: Why.
            at_line_end: Whether text behind the last whole line is given up.
        """
        if self.finish is None:
            self.finish = reason
            self._ends_at_line = at_line_end

    def has_news(self) -> bool:
        """Return whether there is text that nobody has got yet."""
        return any(self._unsent_text)

    def take_delta(self) -> CompletionDelta:
        """Return what nobody has got yet; the last piece once the completion has ended."""
        if self.finish is not None:
            self._unsent_text.append("" if self.finish == "cancelled" else self._take_rest())
            if self.text.stopped and self.finish == "length":
                self.finish = "stop"
        text = "".join(self._unsent_text)
        is_raw = self._ends_at_line and not self.text.is_trimmed
        delta = CompletionDelta(
            text=_keep_whole_lines(text) if is_raw else text,
            token_ids=tuple(self._unsent_ids),
            finish_reason=self.finish,
            index=self.index,
            logprobs=tuple(self._unsent_logprobs),
        )
        self._unsent_text.clear()
        self._unsent_ids.clear()
        self._unsent_logprobs.clear()
        return delta

    def _take_rest(self) -> str:
        return self.text.finish_at_line_end() if self._ends_at_line else self.text.flush()

    def _end_if_full(self) -> None:
        if self.num_left <= 0:
            self.finish = "length"

    def _make_logprob(self, token_id: int, scores: Tensor) -> TokenLogprob:
        logprobs = torch.log_softmax(scores.float(), dim=-1)
        token_bytes = self.token_bytes
        kept = logprobs.topk(min(self.limits.num_logprobs or 0, len(logprobs)))
        pairs = zip(kept.indices.tolist(), kept.values.tolist(), strict=True)
        return TokenLogprob(
            token_id=token_id,
            token_bytes=token_bytes(token_id),
            logprob=float(logprobs[token_id]),
            top=tuple((i, token_bytes(i), value) for i, value in pairs),
            text_offset=self.text.num_chars,
        )


def _keep_whole_lines(text: str) -> str:
    """Return a text up to its last line end, or all of it where no line with text has ended."""
    end = text.rfind("\n")
    kept = text[: max(end, 0)].removesuffix("\r")
    return kept if kept.strip() else text
