"""Fields of Mistral's FIM completion request, and what they ask of the engine.

A FIM route: without a suffix the middle is filled in before nothing. The vendor leaves the default
temperature to the model; here it is 0, the likeliest text.
"""

from pydantic import Field

from fimserve.engine import CompletionRequest
from fimserve.server.errors import UnsupportedField, shorten
from fimserve.server.field_caps import check_context, check_stops
from fimserve.server.parse import Fields, StopTexts, WholeNumber
from fimserve.server.sampling import wrap_seed
from fimserve.server.settings import ServerSettings

__all__ = ["FimFields", "to_completion_request"]

MAX_TOKENS = 64
"""Default length."""
INT64_MAX = 2**63 - 1

_NEUTRAL = {"frequency_penalty": 0.0, "presence_penalty": 0.0}
"""Fields that only one value is understood of."""


class FimFields(Fields):
    """Body of `POST /v1/fim/completions`; `metadata` and `prompt_cache_key` are ignored."""

    model: str
    """The vendor's name of a model; whatever is served answers."""
    prompt: str
    """Text before the cursor."""
    suffix: str = ""
    """Text after the cursor."""
    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float = Field(1.0, ge=0, le=1)
    max_tokens: WholeNumber | None = Field(None, ge=0)
    max_completion_tokens: WholeNumber | None = Field(None, ge=0)
    """The same by a newer name."""
    min_tokens: WholeNumber = Field(0, ge=0)
    stream: bool = False
    stop: StopTexts = Field(default_factory=list)
    random_seed: WholeNumber | None = Field(None, ge=-INT64_MAX - 1, le=INT64_MAX)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    presence_penalty: float = Field(0.0, ge=-2, le=2)


def to_completion_request(
    fields: FimFields, settings: ServerSettings, adapter: str | None = None
) -> CompletionRequest:
    """Return what these fields ask of the engine.

    Args:
        fields: The client's fields.
        settings: The operator's caps.
        adapter: LoRA adapter that the model's name stands for.

    Returns:
        The request, with lengths clamped and defaults filled in.

    Raises:
        UnsupportedField: If a field asks for what is not supported.
    """
    for name, neutral in _NEUTRAL.items():
        if (value := getattr(fields, name)) != neutral:
            raise UnsupportedField(
                f"{name} is {shorten(value)}; {name} is not supported yet, leave it out.",
                param=name,
            )
    check_stops(fields.stop, settings)
    check_context((fields.prompt, fields.suffix), settings, "prompt and suffix")
    asked = (fields.max_tokens, fields.max_completion_tokens)
    num_tokens = next((number for number in asked if number is not None), MAX_TOKENS)
    num_tokens = min(num_tokens, settings.max_tokens)
    return CompletionRequest(
        prefix=fields.prompt,
        suffix=fields.suffix,
        max_tokens=num_tokens,
        min_tokens=min(fields.min_tokens, num_tokens),
        stop=tuple(fields.stop),
        temperature=fields.temperature,
        top_p=fields.top_p,
        seed=wrap_seed(fields.random_seed),
        streamed=fields.stream,
        adapter=adapter,
    )
