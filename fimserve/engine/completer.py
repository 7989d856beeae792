"""From a request to its answer: choose the order, render, find the session, write.

Works on the thread that calls it, on one request at a time. Knows nothing of threads, asyncio
or HTTP.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fimserve.engine.anchor import Anchor
from fimserve.engine.answer import Answer, AnswerPlan
from fimserve.engine.completion import CompletionDelta, Usage
from fimserve.engine.errors import InvalidRequest
from fimserve.engine.healing import Cut, Healer, HealingIndex, cut, rest_of_word
from fimserve.engine.multiline import wants_block
from fimserve.engine.request import CompletionRequest
from fimserve.engine.sampler import Sampler
from fimserve.engine.sequence import Sequence
from fimserve.engine.session_cache import Session, SessionCache
from fimserve.engine.text_stream import TextStream
from fimserve.engine.ticket import Ticket
from fimserve.models import LoadedModel
from fimserve.prompt import Order, PromptError, PromptParts, RenderedPrompt, Renderer, Snippet

logger = logging.getLogger(__name__)

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class CompleterSettings:
    """Holds the limits of answering."""

    prefill_chunk_tokens: int = 256
    """Tokens of a prompt computed between two looks at the ticket. Measured on 2 cores with AVX2
    and 46M parameters: 1024 tokens take 0.65 s whole and 0.72 s in chunks of 256."""
    max_prompt_tokens: int = 2048
    """Tokens of a prompt, where the model could take more: what is farther from the cursor than
    this helps little and is waited for on every cold prompt."""
    session_cache_bytes: int = 1 << 30
    """Memory for the keys and values of idle sessions."""


class Completer:
    """Answers requests with one model.

    Args:
        loaded: The model.
        renderer: Writes its prompts.
        settings: Limits.
        now_ms: A clock in milliseconds.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        renderer: Renderer,
        settings: CompleterSettings,
        now_ms: Callable[[], float],
    ) -> None:
        self._loaded = loaded
        self._renderer = renderer
        self._settings = settings
        self._now_ms = now_ms
        # Embeddings are often padded beyond the tokenizer; those rows mean nothing.
        encoder = renderer.encoder
        self._num_candidates = min(encoder.vocab_size, loaded.config.vocab_size)
        excluded = encoder.special_ids | renderer.stop_token_ids | loaded.eos_token_ids
        self._healing = HealingIndex(encoder.token_bytes, self._num_candidates, excluded)
        self._can_heal = self._healing.is_complete
        self.sessions = SessionCache(settings.session_cache_bytes)
        """Sessions at rest."""

    def complete(self, ticket: Ticket) -> Iterator[CompletionDelta]:
        """Yield the pieces of a ticket's answer; the last one has the finish_reason.

        A request that raises loses its session's cache, whose state is then unknown; one that is
        cancelled keeps it, as far as it got.

        Args:
            ticket: The request and who waits for it.

        Yields:
            CompletionDelta: Text as it becomes certain.
        """
        started_ms = self._now_ms()
        with self._session_of(ticket) as session:
            plan = self._plan(ticket.request, session)
            answer = Answer(ticket, plan, session.sequence, self._now_ms)
            for delta in answer.write(started_ms):
                if delta.usage is not None:
                    _log_usage(delta, delta.usage)
                yield delta

    @contextmanager
    def _session_of(self, ticket: Ticket) -> Iterator[Session]:
        key = ticket.session_key
        session = self.sessions.take(key) if key else None
        session = session or Session(Sequence(self._loaded.model))
        yield session
        if key:  # not reached where the work raised
            self.sessions.put(key, session)

    def _plan(self, request: CompletionRequest, session: Session) -> AnswerPlan:
        token_bytes = self._renderer.encoder.token_bytes
        prompt, removed = self._render(request, session)
        # Nothing at all before the cursor: in training, a document follows an end token.
        prompt_ids = prompt.token_ids or (self._renderer.end_token_id,)
        room_tokens = self._loaded.config.max_context_tokens - len(prompt_ids)
        return AnswerPlan(
            prompt_ids=prompt_ids,
            chunk_tokens=self._settings.prefill_chunk_tokens,
            max_tokens=request.max_tokens,
            room_tokens=room_tokens,
            num_candidates=self._num_candidates,
            stop_token_ids=prompt.stop_token_ids | self._loaded.eos_token_ids,
            sampler=Sampler(request.temperature, request.top_p, request.seed),
            healer=Healer(
                self._healing,
                token_bytes,
                removed,
                rest_of_word(request.prefix, request.suffix or ""),
            ),
            text=TextStream(
                token_bytes,
                stops=(*request.stop, *prompt.stop_strings),
                prefix=request.prefix,
                suffix=request.suffix or "",
                language=request.language,
                path=request.path,
                single_line=not _is_multiline(request),
                num_skipped_bytes=len(removed),
            ),
        )

    def _render(self, request: CompletionRequest, session: Session) -> tuple[RenderedPrompt, bytes]:
        """Return the prompt, and the bytes before the cursor that it leaves to be chosen anew."""
        order = self._choose_order(request)
        parts, removed = self._cut_parts(request, order, session)
        # The answer gets the room it asks for, but never more than half of the context.
        context = self._loaded.config.max_context_tokens
        room = max(context - request.max_tokens - len(removed), context - context // 2)
        budget = min(room, self._settings.max_prompt_tokens)
        try:
            return self._renderer.render(parts, order, budget), removed
        except PromptError as error:
            raise InvalidRequest(str(error)) from error

    def _cut_parts(
        self, request: CompletionRequest, order: Order | None, session: Session
    ) -> tuple[PromptParts, bytes]:
        """Return the parts with an anchor where the order has one, and what was cut off them.

        A prompt that only fills the cache is cut too: the request it is meant for will be.
        """
        parts = _make_parts(request)
        is_healed = request.heal and self._can_heal
        if is_healed:
            parts = parts.with_lf()

        def cut_or_keep(text: str) -> Cut:
            return cut(text, self._renderer.encoder, self._healing) if is_healed else Cut(text, b"")

        if order is Order.MIDDLE_INCREMENT:
            return _anchor_parts(parts, session, cut_or_keep)
        kept, removed = cut_or_keep(parts.prefix)
        return replace(parts, prefix=kept), removed

    def _choose_order(self, request: CompletionRequest) -> Order | None:
        """Return the order asked for, else the checkpoint's; None = the family's default."""
        if request.suffix is None:
            return None
        trained = self._loaded.orders
        if request.order is not None and trained and request.order not in trained:
            raise InvalidRequest(
                f"order is {str(request.order)!r}; "
                f"{self._loaded.name} was trained for {', '.join(trained)}"
            )
        if request.order is not None:
            return request.order
        loaded = self._loaded
        preferred = loaded.multiline_order if _is_multiline(request) else loaded.default_order
        preferred = preferred or loaded.default_order
        return None if preferred is None else Order(preferred)


def _is_multiline(request: CompletionRequest) -> bool:
    if request.multiline is not None:
        return request.multiline
    return request.suffix is None or wants_block(request.prefix, request.suffix)


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
) -> tuple[PromptParts, bytes]:
    """Split the prefix at the session's anchor, or move the anchor to the cursor.

    A new anchor lies before the token that is cut off: the next prompt, where that token is part of
    the increment, then has the same prefix.
    """
    suffix = parts.suffix or ""
    increment = session.anchor.increment_to(parts.prefix, suffix) if session.anchor else None
    if session.anchor is None or not increment:
        kept, removed = cut_or_keep(parts.prefix)
        session.anchor = Anchor(kept, suffix)
        return replace(parts, prefix=kept), removed
    kept, removed = cut_or_keep(increment)
    return replace(parts, prefix=session.anchor.prefix, increment=kept), removed


def _without_surrogates(text: str) -> str:
    """Return the text with each half of a broken pair, which is no character, as U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _log_usage(last: CompletionDelta, usage: Usage) -> None:
    logger.info(
        "prompt_tokens=%d cached_tokens=%d new_tokens=%d queue_ms=%.1f ttft_ms=%.1f e2e_ms=%.1f "
        "finish=%s",
        usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens,
        usage.queue_ms, usage.ttft_ms, usage.e2e_ms, last.finish_reason,
    )  # fmt: skip
