"""What a request says of the place to complete, however its dialect's prompt was written.

A prompt may be text, token ids, or a text in which the client laid out a whole template itself.
Knows nothing of a dialect's other fields.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fimserve.engine import InvalidRequest
from fimserve.prompt import Snippet, recognise_template
from fimserve.server.errors import BadRequest
from fimserve.server.service import CompletionEngine

__all__ = ["CursorText", "decode_text", "read_prompt"]


@dataclass(frozen=True, slots=True)
class CursorText:
    """Holds the text around a cursor."""

    prefix: str
    """Text before it."""
    suffix: str | None
    """Text after it; None asks for a plain continuation."""
    path: str | None = None
    """Path of the current file, where the prompt itself names it."""
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files that the prompt itself holds."""


def read_prompt(
    prompt: str | Sequence[int], suffix: str | None, engine: CompletionEngine
) -> CursorText:
    """Return what a prompt and maybe a suffix say of the cursor.

    Args:
        prompt: Text before the cursor, as text or as token ids; without a suffix also a template
            that the client laid out.
        suffix: Text after the cursor, or None.
        engine: Knows the tokens.

    Returns:
        The text around the cursor.
    """
    text = prompt if isinstance(prompt, str) else decode_text(prompt, engine, "prompt")
    parts = recognise_template(text) if suffix is None else None
    if parts is None:
        return CursorText(text, suffix)
    return CursorText(parts.prefix, parts.suffix, parts.path, parts.snippets)


def decode_text(token_ids: Sequence[int], engine: CompletionEngine, param: str) -> str:
    """Return the text of token ids.

    Args:
        token_ids: A client's ids.
        engine: Knows the tokens.
        param: Name of the field that held them.

    Returns:
        The text, markers by their names.

    Raises:
        BadRequest: If an id is no token's.
    """
    try:
        return engine.detokenise(token_ids)
    except InvalidRequest as error:
        raise BadRequest(f"{param}: {error}.", param=param) from error
