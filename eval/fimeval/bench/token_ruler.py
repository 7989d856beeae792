"""Cuts text to a number of tokens.

Measures with a tokenizer.json; by default the embedded model's, which is found, not imported.
"""

import importlib.util
from pathlib import Path

from tokenizers import Tokenizer

from fimeval.errors import EvalError

MAX_CHARS_PER_TOKEN = 6
"""Code of any usual language has fewer; only that much text is measured at once."""


class TokenRuler:
    """Measures with one tokenizer.

    Args:
        tokenizer: The tokenizer.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        return len(self._encode(text))

    def head(self, text: str, num_tokens: int) -> str:
        """Return the beginning of a text, at most so many tokens of it."""
        near = text[: num_tokens * MAX_CHARS_PER_TOKEN]
        offsets = self._encode(near)
        return near if len(offsets) <= num_tokens else near[: offsets[num_tokens][0]]

    def tail(self, text: str, num_tokens: int) -> str:
        """Return the end of a text, at most so many tokens of it."""
        near = text[-num_tokens * MAX_CHARS_PER_TOKEN :] if num_tokens else ""
        offsets = self._encode(near)
        return near if len(offsets) <= num_tokens else near[offsets[-num_tokens][0] :]

    def _encode(self, text: str) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = self._tokenizer.encode(
            text, add_special_tokens=False
        ).offsets
        return offsets


def load_ruler(path: Path | None = None) -> TokenRuler:
    """Return a ruler.

    Args:
        path: A tokenizer.json; None takes the embedded model's.

    Returns:
        The ruler.

    Raises:
        EvalError: If the file cannot be read as a tokenizer.
    """
    path = path or find_embedded_tokenizer()
    try:
        return TokenRuler(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises nothing narrower
        raise EvalError(
            f"cannot read {path.name} as a tokenizer: {error}; see --tokenizer"
        ) from None


def find_embedded_tokenizer() -> Path:
    """Return the embedded model's tokenizer.json.

    Returns:
        Its path.

    Raises:
        EvalError: If fimserve is not installed.
    """
    spec = importlib.util.find_spec("fimserve")
    if spec is None or spec.origin is None:
        raise EvalError("the package fimserve is not installed; give --tokenizer")
    return Path(spec.origin).parent / "models" / "embedded" / "tokenizer.json"
