"""Kept answers trimmed afterwards, as the engine would have while it wrote them.

Trimming only ends and cuts a text and never changes which tokens come, so answers that were kept
untrimmed show what it is worth without asking the model again.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fimeval.errors import GenerationsError
from fimeval.generations import (
    Generation,
    Generations,
    append_generation,
    append_session,
    load_generations,
    open_generations,
)
from fimeval.records import Record
from fimeval.run import GENERATIONS_FILE, find_task
from fimeval.score import check_generations

__all__ = ["trim_run"]


def trim_run(file: Path, data: Path | None, output: Path) -> Path:
    """Write a run with the answers of another one trimmed.

    Args:
        file: Generations file of a finished run that was not trimmed.
        data: Benchmark file; None takes it from where generation found it.
        output: Directory of the new run.

    Returns:
        The new generations file.

    Raises:
        GenerationsError: If its answers were trimmed already, or a server decided about that.
    """
    found = load_generations(file)
    settings = found.settings
    if settings.trim is not False:
        raise GenerationsError(f"{file} was not made with --no-trim, or with the model's own stop")
    task = find_task(found, data)
    check_generations(task, found)
    path = output / GENERATIONS_FILE
    begun = open_generations(path, replace(settings, trim=True))
    if not begun.rows:
        for session in found.sessions:
            append_session(path, session)
    for row in _trim_rows(found, task.records):
        if row.key not in begun.rows:
            append_generation(path, row)
    return path


def _trim_rows(found: Generations, records: tuple[Record, ...]) -> Iterator[Generation]:
    is_served = found.settings.stopping == "served"
    for record in records:
        row = found.rows[record.key]
        yield replace(row, text=_trim(row.text, record, is_served))


def _trim(text: str, record: Record, is_served: bool) -> str:
    from fimserve.engine.multiline import wants_block
    from fimserve.engine.text_stream import TextStream

    prefix, suffix, language = record.prefix, record.suffix, record.key.language
    stream = TextStream(
        [text.encode()].__getitem__,
        prefix=prefix,
        suffix=suffix,
        language=language,
        single_line=is_served and not wants_block(prefix, suffix, language),
        trim=True,
    )
    return stream.feed(0) + stream.flush()
