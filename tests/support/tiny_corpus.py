"""A corpus as `fimtraining.corpus build` leaves it, without building one."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from support.source_texts import make_go, make_python


def write_tiny_corpus(
    directory: Path, num_train: int = 24, num_validation: int = 4, num_shards: int = 1
) -> Path:
    """Write shards of Python and Go files, three of four Python, four files per repository.

    Args:
        directory: Where to write; created if absent.
        num_train: Documents of the training split.
        num_validation: Documents of the held-out split; 0 writes no such shard.
        num_shards: Parquet files of the training split.

    Returns:
        The directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    train = [make_row(number, "acme/train") for number in range(num_train)]
    per_shard = -(-num_train // num_shards)
    for number in range(num_shards):
        part = train[number * per_shard : (number + 1) * per_shard]
        write_shard(directory / f"train-{number:05d}.parquet", part)
    if num_validation:
        held_out = [make_row(10_000 + number, "acme/held") for number in range(num_validation)]
        write_shard(directory / "validation-00000.parquet", held_out)
    return directory


def make_row(number: int, repository: str) -> dict[str, str]:
    """Return one document; the number decides its text, language and repository."""
    is_go = number % 4 == 3
    return {
        "repository": f"{repository}-{number // 4}",
        "path": f"src/file{number}.{'go' if is_go else 'py'}",
        "language": "go" if is_go else "python",
        "text": (make_go if is_go else make_python)(number, 2 + number % 5),
    }


def write_shard(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as one Parquet file."""
    names = ("repository", "path", "language", "text")
    schema = pa.schema([(name, pa.large_string()) for name in names])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
