"""Make a corpus small enough to send, in loads of a size that fits.

    python -m fimtraining.shards pack CORPUS OUT [--max-mib 56]
    python -m fimtraining.shards check CORPUS-THERE

`pack` writes directories `OUT/load-00`, `OUT/load-01`, ... of at most so many MiB each. The files
of all loads, laid into one directory, are a corpus again: `fimtraining.pretrain --corpus` reads it
as it is, and `check` tells what has not arrived. It holds what training needs (texts, paths,
languages, imports) and not the paper trail, whose checksums do not compress; and it is packed
harder, over many neighbouring files at once.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.progress import track

COLUMNS = ("repository", "path", "language", "text", "imports")
LISTING = "shards.json"
_MIB = 1 << 20
FILE_BYTES = 48 * _MIB
"""Text of one file, compressed at once."""

app = typer.Typer(no_args_is_help=True, help="Pack a corpus into files of limited size.")
console = Console()


class MissingShards(Exception):
    """Files of a packed corpus are absent or not what was packed."""


def pack_corpus(
    corpus: Path, out: Path, max_mib: float, level: int, num_workers: int
) -> list[Path]:
    """Write a corpus as small files, in directories of limited size.

    Args:
        corpus: Output of `fimtraining.corpus build`.
        out: Directory to write; loads of an earlier call are removed.
        max_mib: Largest load.
        level: Of zstd; 19 is slow and small.
        num_workers: Processes that compress.

    Returns:
        The loads.

    Raises:
        FileNotFoundError: If the corpus has no shards.
    """
    shards = sorted(corpus.glob("train-*.parquet")) + sorted(corpus.glob("validation-*.parquet"))
    if not shards:
        raise FileNotFoundError(f"no train-*.parquet in {corpus}; build it first")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("load-*"):
        shutil.rmtree(old)
    with ProcessPoolExecutor(num_workers) as pool:
        found = pool.map(_pack_shard, [(shard, out, level) for shard in shards])
        files = [file for group in track(found, "pack", len(shards)) for file in group]
    listing = json.dumps({file.name: _sha256(file) for file in files}, indent=1) + "\n"
    loads = _share_out(files, out, max_mib)
    for load in loads:
        (load / LISTING).write_text(listing, encoding="utf-8")
    return loads


def check_shards(directory: Path) -> int:
    """Return how many files a packed corpus has.

    Args:
        directory: What `pack_corpus` wrote, or a copy of it.

    Returns:
        Number of files.

    Raises:
        MissingShards: If one is absent or damaged.
    """
    listing = json.loads((directory / LISTING).read_text(encoding="utf-8"))
    absent = [name for name in listing if not (directory / name).is_file()]
    if absent:
        raise MissingShards(f"{directory} lacks {', '.join(absent)}; bring them")
    wrong = [name for name, digest in listing.items() if _sha256(directory / name) != digest]
    if wrong:
        raise MissingShards(f"{', '.join(wrong)} in {directory} arrived damaged; bring them again")
    return len(listing)


def _pack_shard(job: tuple[Path, Path, int]) -> list[Path]:
    """Compress one shard as files of about `FILE_BYTES` of text."""
    shard, out, level = job
    schema = pq.read_schema(shard)
    table = pq.read_table(shard, columns=[name for name in COLUMNS if name in schema.names])
    paths = []
    for number, part in enumerate(_parts(table)):
        path = out / f"{shard.stem}-{number:03d}.parquet"
        pq.write_table(
            part,
            path,
            row_group_size=len(part),
            compression="zstd",
            compression_level=level,
            use_dictionary=["repository", "language"],
            data_page_size=4 * FILE_BYTES,
            write_statistics=False,
        )
        paths.append(path)
    return paths


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    """Yield stretches of rows of about `FILE_BYTES` of text."""
    first = size = 0
    for row, num_bytes in enumerate(pc.binary_length(table["text"]).to_pylist()):
        size += num_bytes
        if size >= FILE_BYTES:
            yield table.slice(first, row + 1 - first)
            first, size = row + 1, 0
    if first < len(table):
        yield table.slice(first)


def _share_out(files: list[Path], out: Path, max_mib: float) -> list[Path]:
    """Move files into as many directories as their sizes need, in order."""
    loads: list[Path] = []
    room = 0.0
    for file in files:
        size = file.stat().st_size
        if size > room:
            loads.append(out / f"load-{len(loads):02d}")
            loads[-1].mkdir()
            room = max_mib * _MIB
        file.rename(loads[-1] / file.name)
        room -= size
    return loads


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@app.command()
def pack(
    corpus: Annotated[Path, typer.Argument(exists=True, help="Output of fimtraining.corpus.")],
    out: Annotated[Path, typer.Argument(help="Directory to write.")],
    max_mib: Annotated[float, typer.Option(help="Largest load, MiB.")] = 56.0,
    level: Annotated[int, typer.Option(help="Of zstd.")] = 19,
    jobs: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Write a corpus as loads of limited size."""
    for load in pack_corpus(corpus, out, max_mib, level, jobs):
        files = list(load.glob("*.parquet"))
        size = sum(file.stat().st_size for file in files) / _MIB
        console.print(f"{load}: {len(files)} files, {size:.1f} MiB", highlight=False)


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(exists=True, help="A packed corpus.")],
) -> None:
    """Say whether every file has arrived."""
    try:
        console.print(f"{check_shards(directory)} files, all whole", highlight=False)
    except MissingShards as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
