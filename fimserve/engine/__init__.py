"""The engine: `CompletionRequest` in, text out.

Knows models and prompts; knows nothing of HTTP and its dialects. Importing this package imports
torch.
"""

from fimserve.engine.completer import CompleterSettings
from fimserve.engine.completion import Completion, CompletionDelta, FinishReason, Usage
from fimserve.engine.engine import Engine
from fimserve.engine.errors import BrokenEngine, EngineClosed, EngineError, InvalidRequest
from fimserve.engine.request import CompletionRequest

__all__ = [
    "BrokenEngine",
    "CompleterSettings",
    "Completion",
    "CompletionDelta",
    "CompletionRequest",
    "Engine",
    "EngineClosed",
    "EngineError",
    "FinishReason",
    "InvalidRequest",
    "Usage",
]
