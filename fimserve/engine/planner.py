"""From a request to its prompt: one line or several, which order, what is healed, what is cut.

Everything that is decided before the model runs. Knows nothing of scheduling and torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from fimserve.engine.anchor import Anchor
from fimserve.engine.errors import InvalidRequest
from fimserve.engine.healing import MAX_CUT_TOKENS, Cut, HealingIndex, cut
from fimserve.engine.language import language_of
from fimserve.engine.multiline import wants_block
from fimserve.engine.request import CompletionRequest
from fimserve.engine.session_book import Session
from fimserve.prompt import Order, PromptError, PromptParts, RenderedPrompt, Renderer, Snippet

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Holds what the planner must know of a model."""

    name: str
    """Name to show."""
    orders: tuple[str, ...]
    """Prompt orders it was trained for; empty = unknown."""
    default_order: str | None
    """Order to use when the request names none; None = the family's."""
    multiline_order: str | None
    """The same where several lines are wanted; None = the default one."""
    max_context_tokens: int
    """Prompt and completion together."""
    eos_token_ids: frozenset[int]
    """Ids that end a completion."""
    can_heal: bool
    """Whether the tokenizer can spell every text byte by byte."""


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """Holds what was decided about a request before the model runs."""

    token_ids: tuple[int, ...]
    """The prompt, at least one token."""
    removed: bytes
    """Bytes before the cursor that the prompt leaves out and the first tokens spell anew."""
    is_multiline: bool
    """Whether the completion may span lines."""
    stop_token_ids: frozenset[int]
    """Tokens that end the completion and are no part of it."""
    stop_strings: tuple[str, ...]
    """Texts that do the same, the request's own included."""
    room_tokens: int
    """Most tokens that the context holds behind the prompt."""
    cut_token_ids: tuple[int, ...] = ()
    """Tokens that the removed bytes were, a guess of what is written first; none where unknown."""


class Planner:
    """Plans the prompts of one model.

    Args:
        facts: The model.
        renderer: Writes its prompts.
        max_prompt_tokens: Longest prompt, where the model could take more.
        healing: The model's tokens by their bytes.
    """

    def __init__(
        self,
        facts: ModelFacts,
        renderer: Renderer,
        max_prompt_tokens: int,
        healing: HealingIndex,
    ) -> None:
        self._facts = facts
        self._renderer = renderer
        self._max_prompt_tokens = max_prompt_tokens
        self._healing = healing

    def plan(
        self,
        request: CompletionRequest,
        session: Session,
        count_cached: Callable[[Sequence[int]], int],
    ) -> PromptPlan:
        """Return the prompt of a request; the session's anchor moves along.

        Fails with InvalidRequest where the request cannot be served.

        Args:
            request: What to complete.
            session: What is known of its session.
            count_cached: Tells how many of a prompt's first tokens the cache holds.

        Returns:
            The plan.
        """
        is_multiline = _is_multiline(request)
        if request.order == "auto" and request.suffix is not None:
            prompt, cut_off = self._render_cheapest(request, session, count_cached)
        else:
            prompt, cut_off = self._render(request, self._choose_order(request), session)
        # Nothing at all before the cursor: in training, a document follows an end token.
        token_ids = prompt.token_ids or (self._renderer.end_token_id,)
        return PromptPlan(
            token_ids=token_ids,
            removed=cut_off.removed,
            is_multiline=is_multiline,
            stop_token_ids=(
                prompt.stop_token_ids | self._facts.eos_token_ids | request.stop_token_ids
            ),
            stop_strings=(*request.stop, *prompt.stop_strings),
            room_tokens=self._facts.max_context_tokens - len(token_ids),
            cut_token_ids=cut_off.token_ids,
        )

    def _render_cheapest(
        self,
        request: CompletionRequest,
        session: Session,
        count_cached: Callable[[Sequence[int]], int],
    ) -> tuple[RenderedPrompt, Cut]:
        """Return the prompt in the trained order that leaves least to compute.

        Ties go to the checkpoint's own order, and from prefix-suffix-middle to middle-increment
        where both are the same tokens: the latter leaves an anchor for the next keystroke.
        """
        preferred = self._preferred_order(request)
        names = self._facts.orders or (preferred or self._renderer.format.default_order,)
        trials: list[_Trial] = []
        for order in sorted(map(Order, names), key=lambda order: order != preferred):
            trial_session = replace(session)
            prompt, cut_off = self._render(request, order, trial_session)
            num_computed = len(prompt.token_ids) - count_cached(prompt.token_ids)
            trials.append(_Trial(num_computed, prompt, cut_off, trial_session.anchor))
        best = min(trials, key=lambda trial: trial.num_computed)
        for trial in trials:
            is_anchored = trial.prompt.order is Order.MIDDLE_INCREMENT
            if is_anchored and trial.prompt.token_ids == best.prompt.token_ids:
                best = trial
        session.anchor = best.anchor
        return best.prompt, best.cut_off

    def _render(
        self, request: CompletionRequest, order: Order | None, session: Session
    ) -> tuple[RenderedPrompt, Cut]:
        """Return the prompt, and what before the cursor it leaves to be chosen anew."""
        parts, cut_off = self._cut_parts(request, order, session)
        # The answer gets the room it asks for, but never more than half of the context.
        context = self._facts.max_context_tokens
        room = max(context - request.max_tokens - len(cut_off.removed), context - context // 2)
        # What is cut off is guessed in the prompt's last step, which is to hold both. Always as
        # much, or the prompts of two keystrokes would be cut at different places.
        max_cut = MAX_CUT_TOKENS if self._heals(request) else 0
        budget = min(room, self._max_prompt_tokens - max_cut)
        try:
            return self._renderer.render(parts, order, budget, session.tokens), cut_off
        except PromptError as error:
            raise InvalidRequest(str(error)) from error

    def _cut_parts(
        self, request: CompletionRequest, order: Order | None, session: Session
    ) -> tuple[PromptParts, Cut]:
        """Return the parts with an anchor where the order has one, and what was cut off them.

        A prompt that only fills the cache is cut too: the request it is meant for will be.
        """
        parts = _make_parts(request)
        is_healed = self._heals(request)
        if is_healed:
            parts = parts.with_lf()

        def cut_or_keep(text: str) -> Cut:
            if not is_healed:
                return Cut(text, b"")
            return cut(text, self._renderer.encoder, self._healing)

        if order is Order.MIDDLE_INCREMENT:
            return _anchor_parts(parts, session, cut_or_keep)
        cut_off = cut_or_keep(parts.prefix)
        return replace(parts, prefix=cut_off.kept), cut_off

    def _heals(self, request: CompletionRequest) -> bool:
        return request.heal and self._facts.can_heal

    def _choose_order(self, request: CompletionRequest) -> Order | None:
        """Return the order asked for, else the checkpoint's; None = the family's default."""
        if request.suffix is None:
            return None
        trained = self._facts.orders
        if request.order is None or request.order == "auto":
            return self._preferred_order(request)
        if trained and request.order not in trained:
            raise InvalidRequest(
                f"order is {str(request.order)!r}; "
                f"{self._facts.name} was trained for {', '.join(trained)}"
            )
        return request.order

    def _preferred_order(self, request: CompletionRequest) -> Order | None:
        facts = self._facts
        preferred = facts.multiline_order if _is_multiline(request) else facts.default_order
        preferred = preferred or facts.default_order
        return None if preferred is None else Order(preferred)


class _Trial(NamedTuple):
    """One order of a prompt, and what it would cost."""

    num_computed: int
    prompt: RenderedPrompt
    cut_off: Cut
    anchor: Anchor | None


def _is_multiline(request: CompletionRequest) -> bool:
    if request.multiline is not None:
        return request.multiline
    return request.suffix is None or wants_block(
        request.prefix, request.suffix, language_of(request.language, request.path)
    )


def _make_parts(request: CompletionRequest) -> PromptParts:
    return PromptParts(
        prefix=_without_surrogates(request.prefix),
        suffix=None if request.suffix is None else _without_surrogates(request.suffix),
        path=None if request.path is None else _without_surrogates(request.path),
        language=request.language,
        snippets=tuple(
            Snippet(_without_surrogates(snippet.path), _without_surrogates(snippet.text))
            for snippet in request.snippets
        ),
    )


def _anchor_parts(
    parts: PromptParts, session: Session, cut_or_keep: Callable[[str], Cut]
) -> tuple[PromptParts, Cut]:
    """Split the prefix at the session's anchor, or move the anchor to the cursor.

    A new anchor lies before the token that is cut off: the next prompt, where that token is part of
    the increment, then has the same prefix.
    """
    suffix = parts.suffix or ""
    increment = session.anchor.increment_to(parts.prefix, suffix) if session.anchor else None
    if session.anchor is None or not increment:
        cut_off = cut_or_keep(parts.prefix)
        session.anchor = Anchor(cut_off.kept, suffix)
        return replace(parts, prefix=cut_off.kept), cut_off
    cut_off = cut_or_keep(increment)
    return replace(parts, prefix=session.anchor.prefix, increment=cut_off.kept), cut_off


def _without_surrogates(text: str) -> str:
    """Return the text with each half of a broken pair, which is no character, as U+FFFD."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
