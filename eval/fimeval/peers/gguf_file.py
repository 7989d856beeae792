"""A llama-shape checkpoint as a GGUF file for llama.cpp: matrices in Q8_0 or F16, norms in fp32.

The tokenizer goes along, so that llama.cpp writes the same ids; `fimeval.peers.llama_cpp check`
compares them. Other architectures are llama.cpp's own converter's affair.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fimeval.errors import EvalError
from fimeval.peers.stored_tensors import Array, read_tensors

PRE_TOKENIZERS = {
    # Qwen2's rule, digits one by one: the embedded model's.
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
}
"""llama.cpp's name of the rule that cuts text into words, by its regular expression."""

MARKER_KEYS = {
    "<|fim_prefix|>": "fim_pre",
    "<|fim_suffix|>": "fim_suf",
    "<|fim_middle|>": "fim_mid",
    "<|fim_pad|>": "fim_pad",
    "<|repo_name|>": "fim_rep",
    "<|file_sep|>": "fim_sep",
}
"""llama.cpp's names of the markers."""

LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TOP_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}


def write_gguf(directory: Path, target: Path, precision: str = "q8_0") -> None:
    """Write a checkpoint directory as one GGUF file.

    Args:
        directory: A Hugging Face directory of the llama shape.
        target: The file to write.
        precision: Of the matrices: q8_0 or f16.

    Raises:
        EvalError: If the checkpoint is of another shape, or the library is not installed.
    """
    try:
        import gguf
    except ImportError as error:
        raise EvalError(f"{error}; pip install 'fimserve[peers]' brings it") from None
    config = _read_json(directory / "config.json")
    if config.get("model_type") != "llama":
        raise EvalError(f"model_type is {config.get('model_type')!r}; only llama is written here")
    writer = gguf.GGUFWriter(str(target), "llama")
    _add_shape(writer, config)
    _add_tokenizer(writer, gguf, _read_json(directory / "tokenizer.json"), config)
    kinds = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "f16": gguf.GGMLQuantizationType.F16}
    if precision not in kinds:
        raise EvalError(f"precision is {precision!r}; use one of {', '.join(kinds)}")
    for name, values in read_tensors(directory):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        values = permute(name, values, config)
        if values.ndim == 1:
            writer.add_tensor(rename(name), values)
        else:
            kind = kinds[precision]
            writer.add_tensor(rename(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def rename(name: str) -> str:
    """Return GGUF's name of a tensor.

    Args:
        name: Hugging Face's name.

    Returns:
        The name.

    Raises:
        EvalError: If it is no tensor of the llama shape.
    """
    stem, _, kind = name.rpartition(".")
    if stem in TOP_NAMES:
        return f"{TOP_NAMES[stem]}.{kind}"
    parts = stem.split(".", 3)
    if parts[:2] == ["model", "layers"] and len(parts) == 4 and parts[3] in LAYER_NAMES:
        return f"blk.{parts[2]}.{LAYER_NAMES[parts[3]]}.{kind}"
    raise EvalError(f"the tensor {name!r} has no place in the llama shape")


def permute(name: str, values: Array, config: dict[str, Any]) -> Array:
    """Return rows of queries and keys in the order of llama.cpp, which rotates neighbours.

    Args:
        name: Hugging Face's name of the tensor.
        values: Its values.
        config: The checkpoint's config.json.

    Returns:
        Other tensors as they are.

    Source:
        ggml-org/llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute.
    """
    heads = {
        "q_proj": config["num_attention_heads"],
        "k_proj": config.get("num_key_value_heads") or config["num_attention_heads"],
    }
    num_heads = heads.get(name.split(".")[-2])
    if num_heads is None:
        return values
    rest = values.shape[1:]
    split = values.reshape(num_heads, 2, values.shape[0] // num_heads // 2, *rest)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(values.shape)


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    if config.get("rope_scaling"):
        raise EvalError("rope_scaling is set; use llama.cpp's own converter for this checkpoint")
    num_heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // num_heads
    writer.add_name("fimserve-peer")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(num_heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or num_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(config.get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _add_tokenizer(
    writer: Any, gguf: Any, tokenizer: dict[str, Any], config: dict[str, Any]
) -> None:
    model = tokenizer["model"]
    added = {token["content"]: token for token in tokenizer["added_tokens"]}
    ids = model["vocab"] | {text: token["id"] for text, token in added.items()}
    names = {token_id: text for text, token_id in ids.items()}
    tokens, types = [], []
    for token_id in range(config["vocab_size"]):
        text = names.get(token_id, f"[PAD{token_id}]")
        tokens.append(text)
        is_marker = text in added and added[text]["special"]
        types.append(
            gguf.TokenType.CONTROL
            if is_marker
            else gguf.TokenType.NORMAL
            if token_id in names
            else gguf.TokenType.UNUSED
        )
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(find_pre_tokenizer(tokenizer))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(
        [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    )
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(config["eos_token_id"])
    for text, key in MARKER_KEYS.items():
        if text in ids:
            writer.add_uint32(f"tokenizer.ggml.{key}_token_id", ids[text])


def find_pre_tokenizer(tokenizer: dict[str, Any]) -> str:
    """Return llama.cpp's name of the rule that cuts text into words.

    Args:
        tokenizer: The content of a tokenizer.json.

    Returns:
        The name.

    Raises:
        EvalError: If llama.cpp's rules for it are not known here.
    """
    rules = tokenizer.get("pre_tokenizer") or {}
    parts = rules.get("pretokenizers", [rules])
    patterns = [part["pattern"]["Regex"] for part in parts if "Regex" in part.get("pattern", {})]
    if len(patterns) != 1 or patterns[0] not in PRE_TOKENIZERS:
        raise EvalError("llama.cpp's name of the tokenizer's rule is not known here: gguf_file.py")
    return PRE_TOKENIZERS[patterns[0]]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvalError(f"cannot read {path.name}: {error}; name a checkpoint directory") from None
    if not isinstance(found, dict):
        raise EvalError(f"{path.name} is no JSON object")
    return found
