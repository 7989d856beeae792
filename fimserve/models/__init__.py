"""Models: from a name to weights in memory and logits.

Knows shapes, files and precision; knows nothing of text, prompts or requests. Importing this
package imports torch.
"""

from fimserve.models.config import LlamaConfig
from fimserve.models.errors import (
    BrokenCheckpoint,
    ModelError,
    ModelNotFound,
    PickleCheckpointRefused,
    UnsupportedModel,
)
from fimserve.models.export import export_checkpoint
from fimserve.models.kv_cache import KvCache
from fimserve.models.llama import LlamaModel
from fimserve.models.load import LoadedModel, load_model, load_weights
from fimserve.models.quantise import quantise_checkpoint
from fimserve.models.resolve import resolve_model

__all__ = [
    "BrokenCheckpoint",
    "KvCache",
    "LlamaConfig",
    "LlamaModel",
    "LoadedModel",
    "ModelError",
    "ModelNotFound",
    "PickleCheckpointRefused",
    "UnsupportedModel",
    "export_checkpoint",
    "load_model",
    "load_weights",
    "quantise_checkpoint",
    "resolve_model",
]
