"""Prompts: the FIM formats of all model families, budgets, rendering, stop tokens.

The only room that writes markers. Loads no torch and, until a tokenizer is built, no `tokenizers`.
"""

from fimserve.prompt.encoder import TextEncoder
from fimserve.prompt.errors import (
    BudgetTooSmall,
    InvalidFamilyTable,
    MissingMarker,
    PromptError,
    UnknownFamily,
    UnsupportedOrder,
    UnsupportedTokenizer,
)
from fimserve.prompt.format import FimFormat, detect_format, format_names, load_format
from fimserve.prompt.kept_tokens import KeptTokens
from fimserve.prompt.parts import Order, PromptParts, Snippet
from fimserve.prompt.recognition import recognise_template
from fimserve.prompt.renderer import RenderedPrompt, Renderer

__all__ = [
    "BudgetTooSmall",
    "FimFormat",
    "InvalidFamilyTable",
    "KeptTokens",
    "MissingMarker",
    "Order",
    "PromptError",
    "PromptParts",
    "RenderedPrompt",
    "Renderer",
    "Snippet",
    "TextEncoder",
    "UnknownFamily",
    "UnsupportedOrder",
    "UnsupportedTokenizer",
    "detect_format",
    "format_names",
    "load_format",
    "recognise_template",
]
