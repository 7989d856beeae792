"""Fields of DeepSeek's FIM completion request (beta), and what they ask of the engine.

Nearly OpenAI's; lengths are clamped where the vendor's limits are wider than the operator's.
"""

from pydantic import Field

from fimserve.engine import MAX_LOGPROBS, CompletionRequest
from fimserve.server.cursor_text import CursorText
from fimserve.server.errors import BadRequest, UnsupportedField, shorten
from fimserve.server.field_caps import check_context, check_stops
from fimserve.server.parse import Fields, StopTexts, WholeNumber
from fimserve.server.settings import ServerSettings

__all__ = ["DeepSeekFields", "DeepSeekStreamOptions", "to_completion_request"]

MAX_TOKENS_PLAIN = 16
MAX_TOKENS_INFILL = 64

_NEUTRAL = {"echo": False, "frequency_penalty": 0.0, "presence_penalty": 0.0}
"""Fields that only one value is understood of."""


class DeepSeekStreamOptions(Fields):
    """What a stream carries besides text."""

    include_usage: bool = False


class DeepSeekFields(Fields):
    """Body of `POST /beta/completions`."""

    model: str | None = None
    """The vendor's name of a model; whatever is served answers."""
    prompt: str
    """Text before the cursor; without a suffix also a template that the client laid out."""
    suffix: str | None = None
    """Text after the cursor. Given, even empty, the model fills in the middle."""
    max_tokens: WholeNumber | None = Field(None, ge=0)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, ge=0, le=1)
    stop: StopTexts = Field(default_factory=list)
    stream: bool = False
    stream_options: DeepSeekStreamOptions | None = None
    logprobs: WholeNumber | None = Field(None, ge=0, le=MAX_LOGPROBS)
    echo: bool = False
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    presence_penalty: float = Field(0.0, ge=-2, le=2)


def to_completion_request(
    fields: DeepSeekFields,
    cursor: CursorText,
    settings: ServerSettings,
    adapter: str | None = None,
) -> CompletionRequest:
    """Return what these fields ask of the engine.

    Args:
        fields: The client's fields.
        cursor: What its prompt and suffix say.
        settings: The operator's caps.
        adapter: LoRA adapter that the model's name stands for.

    Returns:
        The request, with lengths clamped and defaults filled in.

    Raises:
        BadRequest: If fields contradict each other.
        UnsupportedField: If one asks for what is not supported.
    """
    for name, neutral in _NEUTRAL.items():
        if (value := getattr(fields, name)) != neutral:
            raise UnsupportedField(
                f"{name} is {shorten(value)}; {name} is not supported yet, leave it out.",
                param=name,
            )
    if fields.stream_options is not None and not fields.stream:
        raise BadRequest("stream_options is set; it needs stream: true.", param="stream_options")
    check_stops(fields.stop, settings)
    texts = (cursor.prefix, cursor.suffix or "", *(snippet.text for snippet in cursor.snippets))
    check_context(texts, settings, "prompt and suffix")
    num_tokens = fields.max_tokens
    if num_tokens is None:
        num_tokens = MAX_TOKENS_PLAIN if cursor.suffix is None else MAX_TOKENS_INFILL
    return CompletionRequest(
        prefix=cursor.prefix,
        suffix=cursor.suffix,
        path=cursor.path,
        snippets=cursor.snippets,
        max_tokens=min(num_tokens, settings.max_tokens),
        stop=tuple(fields.stop),
        temperature=fields.temperature,
        top_p=fields.top_p,
        logprobs=fields.logprobs,
        streamed=fields.stream,
        adapter=adapter,
    )
