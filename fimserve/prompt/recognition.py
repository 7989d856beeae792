"""Recognises prompts that a client has already laid out, and takes them apart again.

Many editors write a family's FIM markers into one text instead of sending a suffix. A text is a
template only where it is exactly one known family's layout, each marker once and in order; then its
parts are laid out anew by the renderer, for the model that is really served. Everything else, also
source code that mentions markers, is text.
"""

from functools import cache

from fimserve.prompt.format import FimFormat, format_names, load_format
from fimserve.prompt.headers import Context, HeaderReader
from fimserve.prompt.parts import Order, PromptParts
from fimserve.prompt.template import Marker, Slot, Template

_SIDE_ROLES = ("prefix", "suffix", "middle")
_ORDERS = (Order.PSM, Order.SPM, Order.MIDDLE_INCREMENT)
"""Most exact first: a middle-increment prompt whose increment is empty is one in PSM order."""

Region = tuple[str, str]
"""Role of a marker, empty for the start of the text, and the text up to the next marker."""
Layout = list[tuple[str, tuple[str, ...]]]
"""The same for an order, with the names of the slots in place of the text."""


def recognise_template(text: str) -> PromptParts | None:
    """Return the parts of a prompt that a client has laid out; None where the text is only text.

    What was typed since an anchor joins the prefix. Pieces of other files that were written as
    comments stay in the prefix, where they stand.

    Args:
        text: What a client sent as its prompt.

    Returns:
        Prefix, suffix and, as far as the layout shows them, path, repository and snippets.
    """
    for allows_free_text in (False, True):  # what one family calls free, another can read
        for reader in _readers():
            if (parts := reader.read(text, allows_free_text)) is not None:
                return parts
    return None


@cache
def _readers() -> tuple["_TemplateReader", ...]:
    return tuple(_TemplateReader(load_format(name)) for name in format_names())


class _TemplateReader:
    """Reads the prompts of one family.

    Args:
        fim_format: The family's format.
    """

    def __init__(self, fim_format: FimFormat) -> None:
        self._bos = fim_format.bos
        self._headers = HeaderReader(fim_format)
        self._markers = {
            role: fim_format.marker_texts.get(role, fim_format.markers[role])
            for role in _SIDE_ROLES
            if role in fim_format.markers
        }
        self._layouts = [
            _split_template(fim_format.orders[order])
            for order in _ORDERS
            if order in fim_format.orders
        ]

    def read(self, text: str, allows_free_text: bool) -> PromptParts | None:
        """Return the parts of a prompt in one of the family's orders, or None.

        Args:
            text: The whole prompt.
            allows_free_text: Whether text without a header may stand before the first marker.

        Returns:
            The parts.
        """
        if any(text.count(marker) != 1 for marker in self._markers.values()):
            return None
        if self._bos is not None:
            text = text.removeprefix(self._bos)
        regions = self._split(text)
        for layout in self._layouts:
            if (parts := self._read_layout(layout, regions, allows_free_text)) is not None:
                return parts
        return None

    def _split(self, text: str) -> list[Region]:
        """Return the text cut at the markers of the sides."""
        places = sorted((text.index(marker), role) for role, marker in self._markers.items())
        regions: list[Region] = []
        role, start = "", 0
        for place, next_role in places:
            regions.append((role, text[start:place]))
            role, start = next_role, place + len(self._markers[next_role])
        return [*regions, (role, text[start:])]

    def _read_layout(
        self, layout: Layout, regions: list[Region], allows_free_text: bool
    ) -> PromptParts | None:
        """Return the parts of a prompt whose texts stand where a layout has slots for them."""
        if [role for role, _ in layout] != [role for role, _ in regions]:
            return None
        is_closed = not layout[-1][1]  # the last marker ends the prompt
        context = self._read_lead(layout[0][1], regions[0][1], allows_free_text and is_closed)
        if context is None:
            return None
        sides = {"prefix": "", "suffix": "", "increment": ""}
        for (_, slots), (_, text) in zip(layout[1:], regions[1:], strict=True):
            side = next((slot for slot in slots if slot in sides), None)
            if side is None and text:
                return None
            if side == "prefix":
                inner = self._read_prefix(slots, text, regions[0][1])
                text = inner.rest
                context = context._replace(
                    path=context.path or inner.path, snippets=context.snippets + inner.snippets
                )
            if side is not None:
                sides[side] = text
        return PromptParts(
            prefix=sides["prefix"] + sides["increment"],
            suffix=sides["suffix"],
            path=context.path,
            repo=context.repo,
            snippets=context.snippets,
        )

    def _read_lead(
        self, slots: tuple[str, ...], text: str, allows_free_text: bool
    ) -> Context | None:
        read = self._headers.read_lead(text) if slots or not text else None
        if read is None and allows_free_text:
            return self._headers.read_free_text(text)
        return read

    def _read_prefix(self, slots: tuple[str, ...], text: str, lead: str) -> Context:
        if "blank" in slots:
            text = text.removeprefix(" ")
        if "head" in slots and self._headers.announces_path(lead):
            return self._headers.read_path_line(text)
        if "current" in slots:
            return self._headers.read_prefix(text)
        return Context(rest=text)


def _split_template(template: Template) -> Layout:
    """Return the names of the slots behind each marker, those before the first one first."""
    roles = ["", *(piece.role for piece in template if isinstance(piece, Marker))]
    slots: list[list[str]] = [[]]
    for piece in template:
        if isinstance(piece, Marker):
            slots.append([])
        elif isinstance(piece, Slot):
            slots[-1].append(piece.name)
    return [(role, tuple(names)) for role, names in zip(roles, slots, strict=True)]
