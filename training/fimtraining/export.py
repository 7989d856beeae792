"""Write trained weights as a Hugging Face directory that other servers load as it is."""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from fimserve.models import export_checkpoint
from fimtraining.model import ModelShape, TrainingLlama

FIM_METADATA = {
    "family": "fimserve",
    "orders": ["psm", "spm", "middle-increment"],
    "default_order": "spm",
    "multiline_order": "psm",
}


def save_model(
    model: TrainingLlama, tokenizer_dir: Path, out: Path, dtype: torch.dtype = torch.bfloat16
) -> None:
    """Write config, weights, tokenizer and the orders the model was trained for.

    Args:
        model: Trained model.
        tokenizer_dir: Directory of `tokenizer.json` and `tokenizer_config.json`.
        out: Directory to write.
        dtype: Precision of the weights on disk.
    """
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        f"model.{name}": value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(weights, str(out / "model.safetensors"), metadata={"format": "pt"})
    precision = {"torch_dtype": str(dtype).removeprefix("torch.")}
    _write_json(out / "config.json", model.shape.config() | precision)
    _write_json(
        out / "generation_config.json",
        {"eos_token_id": 0, "pad_token_id": 4, "do_sample": False},
    )
    _write_json(out / "fim.json", FIM_METADATA)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_dir / name, out / name)


def read_shape(model_dir: Path) -> ModelShape:
    """Return the sizes of a model directory of ours, as its config.json says.

    Args:
        model_dir: Directory that `save_model` wrote, quantised or not.

    Returns:
        The shape to build a model to fill.
    """
    keys = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    theta = keys.get("rope_theta") or keys["rope_parameters"]["rope_theta"]
    return ModelShape(
        vocab_size=keys["vocab_size"],
        hidden_size=keys["hidden_size"],
        intermediate_size=keys["intermediate_size"],
        num_layers=keys["num_hidden_layers"],
        num_heads=keys["num_attention_heads"],
        num_kv_heads=keys["num_key_value_heads"],
        max_tokens=keys["max_position_embeddings"],
        rope_theta=theta,
        norm_eps=keys["rms_norm_eps"],
    )


def load_weights(model_dir: Path, model: TrainingLlama) -> None:
    """Fill a training model with the weights of a Hugging Face directory, multiplied out.

    Args:
        model_dir: Plain or int8 checkpoint of the model's shape.
        model: Model to fill.
    """
    with tempfile.TemporaryDirectory() as scratch:
        plain = export_checkpoint(model_dir, Path(scratch), torch.float32)
        weights = load_file(plain / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): w for name, w in weights.items()})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
