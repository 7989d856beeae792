"""The model that is fine-tuned: weights by transformers, prompts by `fimserve.prompt`."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from fimserve.models import export_checkpoint, resolve_model
from fimserve.prompt import Order, Renderer
from fimtraining.finetune.recipe import RecipeError, TrainRecipe
from fimtraining.finetune.renderer import make_renderer, read_orders


@dataclass(frozen=True, slots=True)
class Base:
    """Where the base lies and how it is prompted."""

    name: str
    """As the recipe has it; goes into the adapter's config."""
    directory: Path
    """Hugging Face directory that transformers can read."""
    renderer: Renderer
    orders: tuple[Order, ...]
    """Orders it was trained for, the preferred one first."""
    tokenizer_sha256: str
    weights_sha256: str


def open_base(name: str, work: Path) -> Base:
    """Find a base model and its prompt format.

    Args:
        name: embedded, a directory or a hub id.
        work: Directory for a plain copy of a checkpoint that transformers cannot read, such as the
            embedded model's int8 layout.

    Returns:
        The base; its weights are not loaded yet.
    """
    source = resolve_model(name)
    renderer = make_renderer(source)
    directory = source
    if (source / "model.safetensors").exists() and _is_quantised(source):
        directory = work / "base"
        if not (directory / "config.json").exists():
            export_checkpoint(source, directory, torch.float32)
    return Base(
        name=name,
        directory=directory,
        renderer=renderer,
        orders=read_orders(source, renderer),
        tokenizer_sha256=_hash(sorted(source.glob("tokenizer.json"))),
        weights_sha256=_hash(sorted(source.glob("*.safetensors"))),
    )


def load_base(base: Base, recipe: TrainRecipe, device: torch.device) -> PreTrainedModel:
    """Load the base's weights for training.

    Args:
        base: From open_base.
        recipe: Says whether they are quantised.
        device: Where training runs.

    Returns:
        The model, bf16 on CUDA and fp32 elsewhere, with SDPA attention.

    Raises:
        RecipeError: If 4 bit weights are asked for and cannot be had.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    quantisation = None
    if recipe.quantise == "4bit":
        if device.type != "cuda":
            raise RecipeError("quantise = 4bit needs a CUDA device")
        try:
            import bitsandbytes  # noqa: F401
        except ImportError:
            raise RecipeError("quantise = 4bit needs `pip install bitsandbytes`") from None
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        base.directory,
        dtype=dtype,
        attn_implementation="sdpa",
        quantization_config=quantisation,
        use_safetensors=True,
    )
    model.config.use_cache = False
    check_packing(model)
    return model


@torch.no_grad()
def check_packing(model: PreTrainedModel) -> None:
    """Refuse a model whose attention does not tell packed examples apart by their positions.

    Args:
        model: A model as it will be trained.

    Raises:
        RecipeError: If an example's logits depend on what stands before it in its row.
    """
    half = torch.arange(8, device=model.device)
    positions = torch.cat([half, half])[None]
    first, second = (
        model(input_ids=torch.cat([half + shift, half])[None], position_ids=positions).logits[0, 8:]
        for shift in (0, 8)
    )
    if not torch.allclose(first, second, atol=1e-2, rtol=1e-2):
        raise RecipeError(
            f"transformers' {type(model).__name__} does not keep packed examples apart; "
            "another release of transformers may, or another base"
        )


def _is_quantised(directory: Path) -> bool:
    return "quantization_config" in (directory / "config.json").read_text(encoding="utf-8")


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
