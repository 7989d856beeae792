"""Read a data set back: all rows in turn, or some columns of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fimcurriculum.errors import DataSetError

__all__ = ["data_files", "read_rows"]

ROWS_AT_A_TIME = 512


def data_files(out: Path) -> list[Path]:
    """Return the Parquet files of a data set, by name.

    Args:
        out: Its directory.

    Returns:
        The files.

    Raises:
        DataSetError: If there are none.
    """
    files = sorted((out / "data").glob("*/*.parquet"))
    if not files:
        raise DataSetError(f"{out}/data holds no Parquet file; mine a repository there first")
    return files


def read_rows(out: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a data set, holding a few hundred at a time.

    Args:
        out: Its directory.
        columns: What to read of each row; None reads all.

    Yields:
        dict[str, Any]: A row by column.
    """
    for path in data_files(out):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns):
                yield from batch.to_pylist()
