"""LoRA adapters over the tiny checkpoints, made and saved by PEFT itself.

Needs torch, transformers and peft.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

TARGETS = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "starcoder2": ["q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj"],
    "gpt_bigcode": ["c_attn", "c_proj", "c_fc"],
}
"""Every linear layer of the blocks, as each family calls them."""


def write_tiny_adapter(
    directory: Path, base: Path, targets: list[str], *, seed: int = 0, **config: object
) -> Path:
    """Write a random adapter that changes what the model writes.

    Args:
        directory: Where to write.
        base: Checkpoint directory of the base model.
        targets: Names of the layers to change.
        seed: Seed of the factors.
        **config: Fields of PEFT's LoraConfig that replace the usual ones.

    Returns:
        The directory, ready for `read_adapter` and for PEFT.
    """
    usual: dict[str, object] = {"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM"}
    transformers_logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    torch.manual_seed(seed)
    # Both factors random: PEFT would begin with one of them zero.
    settings = {"init_lora_weights": False, "target_modules": targets}
    with _no_warnings():
        get_peft_model(model, LoraConfig(**(usual | settings | config))).save_pretrained(directory)
    return directory


def load_with_peft(base: Path, adapter: Path, dtype: torch.dtype = torch.float32) -> PeftModel:
    """Return what transformers and PEFT make of a base model and an adapter."""
    transformers_logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    with _no_warnings():
        return PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False).eval()


@contextmanager
def _no_warnings() -> Iterator[None]:
    """PEFT 0.21 uses a name that transformers 5.23 has deprecated, and reports unused patterns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
