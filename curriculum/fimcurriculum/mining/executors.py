"""Who does the pieces: processes of this machine, or Ray Data on as many as there are.

Both call the same function on the same pieces and yield results as they come, and a piece that
ends its worker is tried alone, in halves, until the file is found. Processes are handed a few
pieces at a time; Ray gets the list of all.
"""

import logging
import pickle
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from fimcurriculum.errors import MinerError
from fimcurriculum.mining.piece import FileCounts, Piece, PieceResult, mine_piece
from fimcurriculum.sources.clone import CloneError

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
    _prepare(ray)
    waiting = {_key(piece): piece for piece in pieces}
    for row in _run_data(ray, list(waiting.values()), num_jobs):
        piece = waiting[row["key"]]
        outcome = pickle.loads(row["outcome"])
        if isinstance(outcome, CloneError):
            raise outcome
        if outcome is None:
            _mark(piece).unlink(missing_ok=True)
            yield from _run_alone(piece)
        else:
            yield outcome


def _prepare(ray: Any) -> None:
    """Join the cluster that RAY_ADDRESS names, or start one on this machine; keep it silent."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # After the line above, which makes Ray Data set its own level.
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _run_data(ray: Any, pieces: list[Piece], num_jobs: int) -> Iterator[dict[str, Any]]:
    """Yield the rows that `_mine_row` makes of pieces."""
    if pieces:
        work = ray.data.from_items([{"piece": pickle.dumps(piece)} for piece in pieces])
        # A block for each piece, so that none waits for another.
        work = work.repartition(len(pieces))
        pool = ray.data.TaskPoolStrategy(size=num_jobs)
        yield from work.map(partial(_mine_row, mine_piece), compute=pool).iter_rows()


def _mine_row(mine: Callable[[Piece], PieceResult], row: dict[str, Any]) -> dict[str, Any]:
    """Return a piece's result, or a CloneError, or None where the piece ended a worker before.

    Ray tries for ever what ends its worker, so what is under way is marked.
    """
    piece: Piece = pickle.loads(row["piece"])
    mark = _mark(piece)
    outcome: PieceResult | CloneError | None = None
    if not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        try:
            outcome = mine(piece)
        except CloneError as error:
            outcome = error
        mark.unlink()
    return {"key": _key(piece), "outcome": pickle.dumps(outcome)}


def _key(piece: Piece) -> str:
    return f"{piece.repository}/{piece.target.name}"


def _mark(piece: Piece) -> Path:
    """Return the file that says that a piece is under way: on a disk that all machines share."""
    return piece.target.with_suffix(".begun")
