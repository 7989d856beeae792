"""What was offered lately, so that typing along a suggestion needs no server and no new name.

A suggestion offered at a place keeps its id while it is the same: shown again, or shown shorter
because its beginning was typed. Counting suggestions by id then counts each once. Knows nothing of
the protocol.
"""

from collections import deque
from dataclasses import dataclass

from fimserve.lsp.completion_client import Suggestion
from fimserve.lsp.surroundings import Surroundings

__all__ = ["Offer", "OfferBook"]

MAX_OFFERS = 20
"""Offers that are remembered in all documents together."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion and the text around the place where it was offered first."""

    uri: str
    around: Surroundings
    suggestion: Suggestion

    def rest_at(self, uri: str, around: Surroundings) -> str | None:
        """Return what of the suggestion is not written yet, or None where it does not belong.

        Args:
            uri: Document of the cursor.
            around: Text around the cursor.

        Returns:
            The rest, never empty.
        """
        if uri != self.uri or around.suffix != self.around.suffix:
            return None
        if not around.prefix.startswith(self.around.prefix):
            return None
        typed = around.prefix[len(self.around.prefix) :]
        text = self.suggestion.text
        return text[len(typed) :] if text.startswith(typed) and typed != text else None


class OfferBook:
    """Holds the latest offers, the newest first."""

    def __init__(self) -> None:
        self._offers: deque[Offer] = deque(maxlen=MAX_OFFERS)

    def find(self, uri: str, around: Surroundings) -> Offer | None:
        """Return the newest offer that still holds at a place, or None."""
        found = (offer for offer in self._offers if offer.rest_at(uri, around) is not None)
        return next(found, None)

    def add(self, uri: str, around: Surroundings, suggestion: Suggestion) -> Suggestion:
        """Remember a suggestion.

        Args:
            uri: Document of the cursor.
            around: Text around the cursor.
            suggestion: What the server said.

        Returns:
            The suggestion, under the id of an earlier one that says the same at this place.
        """
        known = self.find(uri, around)
        if known is not None and known.rest_at(uri, around) == suggestion.text:
            facts = suggestion.facts
            return Suggestion(known.suggestion.completion_id, suggestion.text, facts)
        self._offers.appendleft(Offer(uri, around, suggestion))
        return suggestion

    def forget(self, completion_id: str) -> None:
        """Forget a suggestion: accepted, the same text is a new one."""
        kept = [o for o in self._offers if o.suggestion.completion_id != completion_id]
        self._offers = deque(kept, maxlen=MAX_OFFERS)

    def forget_all(self) -> None:
        """Forget everything, as when another server is asked from now on."""
        self._offers.clear()
