"""One completion given piece by piece, as a test reads it."""

from __future__ import annotations

from typing import NamedTuple

from fimserve.engine.text_stream import TextStream
from support.notation import fim


class Shown(NamedTuple):
    """Holds what a client saw."""

    text: str
    stopped: bool


def show(
    document: str,
    written: str,
    language: str | None = None,
    *,
    single_line: bool = False,
    trim: bool = True,
    num_chars: int | None = None,
    at_deadline: bool = False,
    stops: tuple[str, ...] = (),
) -> Shown:
    """Return what a client sees of what a model writes.

    Args:
        document: Text with one `█`.
        written: What the model writes there, if nothing stops it.
        language: Language id.
        single_line: Whether one line is wanted.
        trim: Whether trimming is on.
        num_chars: Characters per token; None makes it one token.
        at_deadline: Whether time is up when the model has written that.
        stops: Stop strings.

    Returns:
        The text, and whether a rule ended it.
    """
    prefix, suffix = fim(document)
    step = num_chars or max(1, len(written))
    tokens = [written[i : i + step].encode() for i in range(0, len(written), step)]
    stream = TextStream(
        tokens.__getitem__,
        stops,
        prefix=prefix,
        suffix=suffix,
        language=language,
        single_line=single_line,
        trim=trim,
    )
    text = ""
    for token_id in range(len(tokens)):
        text += stream.feed(token_id)
        if stream.stopped:
            return Shown(text, True)
    text += stream.finish_at_line_end() if at_deadline else stream.flush()
    return Shown(text, stream.stopped)
