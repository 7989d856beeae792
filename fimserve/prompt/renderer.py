"""Prompts as token ids: the one place where markers are written.

Encodes each section on its own, inserts markers as ids and keeps to a token budget. Serving,
mining, training and evaluation all come through here, so what is served is what was trained.
"""

from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from fimserve.prompt import budget
from fimserve.prompt.encoder import TextEncoder
from fimserve.prompt.errors import BudgetTooSmall, MissingMarker
from fimserve.prompt.format import FimFormat
from fimserve.prompt.kept_encoder import KeptEncoder
from fimserve.prompt.kept_tokens import KeptTokens
from fimserve.prompt.layout import Pieces, Section, SectionKind, lay_out, run_starts, section_text
from fimserve.prompt.parts import Order, PromptParts, to_lf
from fimserve.prompt.template import Marker, Words

Encoder: TypeAlias = TextEncoder | KeptEncoder
"""What encodes the texts of one prompt."""


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt ready for a model."""

    token_ids: tuple[int, ...]
    order: Order | None
    """Order of the layout; None for plain continuation."""
    num_prefix_tokens: int
    """Tokens of the text before the cursor that were kept, the increment included."""
    num_suffix_tokens: int
    num_snippet_tokens: int
    """Tokens of the snippets that were kept, their headers included."""
    stop_token_ids: frozenset[int]
    """Ids that end the completion and are no part of it."""
    stop_strings: tuple[str, ...]
    """Texts that do the same."""


class Renderer:
    """Writes the prompts of one family with one tokenizer.

    Construction resolves every token of the format and raises MissingMarker where the tokenizer
    lacks one, or would also write it for the same characters in a text.

    Args:
        fim_format: The family's format.
        encoder: The model's own tokenizer.
    """

    def __init__(self, fim_format: FimFormat, encoder: TextEncoder) -> None:
        self.format = fim_format
        self.encoder = encoder
        ids = {token: self._resolve(token) for token in fim_format.required_tokens()}
        self._marker_ids = {role: ids[token] for role, token in fim_format.markers.items()}
        self._bos_ids = [] if fim_format.bos is None else [ids[fim_format.bos]]
        self.end_token_id = ids[fim_format.end]
        stops = (encoder.token_id(token) for token in fim_format.stop_tokens)
        self.stop_token_ids = frozenset(
            [*self._marker_ids.values(), self.end_token_id, *(i for i in stops if i is not None)]
        )

    def render(
        self,
        parts: PromptParts,
        order: Order | None = None,
        max_tokens: int | None = None,
        kept: KeptTokens | None = None,
    ) -> RenderedPrompt:
        """Return the prompt of some parts.

        Raises UnsupportedOrder where the family has no layout for the order, BudgetTooSmall where
        the limit does not hold the markers and one token of each side.

        Args:
            parts: What the prompt is made of; CRLF becomes LF.
            order: Layout to use; None takes the family's default. Without a suffix there is none.
            max_tokens: Limit of the prompt, cut by the rule of `budget`; None keeps everything.
            kept: Ids of texts that the same session has shown before; the prompt is the same.

        Returns:
            Token ids, BOS included where the family has one.
        """
        encoder: Encoder = self.encoder
        if kept is not None and self.encoder.has_safe_cuts:
            encoder = KeptEncoder(self.encoder, kept)
        parts, order = self._prepare(parts, order, max_tokens)
        if max_tokens is not None:
            parts = self._affordable(parts, order, max_tokens, encoder)
        sections = lay_out(self.format, parts, order)
        encoded = self._encode_sections(sections, max_tokens, encoder)
        lengths = dict.fromkeys(SectionKind, 0)
        for section, ids in zip(sections, encoded, strict=True):
            lengths[section.kind] += len(ids)
        return RenderedPrompt(
            token_ids=tuple(chain(self._bos_ids, *encoded)),
            order=order,
            num_prefix_tokens=lengths[SectionKind.PREFIX] + lengths[SectionKind.INCREMENT],
            num_suffix_tokens=lengths[SectionKind.SUFFIX],
            num_snippet_tokens=lengths[SectionKind.SNIPPET],
            stop_token_ids=self.stop_token_ids,
            stop_strings=self.format.stop_strings,
        )

    def render_text(self, parts: PromptParts, order: Order | None = None) -> str:
        """Return the prompt as people write it: marker names in the text, no BOS, nothing cut."""
        parts, order = self._prepare(parts, order, max_tokens=None)
        sections = lay_out(self.format, parts, order)
        return "".join(section_text(section, self.format) for section in sections)

    def render_training(self, parts: PromptParts, middle: str, order: Order) -> list[int]:
        """Return one training sequence: the prompt, the middle, the end token.

        The middle is encoded on its own, as serving leaves the model to write it.

        Args:
            parts: What the prompt is made of; in middle-increment order `parts.increment` is the
                start of the original middle.
            middle: What the model shall write.
            order: Layout to use; of no meaning where `parts.suffix` is None.

        Returns:
            Token ids, the end token last.
        """
        prompt = self.render(parts, order)
        middle_ids = self.encoder.encode_continuation(to_lf(middle))
        return [*prompt.token_ids, *middle_ids, self.end_token_id]

    def _resolve(self, token: str) -> int:
        token_id = self.encoder.token_id(token)
        if token_id is None or token_id in self.encoder.encode(token):
            raise MissingMarker(self.format.family, token)
        return token_id

    def _prepare(
        self, parts: PromptParts, order: Order | None, max_tokens: int | None
    ) -> tuple[PromptParts, Order | None]:
        parts = parts.with_lf()
        if parts.suffix is None:
            return parts.reanchored(), None
        order = self.format.default_order if order is None else order
        if order is not Order.MIDDLE_INCREMENT or self._is_long(parts.increment, max_tokens):
            parts = parts.reanchored()
        return parts, order

    def _is_long(self, increment: str, max_tokens: int | None) -> bool:
        if max_tokens is None:
            return False
        limit = int(max_tokens * budget.MAX_INCREMENT_SHARE)
        return self._count_tokens([(Words(increment),)], limit, self.encoder) > limit

    def _affordable(
        self, parts: PromptParts, order: Order | None, max_tokens: int, encoder: Encoder
    ) -> PromptParts:
        """Return the parts without what the budget has no room for next to prefix and suffix."""
        sections = lay_out(self.format, parts, order)
        limit = int(max_tokens * budget.MAX_HEADER_SHARE)
        headers = [s.pieces for s in sections if s.kind is SectionKind.HEADER]
        if self._count_tokens(headers, limit, encoder) > limit:
            return replace(parts, path=None, repo=None, snippets=())
        limit = int(max_tokens * budget.MAX_SNIPPET_SHARE)
        snippets = [s.pieces for s in sections if s.kind is SectionKind.SNIPPET]
        sizes = [self._count_tokens([snippet], limit, encoder) for snippet in snippets]
        kept = budget.plan_snippets(sizes, limit)
        return replace(parts, snippets=tuple(parts.snippets[i] for i in kept))

    def _count_tokens(self, sections: list[Pieces], limit: int, encoder: Encoder) -> int:
        """Return the number of tokens, or some number above the limit if it is above."""
        num_chars = sum(len(p.text) for pieces in sections for p in pieces if isinstance(p, Words))
        if num_chars > limit * budget.MAX_CHARS_PER_TOKEN:
            return limit + 1
        return sum(len(self._encode_pieces(pieces, True, encoder)) for pieces in sections)

    def _encode_sections(
        self, sections: list[Section], max_tokens: int | None, encoder: Encoder
    ) -> list[list[int]]:
        """Return the ids of every section, prefix and suffix cut to what the others leave."""
        encoded: list[list[int]] = []
        sides: dict[SectionKind, budget.Side] = {}
        for section, starts_run in zip(sections, run_starts(sections), strict=True):
            if section.kind in (SectionKind.PREFIX, SectionKind.SUFFIX):
                text = section_text(section, self.format)
                sides[section.kind] = _make_side(text, starts_run, encoder)
                encoded.append([])
            else:
                encoded.append(self._encode_section(section, starts_run, encoder))
        room = None if max_tokens is None else self._room(sections, encoded, max_tokens)
        fitted = budget.fit_sides(
            sides[SectionKind.PREFIX], sides.get(SectionKind.SUFFIX), room, self.encoder.decode
        )
        for index, section in enumerate(sections):
            if section.kind is SectionKind.PREFIX:
                encoded[index] = fitted.prefix
            elif section.kind is SectionKind.SUFFIX:
                encoded[index] = fitted.suffix
        return encoded

    def _room(self, sections: list[Section], encoded: list[list[int]], max_tokens: int) -> int:
        """Return the tokens left for prefix and suffix.

        The increment counts in steps: a cut that moved as it grows would undo its purpose, a prefix
        that stays.
        """
        used = len(self._bos_ids)
        step = max(1, max_tokens // 16)
        for section, ids in zip(sections, encoded, strict=True):
            is_increment = section.kind is SectionKind.INCREMENT
            used += budget.round_up(len(ids), step) if is_increment else len(ids)
        if used + 2 > max_tokens:
            raise BudgetTooSmall(max_tokens, used + 2)
        return max_tokens - used

    def _encode_section(self, section: Section, starts_run: bool, encoder: Encoder) -> list[int]:
        is_blank = section.kind is SectionKind.BLANK
        return [] if is_blank else self._encode_pieces(section.pieces, starts_run, encoder)

    def _encode_pieces(self, pieces: Pieces, starts_run: bool, encoder: Encoder) -> list[int]:
        ids: list[int] = []
        for piece in pieces:
            if isinstance(piece, Marker):
                ids.append(self._marker_ids[piece.role])
            elif starts_run:
                ids.extend(encoder.encode(piece.text))
            else:
                ids.extend(encoder.encode_continuation(piece.text))
            starts_run = isinstance(piece, Marker)
        return ids


def _make_side(text: str, starts_run: bool, encoder: Encoder) -> budget.Side:
    if isinstance(encoder, KeptEncoder):
        return budget.Side(text, encoder.encode, encoder.encode_end, encoder.encode_start)
    return budget.Side(text, encoder.encode if starts_run else encoder.encode_continuation)
