"""A mined data set of a few dozen spans, written with the miner's own schema."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from fimcurriculum.schema import arrow_schema

KINDS = ("call", "function", "class", "random", "loop")


def write_tiny_spans(
    directory: Path,
    num_train: int = 60,
    num_validation: int = 10,
    kinds: tuple[str, ...] = KINDS,
    refusal: Mapping[str, float] = MappingProxyType({}),
) -> Path:
    """Write one file per split, where the miner puts the file of a repository.

    Args:
        directory: Where the data set lies.
        num_train: Spans to train on.
        num_validation: Spans held out; 0 writes no such split.
        kinds: Kinds that the spans have in turn.
        refusal: Kind -> share of suggestions that users refused.

    Returns:
        The directory.
    """
    for split, count in (("train", num_train), ("validation", num_validation)):
        if count:
            folder = directory / "data" / split
            folder.mkdir(parents=True, exist_ok=True)
            rows = [_make_row(split, index, kinds[index % len(kinds)]) for index in range(count)]
            for row in rows:
                row["hardness_telemetry"] = refusal.get(str(row["kind"]))
            table = pa.Table.from_pylist(rows, schema=arrow_schema())
            pq.write_table(table, folder / "own+name.parquet")
    return directory


def _make_row(split: str, index: int, kind: str) -> dict[str, object]:
    language = ("python", "go")[index % 2]
    row: dict[str, object] = dict.fromkeys(arrow_schema().names)
    for field in arrow_schema():
        if pa.types.is_integer(field.type):
            row[field.name] = index
        elif pa.types.is_string(field.type):
            row[field.name] = "x"
    return row | {
        "id": f"{split}-{index}",
        "repository": f"{split}/r",
        "language": language,
        "path": f"src/f{index}.py",
        "kind": kind,
        "prefix": f"def f{index}(values):\n    total = ",
        "middle": f"sum(values) + {index}",
        "suffix": "\n    return total\n",
        "snippets": [
            {"path": f"lib/{index}.py", "text": f"def helper{index}(): ...", "reason": "definition"}
        ],
        "hardness": index / 60,
        "hardness_static": 0.5,
        "split": split,
    }
