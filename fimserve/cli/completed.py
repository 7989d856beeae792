"""A completion as the command line shows it, wherever it was made.

Knows nothing of HTTP or engines; `server_client.py` and `local_model.py` fill it in.
"""

import json
import sys
from dataclasses import dataclass, field
from typing import Literal

from fimserve.cli.cursor import Cursor

__all__ = ["Completed", "print_completed"]

NUM_CONTEXT_LINES = 4
"""Lines shown above and below a completion on a terminal."""

CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
CONTROL_PICTURES[0x7F] = 0x2421
"""A completion is a model's word: it must not send escape sequences to a terminal."""


@dataclass(frozen=True, slots=True)
class Completed:
    """One completion and how it came about."""

    text: str
    finish_reason: str
    source: Literal["server", "local"]
    model: str
    usage: dict[str, int] = field(default_factory=dict)
    """Counts of tokens: `prompt_tokens`, `cached_tokens`, `completion_tokens`."""
    timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds: `queue_ms`, `ttft_ms`, `e2e_ms` of the engine, `total_ms` as seen from here,
    `load_ms` where the model was loaded here."""


def print_completed(completed: Completed, cursor: Cursor, as_json: bool) -> None:
    """Print a completion: as JSON, in its context on a terminal, or as bare text.

    Args:
        completed: The completion.
        cursor: The text around it.
        as_json: Whether one JSON object is wanted.
    """
    if as_json:
        print(json.dumps(_to_json(completed)))
    elif sys.stdout.isatty():
        _print_in_context(completed, cursor)
    else:
        # Exactly the text: no line end is added, none is translated.
        sys.stdout.buffer.write(completed.text.encode())
        sys.stdout.buffer.flush()


def _to_json(completed: Completed) -> dict[str, object]:
    return {
        "text": completed.text,
        "finish_reason": completed.finish_reason,
        "usage": completed.usage,
        "timings": {name: round(value, 3) for name, value in completed.timings.items()},
        "source": completed.source,
        "model": completed.model,
    }


def _print_in_context(completed: Completed, cursor: Cursor) -> None:
    from rich.console import Console
    from rich.text import Text

    before = cursor.prefix.split("\n")[-NUM_CONTEXT_LINES - 1 :]
    after = cursor.suffix.split("\n")[: NUM_CONTEXT_LINES + 1]
    shown = Text.assemble(
        ("\n".join(before).translate(CONTROL_PICTURES), "dim"),
        (completed.text.translate(CONTROL_PICTURES), "bold green"),
        ("\n".join(after).translate(CONTROL_PICTURES), "dim"),
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(shown)
    num_tokens = completed.usage.get("completion_tokens", 0)
    console.print(
        Text(
            f"{num_tokens} tokens in {completed.timings['total_ms']:.0f} ms, ends by "
            f"{completed.finish_reason}, {completed.model} ({completed.source})",
            style="cyan",
        )
    )
