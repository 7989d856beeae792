"""Fields of llama.cpp's infill request, and what they ask of the engine.

Samplers that this engine does not have are ignored, as are hints about slots and caches: whoever
sends `samplers` wants good text, not a certain algorithm. Refused is what asks for another text:
grammars, adapters by number. A temperature that is not given is 0: upstream's infill sampler drops
what is unlikely, and the likeliest text is nearest to that; several completions get upstream's own.
"""

from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from fimserve.engine import MAX_CHOICES, MAX_LOGPROBS, CompletionRequest
from fimserve.prompt import Snippet
from fimserve.server.cursor_text import decode_text
from fimserve.server.errors import BadRequest, UnsupportedField, shorten
from fimserve.server.field_caps import check_context, check_snippets, check_stops
from fimserve.server.parse import Fields, OneLine, StopTexts, WholeNumber
from fimserve.server.sampling import wrap_seed
from fimserve.server.service import Service

__all__ = ["InfillFields", "to_completion_request"]

SAMPLED_TEMPERATURE = 0.8
"""Upstream's default."""
MAX_TEMPERATURE = 100.0
MAX_PIECES = 65_536
"""Most token ids and strings of one side."""
RANDOM_SEEDS = (-1, 2**32 - 1)
"""Seeds that mean none."""

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "grammar": ("",),
    "json_schema": ({}, None),
    "post_sampling_probs": (False,),
}
"""Fields that only these values are understood of."""


def _as_pieces(value: object) -> object:
    pieces = [value] if isinstance(value, str) else value
    if not isinstance(pieces, list) or not all(map(_is_piece, pieces)):
        raise ValueError("must be a string, or a list of token ids and strings")
    if len(pieces) > MAX_PIECES:
        raise ValueError(f"holds {len(pieces)} pieces; the limit is {MAX_PIECES}")
    return pieces


def _is_piece(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _as_bias(value: object) -> object:
    # Pairs of id and number; `false` means never.
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list):
        raise ValueError("must be a list of pairs, or an object")
    biases: dict[int, float] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError("must hold pairs of a token id and a number")
        token_id, bias = pair
        if isinstance(token_id, str) and token_id.isascii() and token_id.isdigit():
            token_id = int(token_id)
        if not isinstance(token_id, int) or isinstance(token_id, bool):
            raise ValueError("must name tokens by their ids")
        if bias is not False and (isinstance(bias, bool) or not isinstance(bias, int | float)):
            raise ValueError("must hold pairs of a token id and a number")
        biases[token_id] = NEVER if bias is False else min(max(float(bias), NEVER), -NEVER)
    return biases


NEVER = -1000.0
"""A bias that no score outweighs."""

Pieces = Annotated[
    list[str | int],
    BeforeValidator(_as_pieces, json_schema_input_type=str | list[str | int]),
]


class ExtraFields(Fields):
    """A piece of another file; `time` is ignored."""

    text: str
    filename: OneLine = Field("", max_length=1024)


class LoraFields(Fields):
    """An adapter by its number."""

    id: WholeNumber
    scale: float


class InfillFields(Fields):
    """Body of `POST /infill`."""

    input_prefix: Pieces
    """Text before the cursor, or before its line; text, token ids or both in a list."""
    input_suffix: Pieces
    """Text after the cursor."""
    input_extra: list[ExtraFields] = Field(default_factory=list)
    """Pieces of other files, the most relevant last."""
    prompt: str = ""
    """The cursor's line up to the cursor; follows `input_prefix`."""
    n_predict: WholeNumber = Field(
        -1, ge=-1, validation_alias=AliasChoices("n_predict", "max_tokens", "max_completion_tokens")
    )
    """Longest completion, -1 = the server's limit; 0 only brings the prompt into the cache."""
    n_indent: WholeNumber = Field(0, ge=0)
    """The completion ends before a line that is indented less than this."""
    t_max_predict_ms: float = Field(-1.0, ge=-1)
    """Milliseconds from the first token after which the answer ends with whole lines; -1 = none."""
    n_cmpl: WholeNumber = Field(1, validation_alias=AliasChoices("n_cmpl", "n"))
    """Completions; more than one are answered as a list."""
    temperature: float | None = None
    top_k: WholeNumber = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: WholeNumber = -1
    stop: StopTexts = Field(default_factory=list)
    ignore_eos: bool = False
    logit_bias: Annotated[dict[int, float], BeforeValidator(_as_bias)] = Field(
        default_factory=dict, max_length=300
    )
    stream: bool = False
    response_fields: list[str] = Field(default_factory=list)
    """Names of the fields wanted back, `outer/inner` for inner ones; none = all."""
    n_probs: WholeNumber = Field(0, ge=0, le=MAX_LOGPROBS)
    return_tokens: bool = False
    lora: list[LoraFields] = Field(default_factory=list)
    model: str | None = None
    """Whatever is served answers, unless this names an adapter."""
    grammar: str = ""
    json_schema: dict[str, object] | None = None
    post_sampling_probs: bool = False


def to_completion_request(
    fields: InfillFields, service: Service, adapter: str | None = None
) -> CompletionRequest:
    """Return what these fields ask of the engine.

    Fails with BadRequest where a field goes past a cap or asks for what is not supported.

    Args:
        fields: The client's fields.
        service: Its caps and its tokenizer.
        adapter: LoRA adapter that the model's name stands for.

    Returns:
        The request, with values clamped as upstream does.
    """
    _check_supported(fields)
    prefix = _join(fields.input_prefix, service, "input_prefix") + fields.prompt
    suffix = _join(fields.input_suffix, service, "input_suffix")
    # Upstream keeps the end of the list where there is too much; our most relevant piece is first.
    extra = reversed(fields.input_extra)
    snippets = tuple(Snippet(piece.filename, piece.text) for piece in extra)
    settings = service.settings
    check_stops(fields.stop, settings)
    check_snippets(len(snippets), settings, "input_extra")
    texts = (prefix, suffix, *(snippet.text for snippet in snippets))
    names = "input_prefix, prompt, input_suffix and input_extra"
    check_context(texts, settings, names, "input_prefix")
    num_tokens = settings.max_tokens if fields.n_predict < 0 else fields.n_predict
    temperature = fields.temperature
    if temperature is None:
        temperature = SAMPLED_TEMPERATURE if fields.n_cmpl > 1 else 0.0
    return CompletionRequest(
        prefix=prefix,
        suffix=suffix,
        snippets=snippets,
        max_tokens=min(num_tokens, settings.max_tokens),
        stop=tuple(fields.stop),
        temperature=min(max(temperature, 0.0), MAX_TEMPERATURE),
        top_k=max(fields.top_k, 0),
        top_p=min(max(fields.top_p, 0.0), 1.0),
        min_p=min(max(fields.min_p, 0.0), 1.0),
        seed=None if fields.seed in RANDOM_SEEDS else wrap_seed(fields.seed),
        n=fields.n_cmpl,
        logprobs=fields.n_probs or None,
        logit_bias=fields.logit_bias,
        ignore_eos=fields.ignore_eos,
        max_writing_ms=None if fields.t_max_predict_ms < 0 else fields.t_max_predict_ms,
        # A warm-up must not hold up whoever waits at a cursor.
        priority="background" if num_tokens == 0 else "interactive",
        streamed=fields.stream,
        adapter=adapter,
    )


def _join(pieces: list[str | int], service: Service, param: str) -> str:
    """Return the text of pieces that are text or token ids."""
    texts: list[str] = []
    token_ids: list[int] = []
    for piece in [*pieces, ""]:
        if isinstance(piece, int):
            token_ids.append(piece)
            continue
        if token_ids:
            texts.append(decode_text(token_ids, service.engine, param))
            token_ids = []
        texts.append(piece)
    return "".join(texts)


def _check_supported(fields: InfillFields) -> None:
    if not 1 <= fields.n_cmpl <= MAX_CHOICES:
        # llama.vscode looks for the beginning of this message.
        raise BadRequest(
            f"Field 'n_cmpl': Value must be between 1 and {MAX_CHOICES}, got {fields.n_cmpl}.",
            param="n_cmpl",
        )
    for name, neutral in _NEUTRAL.items():
        if (value := getattr(fields, name)) not in neutral:
            raise UnsupportedField(
                f"{name} is {shorten(value)}; {name} is not supported, leave it out.", param=name
            )
    if any(adapter.scale != 0 for adapter in fields.lora):
        raise UnsupportedField(
            "lora is not empty; name an adapter as the model instead.", param="lora"
        )
