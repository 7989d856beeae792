r"""The small language in which families.toml writes layouts.

`<<role>>` is a marker, `{name}` a slot filled with text or sections, everything else is literal
text: `<<file>>{path}\n{text}\n`. Knows nothing of families or of what the names mean.
"""

import re
from typing import NamedTuple

_PIECE = re.compile(
    r"<<(?P<role>\w+)>>|\{(?P<slot>\w+)\}|(?P<words>(?:(?!<<\w+>>|\{\w+\}).)+)", re.S
)


class Marker(NamedTuple):
    """A place for the marker of a role, such as `prefix` or `file`."""

    role: str


class Slot(NamedTuple):
    """A place for what the caller supplies under a name."""

    name: str


class Words(NamedTuple):
    """Text, written as it stands."""

    text: str


Template = tuple[Marker | Slot | Words, ...]


def parse_template(source: str) -> Template:
    """Return the pieces of a layout in the order they are written."""
    pieces: list[Marker | Slot | Words] = []
    for match in _PIECE.finditer(source):
        if match["role"]:
            pieces.append(Marker(match["role"]))
        elif match["slot"]:
            pieces.append(Slot(match["slot"]))
        else:
            pieces.append(Words(match["words"]))
    return tuple(pieces)


def fill_template(template: Template, values: dict[str, str]) -> tuple[Marker | Words, ...]:
    """Return a template with its slots filled, neighbouring texts joined, empty texts left out."""
    filled: list[Marker | Words] = []
    for piece in template:
        if isinstance(piece, Marker):
            filled.append(piece)
            continue
        text = values[piece.name] if isinstance(piece, Slot) else piece.text
        if text and filled and isinstance(filled[-1], Words):
            filled[-1] = Words(filled[-1].text + text)
        elif text:
            filled.append(Words(text))
    return tuple(filled)
