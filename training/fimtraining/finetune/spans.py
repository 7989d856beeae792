"""Mined spans as training reads them: one split of a mined data set, held in Arrow memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fimserve.prompt import Snippet

COLUMNS = (
    "id",
    "repository",
    "language",
    "path",
    "kind",
    "prefix",
    "middle",
    "suffix",
    "snippets",
    "hardness",
    "hardness_telemetry",
)


class SpansError(ValueError):
    """A data set that cannot be trained on."""


@dataclass(frozen=True, slots=True)
class MinedSpan:
    """One span, as far as an example needs it."""

    id: str
    repository: str
    language: str
    path: str
    kind: str
    prefix: str
    middle: str
    suffix: str
    snippets: tuple[Snippet, ...]


class MinedSpans:
    """The spans of one split.

    Args:
        directory: Output of `fimserve mine`.
        split: "train" or "validation".

    Raises:
        SpansError: If there is no such split, it has no rows, or columns are missing.
    """

    def __init__(self, directory: Path, split: str) -> None:
        shards = sorted((directory / "data" / split).glob("*.parquet"))
        if not shards:
            raise SpansError(
                f"{directory} has no data/{split}/*.parquet; give what `fimserve mine` wrote"
            )
        try:
            tables = [pq.read_table(shard, columns=list(COLUMNS)) for shard in shards]
        except (KeyError, pa.ArrowInvalid, OSError) as error:
            raise SpansError(f"{directory}, split {split}, cannot be read: {error}") from error
        table = pa.concat_tables(tables)
        if missing := sorted(set(COLUMNS) - set(table.column_names)):
            raise SpansError(f"{directory}, split {split}, lacks the columns {', '.join(missing)}")
        if not len(table):
            raise SpansError(f"{directory}, split {split}, has no rows")
        self._columns = {name: table[name].combine_chunks() for name in COLUMNS}
        self.kinds = np.array(table["kind"].to_pylist())
        """[N] kind of each span."""
        self.languages = np.array(table["language"].to_pylist())
        """[N] language of each span."""
        self.hardness = np.nan_to_num(table["hardness"].to_numpy().astype(np.float64), nan=0.5)
        """[N] 0 (easy) to 1."""
        self.refusal = _find_refusal(table)
        """Kind -> share of suggestions that users refused; empty without telemetry."""
        self.sha256 = hashlib.sha256("\n".join(table["id"].to_pylist()).encode()).hexdigest()
        """Hash of the ids of all spans, in order."""
        signals = [self.sha256, self.hardness.tobytes().hex(), str(sorted(self.refusal.items()))]
        self.signals_sha256 = hashlib.sha256("\n".join(signals).encode()).hexdigest()
        """Hash of ids and of what is known of hardness, which may be scored anew."""

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> MinedSpan:
        values = {name: column[index].as_py() for name, column in self._columns.items()}
        del values["hardness"], values["hardness_telemetry"]
        pieces = values.pop("snippets") or ()
        return MinedSpan(
            **values, snippets=tuple(Snippet(piece["path"], piece["text"]) for piece in pieces)
        )


def _find_refusal(table: pa.Table) -> dict[str, float]:
    pairs = zip(table["kind"].to_pylist(), table["hardness_telemetry"].to_pylist(), strict=True)
    return {kind: float(value) for kind, value in pairs if value is not None}
