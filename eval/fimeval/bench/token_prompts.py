"""Whole prompts as token ids, for servers that leave the fill-in-the-middle format to the client.

The format comes from `fimserve.prompt`, told by the tokenizer's markers, as in serving.
"""

from pathlib import Path

from fimeval.bench.question import CursorText
from fimeval.errors import EvalError
from fimserve.prompt import (
    Order,
    PromptError,
    PromptParts,
    Renderer,
    TextEncoder,
    detect_format,
    load_format,
)

TYPED_ORDERS = (Order.PSM, Order.SPM)
"""Orders that need no memory of what was asked before."""


class TokenPrompts:
    """Writes prompts of one model family.

    Args:
        renderer: The family's renderer with the model's own tokenizer.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        trained = renderer.format.trained_orders
        self.orders = tuple(order for order in TYPED_ORDERS if order in trained)
        """Orders that the family was trained for."""

    def encode(self, cursor: CursorText, order: Order | None) -> list[int]:
        """Return the ids of one prompt; order None takes the family's default."""
        parts = PromptParts(cursor.prefix, cursor.suffix)
        return list(self._renderer.render(parts, order).token_ids)


def load_token_prompts(tokenizer: Path, family: str | None) -> TokenPrompts:
    """Return the writer for one tokenizer.

    Args:
        tokenizer: A tokenizer.json.
        family: Name of the prompt format; None tells it by the markers.

    Returns:
        The writer.

    Raises:
        EvalError: If the file cannot be read or no format fits it.
    """
    try:
        encoder = TextEncoder.from_file(tokenizer)
        known = detect_format(lambda token: encoder.token_id(token) is not None)
        fim_format = load_format(family) if family else known
        if fim_format is None:
            raise EvalError(f"no prompt format is known for {tokenizer.name}; give --family")
        return TokenPrompts(Renderer(fim_format, encoder))
    except OSError as error:
        raise EvalError(f"cannot read {tokenizer}: {error.strerror}; see --tokenizer") from None
    except PromptError as error:
        raise EvalError(str(error)) from None
