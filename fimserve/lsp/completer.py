"""From a cursor to an item: filters, what was offered before, the server, what may be shown.

The order of one request, with everything it needs passed in. Knows nothing of messages.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lsprotocol import types

from fimserve.context import Snippet
from fimserve.lsp.completion_client import (
    CompletionClient,
    ServerDown,
    ServerRefused,
    Suggestion,
)
from fimserve.lsp.document import Document, normalise_line_ends
from fimserve.lsp.event_maker import EventMaker
from fimserve.lsp.items import Item, Spot, find_spot, make_item
from fimserve.lsp.lifecycle import Lifecycle
from fimserve.lsp.offers import OfferBook
from fimserve.lsp.options import LspOptions
from fimserve.lsp.outage import OutageLog
from fimserve.lsp.positions import utf16_units
from fimserve.lsp.surroundings import Question, Surroundings, find_surroundings, find_warm_up
from fimserve.lsp.workspace import Workspace

__all__ = ["Completer", "OpenDocument", "Trigger"]

Trigger = Literal["auto", "invoked"]


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document that is open in the editor."""

    document: Document
    path: str | None
    """Path that the model is told."""
    session: str
    """Name of the document at the server."""
    file_hash: str
    """Name of the document in events."""

    def ask(self, around: Surroundings, snippets: tuple[Snippet, ...] = ()) -> Question:
        """Return the question for a cursor of this document."""
        request_id = f"lsp-{uuid.uuid4().hex}"
        language = self.document.language
        return Question(around, self.path, language, self.session, request_id, snippets)


class Completer:
    """Answers requests for completions.

    Args:
        client: Asks the server.
        options: What the user wants.
        offers: What was offered before.
        lifecycle: Follows what becomes of items.
        events: Makes events.
        outage: Says that the server is away.
        workspace: Finds pieces of other files; None sends none.
        now_s: Monotonic time in seconds.
    """

    def __init__(
        self,
        client: CompletionClient,
        options: LspOptions,
        offers: OfferBook,
        lifecycle: Lifecycle,
        events: EventMaker,
        outage: OutageLog,
        workspace: Workspace | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._options = options
        self._offers = offers
        self._lifecycle = lifecycle
        self._events = events
        self._outage = outage
        self._workspace = workspace
        self._now_s = now_s

    async def complete(
        self, opened: OpenDocument, params: types.InlineCompletionParams
    ) -> Item | None:
        """Return what to offer at a cursor, or None where there is nothing.

        Args:
            opened: The document.
            params: The cursor, and what the editor says of it.

        Returns:
            The item.
        """
        started_s = self._now_s()
        document = opened.document
        if not self._options.is_on_for(document.language):
            return None
        spot = find_spot(document, params.position, params.context.selected_completion_info)
        if spot is None:
            return None
        invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        trigger: Trigger = "invoked" if invoked else "auto"
        around = find_surroundings(document, spot.start, spot.end, spot.given)
        known = None if invoked else self._find_known(document.uri, around)
        snippets = () if known else await self._find_snippets(document.uri, spot, around)
        question = opened.ask(around, snippets)
        self._note_request(opened, spot, question, trigger)
        suggestion = known or await self._ask(document.uri, question, started_s)
        if suggestion is None:
            return None
        item = make_item(document, spot, suggestion.text, suggestion.completion_id)
        if item is not None:
            facts = {"trigger": trigger, **self._facts(opened), **suggestion.facts}
            self._offer(item, document, facts)
        return item

    async def warm_up(self, opened: OpenDocument) -> None:
        """Let the server compute the beginning of a document that was just opened.

        Args:
            opened: The document.
        """
        if not self._options.is_on_for(opened.document.language):
            return
        try:
            await self._client.warm_up(opened.ask(find_warm_up(opened.document)))
        except ServerDown as error:
            self._outage.note(self._options.base_url, str(error))

    def _note_request(
        self, opened: OpenDocument, spot: Spot, question: Question, trigger: Trigger
    ) -> None:
        # Behind what the menu's entry would insert there is no cursor yet: the item's start it is.
        cursor = opened.document.offset_of(spot.end)
        self._lifecycle.ask(opened.document.uri, cursor)
        self._events.record(
            "requested",
            None,
            trigger=trigger,
            request_id=question.request_id,
            prefix_chars=utf16_units(question.around.prefix),
            suffix_chars=utf16_units(question.around.suffix),
            snippets=len(question.snippets),
            **self._facts(opened),
        )

    async def _find_snippets(
        self, uri: str, spot: Spot, around: Surroundings
    ) -> tuple[Snippet, ...]:
        if self._workspace is None:
            return ()
        return await self._workspace.find(uri, spot.start.line, around)

    def _find_known(self, uri: str, around: Surroundings) -> Suggestion | None:
        """Return what is left of an earlier offer at this place."""
        if (offer := self._offers.find(uri, around)) is None:
            return None
        rest = offer.rest_at(uri, around)
        if rest is None:
            return None
        suggestion = offer.suggestion
        source = "cache" if rest == suggestion.text else "typed_through"
        facts = {**_lasting(suggestion), **_measure(rest), "source": source}
        return Suggestion(suggestion.completion_id, rest, facts)

    async def _ask(self, uri: str, question: Question, started_s: float) -> Suggestion | None:
        try:
            answer = await self._client.complete(question)
        except (ServerDown, ServerRefused) as error:
            if self._outage.note(self._options.base_url, str(error)):
                code = type(error).__name__
                self._events.record("error", None, error_code=code, request_id=question.request_id)
            return None
        self._outage.clear(self._options.base_url)
        if answer is None or not answer.text.strip():
            return None
        text = normalise_line_ends(answer.text)
        facts = {
            **answer.facts,
            **_measure(text),
            "source": "network",
            "request_id": question.request_id,
            "e2e_ms": (self._now_s() - started_s) * 1000.0,
        }
        return self._offers.add(uri, question.around, Suggestion(answer.completion_id, text, facts))

    def _offer(self, item: Item, document: Document, facts: dict[str, object]) -> None:
        anchor = document.offset_of(item.spot.start)
        standing = document.between(item.spot.start, item.spot.end)
        num_typed = len(standing) if item.text.startswith(standing) else 0
        self._lifecycle.offer(item, document.uri, anchor, num_typed, facts)

    def _facts(self, opened: OpenDocument) -> dict[str, object]:
        return {
            "language": opened.document.language,
            "file_hash": opened.file_hash,
            "multiline": self._options.multiline,
        }


def _measure(text: str) -> dict[str, object]:
    return {"completion_chars": utf16_units(text), "completion_lines": text.count("\n") + 1}


def _lasting(suggestion: Suggestion) -> dict[str, object]:
    """Return the facts that hold for every showing; times belong to the first."""
    return {name: fact for name, fact in suggestion.facts.items() if not name.endswith("_ms")}
