"""Who does the pieces: processes of this machine, or Ray Data on as many as there are.

Both call the same function on the same pieces and yield results as they come. Pieces are handed out
a few at a time, so a list of a million would not be held.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal

from fimcurriculum.errors import MinerError
from fimcurriculum.mining.piece import FileCounts, Piece, PieceResult, mine_piece

__all__ = ["ExecutorName", "run_pieces"]

ExecutorName = Literal["local", "ray"]

PIECES_AHEAD = 2
"""Pieces waiting for each worker."""

PIECES_PER_WORKER = 200
"""A worker is replaced after so many, so that what its libraries keep cannot add up."""


def run_pieces(
    pieces: Iterator[Piece], executor: ExecutorName, num_jobs: int
) -> Iterator[PieceResult]:
    """Yield the result of each piece, in any order.

    Args:
        pieces: The work.
        executor: Who does it.
        num_jobs: Processes; with `local` 1 works in this one.

    Yields:
        PieceResult: Counts; the rows are on disk by then. Where Ray is asked for and not
            installed, a MinerError.
    """
    if executor == "ray":
        yield from _run_ray(pieces, num_jobs)
    elif num_jobs == 1:
        yield from map(mine_piece, pieces)
    else:
        yield from _run_processes(pieces, num_jobs)


def _run_processes(pieces: Iterator[Piece], num_jobs: int) -> Iterator[PieceResult]:
    while True:
        suspects = yield from _run_pool(pieces, num_jobs)
        if not suspects:
            return
        for piece in suspects:
            yield from _run_alone(piece)


def _run_pool(pieces: Iterator[Piece], num_jobs: int) -> Generator[PieceResult, None, list[Piece]]:
    """Yield results, and return what was under way when a worker died."""
    running: dict[Future[PieceResult], Piece] = {}
    with _make_pool(num_jobs) as pool:
        try:
            while True:
                for piece in islice(pieces, num_jobs * PIECES_AHEAD - len(running)):
                    running[pool.submit(mine_piece, piece)] = piece
                if not running:
                    return []
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            return list(running.values())


def _run_alone(piece: Piece) -> Iterator[PieceResult]:
    """Yield the result of a piece that may end its process, halving it until the file is found."""
    with _make_pool(1) as pool:
        try:
            yield pool.submit(mine_piece, piece).result()
            return
        except BrokenProcessPool:
            pass
    if len(piece.files) == 1:
        file = piece.files[0]
        counts = FileCounts(file.path, file.blob, file.language, dropped="worker_died")
        yield PieceResult(piece.repository, piece.target.name, [counts])
        return
    half = len(piece.files) // 2
    for number, files in enumerate((piece.files[:half], piece.files[half:])):
        target = piece.target.with_name(f"{piece.target.name}{'ab'[number]}")
        yield from _run_alone(_with_files(piece, files, target))


def _with_files(piece: Piece, files: Any, target: Any) -> Piece:
    return Piece(
        piece.repository, piece.git_dir, files, piece.recipe, piece.decontamination, target
    )


def _make_pool(num_jobs: int) -> ProcessPoolExecutor:
    # Forked workers would inherit the threads of progress bars and Arrow in the middle of things.
    return ProcessPoolExecutor(
        num_jobs, mp_context=get_context("spawn"), max_tasks_per_child=PIECES_PER_WORKER
    )


def _run_ray(pieces: Iterator[Piece], num_jobs: int) -> Iterator[PieceResult]:
    try:
        import ray
    except ImportError:
        raise MinerError("--executor ray needs Ray: pip install 'fimserve[ray]'") from None
    call: Callable[[dict[str, Any]], dict[str, Any]] = _mine_row
    work = ray.data.from_items([{"piece": piece} for piece in pieces])
    for row in work.repartition(max(1, work.count())).map(call, concurrency=num_jobs).iter_rows():
        yield row["result"]


def _mine_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"result": mine_piece(row["piece"])}
