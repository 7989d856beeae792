"""The FIM formats of all model families, read from families.toml.

A format is data: which strings mark prefix, suffix, middle, repository and file, in which orders
they are laid out, what comes first and what ends a completion. Knows nothing of token ids.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from fimserve.prompt.errors import InvalidFamilyTable, UnknownFamily, UnsupportedOrder
from fimserve.prompt.parts import Order
from fimserve.prompt.template import Marker, Slot, Template, parse_template

Status = Literal["verified", "third-party", "unverified"]

_SIDE_SLOTS = {"prefix", "suffix"}
_SLOTS = _SIDE_SLOTS | {"increment", "blank", "repo", "snippets", "current", "head"}
_SECTION_SLOTS = {"repo", "path", "text"}


@dataclass(frozen=True, slots=True)
class FimFormat:
    """One family's prompt format."""

    family: str
    markers: Mapping[str, str]
    """Token of each role: prefix, suffix, middle (where used), repo and file (where they exist)."""
    marker_texts: Mapping[str, str]
    """How roles appear in rendered text, where that differs from the token."""
    orders: Mapping[Order, Template]
    """Layout of every supported order."""
    plain: Template
    """Layout without a suffix."""
    default_order: Order
    trained_orders: frozenset[Order]
    """Orders that the published checkpoints saw in training; a checkpoint's own metadata wins."""
    status: Mapping[str, Status]
    """Where each layout comes from, by order, and `context` for the layout of other files."""
    bos: str | None
    """Token at position 0, or None."""
    end: str
    """Token that a model writes after the middle."""
    stop_tokens: tuple[str, ...]
    """Tokens that end a completion besides `end` and the markers; not every tokenizer has all."""
    stop_strings: tuple[str, ...]
    repo: Template
    snippet: Template
    unnamed_snippet: Template
    current: Template
    unnamed_current: Template
    head: Template
    comments: bool
    """Snippets are line comments in front of the prefix rather than file sections."""
    strip_snippets: bool
    """Trailing newlines of snippets are replaced by `snippet_end`; otherwise text is verbatim."""
    snippet_end: str
    current_alone: bool
    """The header of the current file is written even without snippets."""
    detect: frozenset[str]
    """Tokens whose presence identifies the family; empty where only a name can."""

    def template(self, order: Order) -> Template:
        """Return the layout of an order.

        Args:
            order: The order asked for.

        Returns:
            Markers, slots and literal text.

        Raises:
            UnsupportedOrder: If the family has no such layout.
        """
        try:
            return self.orders[order]
        except KeyError:
            raise UnsupportedOrder(self.family, order, self.orders) from None

    def required_tokens(self) -> tuple[str, ...]:
        """Return every token that a tokenizer must hold for this format to be rendered."""
        bos = () if self.bos is None else (self.bos,)
        return (*bos, *self.markers.values(), self.end)


def load_format(family: str) -> FimFormat:
    """Return the format of a family.

    Args:
        family: Name of the family, one of `format_names()`.

    Returns:
        The same object on every call.

    Raises:
        UnknownFamily: If the table has no such family; the message names the nearest.
    """
    formats = _load_formats()
    if family not in formats:
        nearest = difflib.get_close_matches(family.lower(), formats, n=1, cutoff=0.4)
        raise UnknownFamily(family, nearest[0] if nearest else None, formats)
    return formats[family]


def format_names() -> tuple[str, ...]:
    """Return the names of all families, in the order in which they are detected."""
    return tuple(_load_formats())


def detect_format(has_token: Callable[[str], bool]) -> FimFormat | None:
    """Return the format of the first family whose identifying tokens a tokenizer has.

    Families that share another one's tokens (Mellum and Refact use StarCoder's) are never returned;
    metadata of a checkpoint must name them and should be asked first.

    Args:
        has_token: Tells whether the tokenizer holds a string as one token.

    Returns:
        The format, or None where no family matches.
    """
    for fim_format in _load_formats().values():
        if fim_format.detect and all(map(has_token, sorted(fim_format.detect))):
            return fim_format
    return None


@cache
def _load_formats() -> dict[str, FimFormat]:
    source = resources.files(__package__).joinpath("families.toml").read_text(encoding="utf-8")
    return {family: _build_format(family, entry) for family, entry in tomllib.loads(source).items()}


def _build_format(family: str, entry: dict[str, Any]) -> FimFormat:
    fim_format = FimFormat(
        family=family,
        markers=entry.pop("markers"),
        marker_texts=entry.pop("marker_texts", {}),
        orders={Order(name): parse_template(text) for name, text in entry.pop("orders").items()},
        plain=parse_template(entry.pop("plain")),
        default_order=Order(entry.pop("default")),
        trained_orders=frozenset(map(Order, entry.pop("trained"))),
        status=entry.pop("status"),
        bos=entry.pop("bos", None),
        end=entry.pop("end"),
        stop_tokens=tuple(entry.pop("stop_tokens")),
        stop_strings=tuple(entry.pop("stop_strings", ())),
        repo=parse_template(entry.pop("repo", "")),
        snippet=parse_template(entry.pop("snippet", "")),
        unnamed_snippet=parse_template(entry.pop("unnamed_snippet", "")),
        current=parse_template(entry.pop("current", "")),
        unnamed_current=parse_template(entry.pop("unnamed_current", "")),
        head=parse_template(entry.pop("head", "")),
        comments=entry.pop("snippets_as", "files") == "comments",
        strip_snippets=entry.pop("strip_snippets", False),
        snippet_end=entry.pop("snippet_end", ""),
        current_alone=entry.pop("current_alone", False),
        detect=frozenset(entry.pop("detect", ())),
    )
    _check_format(fim_format, unknown_keys=sorted(entry))
    return fim_format


def _check_format(fim_format: FimFormat, unknown_keys: list[str]) -> None:
    where = f"families.toml, [{fim_format.family}]:"
    if unknown_keys:
        raise InvalidFamilyTable(f"{where} unknown keys {unknown_keys}; see the head of the file")
    if fim_format.default_order not in fim_format.orders:
        raise InvalidFamilyTable(f"{where} default order {fim_format.default_order} has no layout")
    if not fim_format.trained_orders <= fim_format.orders.keys():
        raise InvalidFamilyTable(f"{where} a trained order has no layout")
    if fim_format.comments == bool(fim_format.snippet):
        raise InvalidFamilyTable(f"{where} snippets are either comments or have a layout")
    sections = (
        fim_format.repo,
        fim_format.snippet,
        fim_format.unnamed_snippet,
        fim_format.current,
        fim_format.unnamed_current,
        fim_format.head,
    )
    layouts = (*fim_format.orders.values(), fim_format.plain)
    roles = {p.role for t in (*layouts, *sections) for p in t if isinstance(p, Marker)}
    if roles != fim_format.markers.keys():
        raise InvalidFamilyTable(
            f"{where} layouts use the roles {sorted(roles)}, "
            f"the table defines {sorted(fim_format.markers)}; they must be the same"
        )
    unknown_slots = set().union(*map(_slots, layouts)) - _SLOTS
    unknown_slots |= set().union(*map(_slots, sections)) - _SECTION_SLOTS
    if unknown_slots:
        raise InvalidFamilyTable(f"{where} unknown slots {sorted(unknown_slots)}")
    for order, template in fim_format.orders.items():
        needed = _SIDE_SLOTS | ({"increment"} if order is Order.MIDDLE_INCREMENT else set())
        if missing := needed - _slots(template):
            raise InvalidFamilyTable(f"{where} order {order} lacks the slots {sorted(missing)}")


def _slots(template: Template) -> set[str]:
    return {piece.name for piece in template if isinstance(piece, Slot)}
