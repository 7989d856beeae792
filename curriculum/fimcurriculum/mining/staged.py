"""What mining leaves for choosing: rows of places and measures, without the code itself.

Code is read again from the repository when an example is written, so that what waits here stays
small.
"""

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["FILE_SCHEMA", "SPAN_SCHEMA", "StagedFile", "StagedSpan"]


@dataclass(frozen=True, slots=True)
class StagedSpan:
    """One span of a file."""

    path: str
    blob: str
    language: str
    kind: str
    start: int
    end: int
    num_lines: int
    tree_size: int
    tree_depth: int
    cyclomatic: int
    num_new_identifiers: int
    identifiers: list[str]
    sketch: bytes
    """State of the MinHash sketch of the span with the lines around it."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """What the rest of the repository has to know of a file."""

    path: str
    blob: str
    definitions: list[str]
    sketch: bytes
    """State of the MinHash sketch of the whole file."""


SPAN_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("blob", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        *(
            (name, pa.int32())
            for name in (
                "start",
                "end",
                "num_lines",
                "tree_size",
                "tree_depth",
                "cyclomatic",
                "num_new_identifiers",
            )
        ),
        ("identifiers", pa.list_(pa.string())),
        ("sketch", pa.binary()),
    ]
)

FILE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("blob", pa.string()),
        ("definitions", pa.list_(pa.string())),
        ("sketch", pa.binary()),
    ]
)
