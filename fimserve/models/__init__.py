"""Models: from a name to weights in memory and logits.

Knows shapes, files and precision; knows nothing of text, prompts or requests. Importing this
package imports torch.
"""

from fimserve.models.adapter import Adapter, LowRankChange
from fimserve.models.adapter_reader import read_adapter
from fimserve.models.aside import run_aside
from fimserve.models.causal_model import CausalModel
from fimserve.models.config import ModelConfig
from fimserve.models.errors import (
    AdapterMismatch,
    BrokenCheckpoint,
    ModelError,
    ModelNotFound,
    PickleCheckpointRefused,
    UnsupportedModel,
)
from fimserve.models.export import export_checkpoint, merge_adapter
from fimserve.models.forward_batch import ForwardBatch, Piece, Segment
from fimserve.models.fused_forward import MAX_LONE_ROWS, FusedForward
from fimserve.models.gpt_bigcode_config import GptBigCodeConfig
from fimserve.models.kv_pool import KvPool, KvStore
from fimserve.models.llama_config import LlamaConfig
from fimserve.models.load import LoadedModel, load_model, load_weights
from fimserve.models.lora_memory import LoraMemory
from fimserve.models.packed_step import PackedStep
from fimserve.models.precision import Precision
from fimserve.models.quantise import quantise_checkpoint
from fimserve.models.qwen2_config import Qwen2Config
from fimserve.models.random_adapter import write_random_adapter
from fimserve.models.resolve import resolve_model
from fimserve.models.starcoder2_config import Starcoder2Config

__all__ = [
    "MAX_LONE_ROWS",
    "Adapter",
    "AdapterMismatch",
    "BrokenCheckpoint",
    "CausalModel",
    "ForwardBatch",
    "FusedForward",
    "GptBigCodeConfig",
    "KvPool",
    "KvStore",
    "LlamaConfig",
    "LoadedModel",
    "LoraMemory",
    "LowRankChange",
    "ModelConfig",
    "ModelError",
    "ModelNotFound",
    "PackedStep",
    "PickleCheckpointRefused",
    "Piece",
    "Precision",
    "Qwen2Config",
    "Segment",
    "Starcoder2Config",
    "UnsupportedModel",
    "export_checkpoint",
    "load_model",
    "load_weights",
    "merge_adapter",
    "quantise_checkpoint",
    "read_adapter",
    "resolve_model",
    "run_aside",
    "write_random_adapter",
]
