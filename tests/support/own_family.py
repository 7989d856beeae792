"""A renderer of our own family with the small tokenizer of the fixtures."""

from functools import cache
from pathlib import Path

from fimserve.prompt import Renderer, TextEncoder, load_format

PROMPT_FIXTURES = Path(__file__).parents[1] / "fixtures" / "prompt"


@cache
def own_renderer() -> Renderer:
    """Return the renderer, the same on every call."""
    encoder = TextEncoder.from_file(PROMPT_FIXTURES / "tiny-tokenizer.json")
    return Renderer(load_format("fimserve"), encoder)
