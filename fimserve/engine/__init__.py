"""The engine: `CompletionRequest` in, text out.

Knows models and prompts; knows nothing of HTTP and its dialects. Names are loaded when they are
first used, because `Engine` brings torch with it, and the settings and errors need not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fimserve.engine.assembly import make_renderer
    from fimserve.engine.completion import (
        Completion,
        CompletionDelta,
        FinishReason,
        TokenLogprob,
        Usage,
    )
    from fimserve.engine.cursor_kinds import CursorKinds, find_cursor_kinds
    from fimserve.engine.engine import Engine
    from fimserve.engine.errors import (
        AdapterNotFound,
        BrokenEngine,
        EngineClosed,
        EngineError,
        InvalidRequest,
        NothingInTime,
        QueueFull,
    )
    from fimserve.engine.model_card import ModelCard
    from fimserve.engine.request import MAX_CHOICES, MAX_LOGPROBS, CompletionRequest
    from fimserve.engine.settings import EngineSettings, EngineSettingsError
    from fimserve.engine.stats import EngineStats
    from fimserve.models import ModelError

__all__ = [
    "MAX_CHOICES",
    "MAX_LOGPROBS",
    "AdapterNotFound",
    "BrokenEngine",
    "Completion",
    "CompletionDelta",
    "CompletionRequest",
    "CursorKinds",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineSettings",
    "EngineSettingsError",
    "EngineStats",
    "FinishReason",
    "InvalidRequest",
    "ModelCard",
    "ModelError",
    "NothingInTime",
    "QueueFull",
    "TokenLogprob",
    "Usage",
    "find_cursor_kinds",
    "make_renderer",
]

_HOMES = {
    "assembly": ["make_renderer"],
    "completion": ["Completion", "CompletionDelta", "FinishReason", "TokenLogprob", "Usage"],
    "cursor_kinds": ["CursorKinds", "find_cursor_kinds"],
    "engine": ["Engine"],
    "errors": [
        "AdapterNotFound",
        "BrokenEngine",
        "EngineClosed",
        "EngineError",
        "InvalidRequest",
        "NothingInTime",
        "QueueFull",
    ],
    "model_card": ["ModelCard"],
    "request": ["MAX_CHOICES", "MAX_LOGPROBS", "CompletionRequest"],
    "settings": ["EngineSettings", "EngineSettingsError"],
    "stats": ["EngineStats"],
}
_MODULES = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}
_MODULES["ModelError"] = "fimserve.models"


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
