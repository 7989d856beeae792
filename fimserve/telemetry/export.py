"""Writes events to a Parquet file, for whoever analyses them elsewhere.

Parquet comes from pyarrow, which serving does not need: without it the error says what to install.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fimserve.telemetry.errors import ExportError
from fimserve.telemetry.event import EVENT_RULES, TEXT_FIELDS
from fimserve.telemetry.rules import Flag, Number, OneOf, Rule, Whole

__all__ = ["write_parquet"]

MAX_INT32 = 2**31 - 1


def write_parquet(
    pages: Iterable[list[dict[str, Any]]], file: Path, with_text: bool = False
) -> int:
    """Write rows to a Parquet file that appears only once it is whole.

    Args:
        pages: Rows by column name, a page at a time; a page becomes a row group.
        file: The file; replaced where it is there.
        with_text: Whether the columns of code are written.

    Returns:
        Number of rows.

    Raises:
        ExportError: If pyarrow is missing or the file cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ExportError(
            "writing Parquet needs pyarrow; install it with: pip install 'fimserve[parquet]'"
        ) from None
    schema = _make_schema(pa, with_text)
    unfinished = file.with_name(file.name + ".tmp")
    num_rows = 0
    try:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for page in pages:
                writer.write_table(pa.Table.from_pylist(page, schema=schema))
                num_rows += len(page)
        unfinished.replace(file)
    except OSError as error:
        raise ExportError(f"cannot write {file}: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return num_rows


def _make_schema(pa: Any, with_text: bool) -> Any:
    columns = [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("received_ms", pa.int64(), nullable=False),
    ]
    for name, rule in EVENT_RULES.items():
        if with_text or name not in TEXT_FIELDS:
            columns.append(pa.field(name, _type_of(pa, rule)))
    return pa.schema(columns)


def _type_of(pa: Any, rule: Rule) -> Any:
    match rule:
        case Flag():
            return pa.bool_()
        case Number():
            return pa.float64()
        case Whole(max=largest):
            return pa.int32() if largest <= MAX_INT32 else pa.int64()
        case OneOf(values=values) if isinstance(values[0], int):
            return pa.int32()
        case _:
            return pa.string()
