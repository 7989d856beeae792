"""Benchmark files: JSON lines, plain or gzip, every row an object with the fields of its task.

Owns reading, the checksum and the first complaint about a bad row, always with its line number.
Knows nothing of what the fields mean.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fimeval.errors import DataFileError


@dataclass(frozen=True, slots=True)
class DataRow:
    """One checked line of a benchmark file: the required fields."""

    path: Path
    line_number: int
    fields: dict[str, str]
    """Those that are text."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Those that may be of any type; None where the row lacks one."""

    def refuse(self, reason: str) -> DataFileError:
        """Return the error that says what is wrong with this row and where it stands."""
        return DataFileError(f"{self.path}, line {self.line_number}: {reason}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A benchmark file as read: where it was, the SHA-256 of its bytes, its rows in order."""

    path: Path
    sha256: str
    rows: tuple[DataRow, ...]


def load_data_file(path: Path, fields: Sequence[str], values: Sequence[str] = ()) -> DataFile:
    """Read a `.jsonl` or `.jsonl.gz` file and check that every row has the named text fields.

    Args:
        path: The file; the ending decides whether it is decompressed.
        fields: Names that every row must carry with a string value.
        values: Names that are kept as they are, and are None where a row lacks them. Other fields
            are dropped.

    Returns:
        The rows in file order. Blank lines are skipped but counted in line numbers.

    Raises:
        DataFileError: If the file is missing, has another ending, is not UTF-8 JSON lines, has no
            row, or a row lacks a field.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise DataFileError(f"{path} ends in neither .jsonl nor .jsonl.gz; rename or convert it")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror}); check --data") from error
    # Split at \n alone: source code in JSON strings may hold U+2028, which splitlines() splits at.
    lines = _decode(path, raw).split("\n")
    rows = tuple(
        _parse_row(path, number, line, fields, values)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not rows:
        raise DataFileError(f"{path} holds no rows; a benchmark file has at least one")
    return DataFile(path, hashlib.sha256(raw).hexdigest(), rows)


def write_data_file(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines, compressed where the name ends in .gz; whole or not at all.

    Args:
        path: The file.
        rows: The rows.

    Returns:
        How many there were.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.part")
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    content = "".join(lines).encode()
    # mtime=0: the same rows make the same file.
    written.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    written.replace(path)
    return len(lines)


def _decode(path: Path, raw: bytes) -> str:
    try:
        content = gzip.decompress(raw) if path.name.endswith(".gz") else raw
        return content.decode("utf-8")
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} is not a whole gzip file ({error}); fetch it again") from error
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path} is not UTF-8 ({error}); convert it") from error


def _parse_row(
    path: Path, line_number: int, line: str, fields: Sequence[str], values: Sequence[str]
) -> DataRow:
    row = DataRow(path, line_number, {})
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise row.refuse(f"not JSON ({error})") from error
    if not isinstance(value, dict):
        raise row.refuse(f"a {type(value).__name__}, but a row is a JSON object")
    wanted = f"every row needs {', '.join(fields)}"
    for name in fields:
        if name not in value:
            raise row.refuse(f"field {name!r} is missing; {wanted}")
        if not isinstance(value[name], str):
            kind = type(value[name]).__name__
            raise row.refuse(f"field {name!r} is {kind}, not a string; {wanted} as strings")
    return DataRow(
        path,
        line_number,
        {name: value[name] for name in fields},
        {name: value.get(name) for name in values},
    )
