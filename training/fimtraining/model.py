"""The llama shape for training: flat packed tokens in, loss out, Hugging Face tensor names.

Differs from `fimserve.models.LlamaModel` on purpose: no cache, many documents per call, attention
bounded by `cu_seqlens`. The weights are the same; a test holds the logits of both together.
"""

import inspect
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.attention.varlen import varlen_attn

MASK_TOKENS = 128
"""Side of a block of the attention's mask."""
Borders = Tensor | BlockMask
"""What keeps documents apart: `cu_seqlens`, or a mask of blocks."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a llama-shape model with tied embeddings."""

    vocab_size: int = 16_384
    hidden_size: int = 640
    intermediate_size: int = 1792
    num_layers: int = 8
    num_heads: int = 10
    num_kv_heads: int = 2
    max_tokens: int = 8192
    rope_theta: float = 100_000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Size of one head."""
        return self.hidden_size // self.num_heads

    def config(self) -> dict[str, object]:
        """Return the `config.json` of Hugging Face's LlamaForCausalLM."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_tokens,
            "rms_norm_eps": self.norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": None,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": 0,
            "pad_token_id": 4,
            "torch_dtype": "bfloat16",
            "use_cache": True,
        }


class TrainingLlama(nn.Module):
    """Computes the mean loss of packed documents; the weights are fp32.

    Args:
        shape: Sizes.
        attention: Kernel on a GPU. "varlen" is FlashAttention's, which starts a program for every
            block of the longest document there could be, for each document; "flex" is compiled for
            a mask of blocks and starts none in vain, which pays where documents are many and
            short. Elsewhere "varlen" is its slow twin, and "flex" has no gradient.
    """

    def __init__(self, shape: ModelShape, attention: Literal["varlen", "flex"] = "varlen") -> None:
        super().__init__()
        self.shape, self.attention = shape, attention
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.norm = RmsNorm(shape)
        cosines, sines = rope_table(shape)
        self.rope_cos: Tensor
        self.rope_sin: Tensor
        self.register_buffer("rope_cos", cosines, persistent=False)
        self.register_buffer("rope_sin", sines, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        residual_std = 0.02 / math.sqrt(2 * self.shape.num_layers)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                is_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=residual_std if is_residual else 0.02)

    def hidden(self, token_ids: Tensor, positions: Tensor, cu_seqlens: Tensor) -> Tensor:
        """Return the hidden states behind the last norm.

        Shapes:
            token_ids:  [T]  int64
            positions:  [T]  int64, from 0 in each document
            cu_seqlens: [C]  int32, borders of documents, 0 .. T
            returns:    [T, E]

        Args:
            token_ids: Documents laid end to end.
            positions: Place of each token in its document.
            cu_seqlens: Where documents begin and end.

        Returns:
            Hidden states, ready for the output layer.
        """
        rope = self.rope_cos[positions], self.rope_sin[positions]  # [T, D]
        # The residual stream is bf16 under autocast: at this width memory traffic is the cost.
        hidden = self.embed_tokens(token_ids)
        if torch.is_autocast_enabled(token_ids.device.type):
            hidden = hidden.to(torch.get_autocast_dtype(token_ids.device.type))
        borders: Borders = cu_seqlens
        if self.attention == "flex":
            borders = document_mask(positions)
        for layer in self.layers:
            hidden = layer(hidden, rope, borders)
        normed: Tensor = self.norm(hidden)
        return normed

    def forward(
        self,
        token_ids: Tensor,
        targets: Tensor,
        positions: Tensor,
        cu_seqlens: Tensor,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted mean cross-entropy in nats and the mean squared log-normaliser.

        Without weights every target counts the same. The second is the z-loss of PaLM (arXiv
        2204.02311, section 5), which keeps tied logits from drifting in bf16.
        """
        hidden = self.hidden(token_ids, positions, cu_seqlens)
        logits = functional.linear(hidden, self.embed_tokens.weight).float()  # [T, V]
        normaliser = logits.logsumexp(-1)
        known = targets >= 0
        chosen = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        count = known.sum().clamp(min=1)
        if weights is None:
            loss = ((normaliser - chosen) * known).sum() / count
        else:
            loss = ((normaliser - chosen) * weights).sum() / weights.sum().clamp(min=1e-6)
        return loss, (normaliser.square() * known).sum() / count


class Block(nn.Module):
    """Computes attention and feed-forward, each added to its input.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RmsNorm(shape)
        self.mlp = FeedForward(shape)

    def forward(self, hidden: Tensor, rope: tuple[Tensor, Tensor], borders: Borders) -> Tensor:
        """Return hidden states of the same shape, [T, E]."""
        hidden = hidden + self.self_attn(self.input_layernorm(hidden), rope, borders)
        out: Tensor = hidden + self.mlp(self.post_attention_layernorm(hidden))
        return out


class RmsNorm(nn.Module):
    """Computes root-mean-square normalisation in fp32, whatever the precision around it.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.eps = shape.norm_eps
        self.weight = nn.Parameter(torch.ones(shape.hidden_size))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return normalised states, same shape and dtype."""
        normed = functional.rms_norm(hidden.float(), self.weight.shape, self.weight, self.eps)
        return normed.to(hidden.dtype)


class Attention(nn.Module):
    """Computes causal grouped-query attention inside each document.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        kv_size = shape.num_kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(shape.hidden_size, shape.hidden_size, bias=False)

    def forward(self, hidden: Tensor, rope: tuple[Tensor, Tensor], borders: Borders) -> Tensor:
        """Return the attention's output, [T, E]."""
        shape = self.shape
        # One matmul instead of three: the parameters stay apart for the optimiser and the file.
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        mixed = functional.linear(hidden, weight)
        heads = mixed.view(len(hidden), -1, shape.head_dim)  # [T, H + 2 Hkv, D]
        q, k, v = torch.split(
            heads, [shape.num_heads, shape.num_kv_heads, shape.num_kv_heads], dim=1
        )
        q, k = apply_rope(q, *rope), apply_rope(k, *rope)
        out = attend(q, k, v.contiguous(), borders, shape.max_tokens)
        projected: Tensor = self.o_proj(out.reshape(len(hidden), -1))
        return projected


class FeedForward(nn.Module):
    """Computes the SwiGLU feed-forward layer.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden states of the same shape, [T, E]."""
        weight = torch.cat([self.gate_proj.weight, self.up_proj.weight])
        gate, up = functional.linear(hidden, weight).chunk(2, dim=-1)
        out: Tensor = self.down_proj(functional.silu(gate) * up)
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, borders: Borders, max_tokens: int) -> Tensor:
    """Return causal attention inside each document.

    Shapes:
        q:       [T, H, D]
        k, v:    [T, Hkv, D]
        borders: [C]  int32, or a mask of T x T
        returns: [T, H, D]

    With `cu_seqlens` on a GPU this is FlashAttention's variable-length kernel; elsewhere its slow
    twin, one document at a time.
    """
    if isinstance(borders, BlockMask):
        heads = [x.transpose(0, 1)[None] for x in (q, k, v)]  # [1, H, T, D]
        flexed: Any = flex_attention(
            heads[0], heads[1], heads[2], block_mask=borders, enable_gqa=True
        )
        return flexed[0].transpose(0, 1)  # type: ignore[no-any-return]
    if not q.is_cuda:
        return attend_by_document(q, k, v, borders)
    found: Any = varlen_attn(q, k, v, borders, borders, max_tokens, max_tokens, **_VARLEN_OPTIONS)
    out: Tensor = found  # a tuple only where return_aux asks for more
    return out


def document_mask(positions: Tensor) -> BlockMask:
    """Return which blocks of tokens see which, each token those before it in its own document.

    A block sees the blocks from the one where its first token's document begins up to itself;
    inside them the mask decides token by token.

    Args:
        positions: Place of each token in its document, [T] int64; T is a multiple of
            `MASK_TOKENS`.

    Returns:
        Mask of T x T, for all heads.
    """
    num_tokens, device = len(positions), positions.device
    starts = torch.arange(num_tokens, device=device) - positions  # [T], of the token's document
    first = starts.view(-1, MASK_TOKENS)[:, 0] // MASK_TOKENS  # [N]
    blocks = torch.arange(len(first), device=device)
    seen = (first[:, None] + blocks).clamp(max=len(first) - 1)  # [N, N]; only the first few count

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (key >= starts[query])

    mask: BlockMask = BlockMask.from_kv_blocks(
        (blocks - first + 1).int()[None, None],
        seen.int()[None, None],
        BLOCK_SIZE=MASK_TOKENS,
        mask_mod=sees,
        seq_lengths=(num_tokens, num_tokens),
    )
    return mask


def _varlen_options() -> dict[str, Any]:
    """Return how the installed torch wants "causal" and "fewer key than query heads" said."""
    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in known else {}
    return options | ({"is_causal": True} if "is_causal" in known else {"window_size": (-1, 0)})


_VARLEN_OPTIONS = _varlen_options()


def attend_by_document(q: Tensor, k: Tensor, v: Tensor, cu_seqlens: Tensor) -> Tensor:
    """Return the same as `attend`, by plain attention over one document after another."""
    out = torch.empty_like(q)
    for start, end in pairwise(cu_seqlens.tolist()):
        if end > start:
            heads = [x[start:end].transpose(0, 1)[None] for x in (q, k, v)]  # [1, H, S, D]
            found = functional.scaled_dot_product_attention(
                heads[0], heads[1], heads[2], is_causal=True, enable_gqa=True
            )
            out[start:end] = found[0].transpose(0, 1)
    return out


def rope_table(shape: ModelShape) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of all positions, each [S, D], fp32, halves repeated as in llama."""
    exponent = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angles = torch.outer(
        torch.arange(shape.max_tokens, dtype=torch.float32), shape.rope_theta**-exponent
    )
    angles = torch.cat([angles, angles], dim=1)
    return angles.cos(), angles.sin()


def apply_rope(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Return heads [T, H, D] rotated by tables [T, D], in the dtype of x."""
    left, right = x.chunk(2, dim=-1)
    turned = torch.cat([-right, left], dim=-1)
    return (x * cosines[:, None] + turned * sines[:, None]).to(x.dtype)
