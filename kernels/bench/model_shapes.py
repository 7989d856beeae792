"""The published configurations that speed is measured on, and checkpoints of them without training.

    python kernels/bench/model_shapes.py deepseek-coder-1.3b DIRECTORY

writes config.json, random weights in bf16 and the tokenizer of the embedded model, so that
`fimserve serve DIRECTORY` answers with noise at the speed of the real model. The vocabulary of the
tokenizer is smaller than the model's, which changes no product: the rows are computed all the same.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fimserve.models.families import make_model, read_model_config
from fimserve.models.resolve import resolve_model

SIDE_FILES = ("tokenizer.json", "tokenizer_config.json", "fim.json")


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Holds the sizes of a published model."""

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    extra: dict[str, Any]
    """Further keys of its config.json."""

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Return rows and columns of each matrix that a step multiplies by."""
        size, inner = self.hidden_size, self.intermediate_size
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        up = 2 * inner if self.model_type == "llama" else inner
        return {
            "qkv": (queries + 2 * keys, size),
            "out": (size, queries),
            "up": (up, size),
            "down": (size, inner),
            "head": (self.vocab_size, size),
        }

    def config(self) -> dict[str, Any]:
        """Return the config.json of a checkpoint."""
        return {
            "model_type": self.model_type,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "vocab_size": self.vocab_size,
            **self.extra,
        }


SHAPES = {
    # huggingface.co/deepseek-ai/deepseek-coder-1.3b-base
    "deepseek-coder-1.3b": ModelShape(
        "llama", 2048, 5504, 24, 16, 16, 128, 32256,
        {
            "architectures": ["LlamaForCausalLM"],
            "hidden_act": "silu",
            "max_position_embeddings": 16384,
            "rms_norm_eps": 1e-6,
            "rope_theta": 100000,
            "rope_scaling": {"type": "linear", "factor": 4.0},
            "tie_word_embeddings": False,
        },
    ),
    # huggingface.co/bigcode/starcoder2-3b
    "starcoder2-3b": ModelShape(
        "starcoder2", 3072, 12288, 30, 24, 2, 128, 49152,
        {
            "architectures": ["Starcoder2ForCausalLM"],
            "hidden_act": "gelu_pytorch_tanh",
            "max_position_embeddings": 16384,
            "norm_epsilon": 1e-5,
            "rope_theta": 999999.4420358813,
            "sliding_window": 4096,
            "use_bias": True,
            "tie_word_embeddings": True,
        },
    ),
}  # fmt: skip


def write_random_checkpoint(shape: ModelShape, directory: Path, device: str = "cpu") -> Path:
    """Write a checkpoint of a shape with random weights.

    Args:
        shape: Its sizes.
        directory: Where; created if absent.
        device: Where the random numbers are drawn.

    Returns:
        The directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    embedded = resolve_model("embedded")
    for name in SIDE_FILES:
        shutil.copy(embedded / name, directory / name)
    (directory / "config.json").write_text(json.dumps(shape.config(), indent=1))
    model = make_model(read_model_config(directory / "config.json"))
    generator = torch.Generator(device).manual_seed(0)
    tensors: dict[str, torch.Tensor] = {}
    for part in model.weights():
        for name, sizes in part.stored_shapes().items():
            values = torch.randn(sizes, generator=generator, device=device) * 0.02
            if len(sizes) == 1 and name.endswith("weight"):
                values += 1.0  # a norm's
            stored = values.to(torch.bfloat16).cpu()
            tensors[f"{model.config.stored_prefix}{name}" if name != "lm_head.weight" else name] = (
                stored
            )
    save_file(tensors, directory / "model.safetensors")
    return directory


def main() -> None:
    """Parse the command line, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    print(write_random_checkpoint(SHAPES[arguments.shape], arguments.directory, arguments.device))


if __name__ == "__main__":
    main()
