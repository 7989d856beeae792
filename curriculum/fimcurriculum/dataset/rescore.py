"""Bring the hardness of written examples up to date with scores that came later."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fimcurriculum.dataset.read import ROWS_AT_A_TIME, data_files
from fimcurriculum.hardness.combine import combine
from fimcurriculum.hardness.scores import ModelScore
from fimcurriculum.schema import arrow_schema

__all__ = ["rescore"]


def rescore(out: Path, scores: dict[str, ModelScore]) -> int:
    """Write scores and the hardness that follows from them into the examples.

    An example whose score is gone, say another model's, becomes what it was without.

    Args:
        out: Directory of the data set.
        scores: By the span's id.

    Returns:
        Number of examples that have a score.
    """
    return sum(_rescore_file(path, scores) for path in data_files(out))


def _rescore_file(path: Path, scores: dict[str, ModelScore]) -> int:
    partial = path.with_suffix(".partial")
    num_scored = 0
    schema = arrow_schema()
    with (
        pq.ParquetFile(path) as source,
        pq.ParquetWriter(partial, schema, compression="zstd") as target,
    ):
        for batch in source.iter_batches(ROWS_AT_A_TIME):
            rows = batch.to_pylist()
            for row in rows:
                score = scores.get(row["id"])
                num_scored += score is not None
                _take(row, score)
            target.write_table(pa.Table.from_pylist(rows, schema=schema))
    os.replace(partial, path)
    return num_scored


def _take(row: dict[str, Any], score: ModelScore | None) -> None:
    failure = None if score is None else score.failure
    row["exact_match"] = None if score is None else score.exact_match
    row["edit_similarity"] = None if score is None else score.edit_similarity
    row["mean_nll"] = None if score is None else score.mean_nll
    row["hardness_model"] = failure
    row["hardness"] = combine(failure, row["hardness_telemetry"], row["hardness_static"])
