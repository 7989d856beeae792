"""Fields of OpenAI's completions request as clients send them, and what they ask of the engine.

Types and fixed ranges are stated on the fields; caps that an operator sets are checked in
`to_completion_request`. Beyond OpenAI's own fields: vLLM's `top_k`, `min_p`, `min_tokens`,
`ignore_eos`, `stop_token_ids` and `priority`; and ours: `path`, `language`, `snippets`,
`multiline`, `order`, `heal`, `trim`, `speculate`, `deadline_ms` and `session`.

What asks for another text than we would write is refused. What only says how to get there, such as
`cache_salt`, `request_id`, `stream_interval`, `truncate_prompt_tokens` or `skip_special_tokens`,
is ignored like any unknown key: the cache is salted by the key's tenant, prompts are cut to the
budget, and text never holds markers.
"""

from typing import Annotated, Literal, TypeGuard

from pydantic import BeforeValidator, Field

from fimserve.engine import MAX_CHOICES, MAX_LOGPROBS, CompletionRequest
from fimserve.prompt import Order, Snippet
from fimserve.server.cursor_text import CursorText
from fimserve.server.errors import BadRequest, UnsupportedField, shorten
from fimserve.server.field_caps import check_context, check_snippets, check_stops
from fimserve.server.parse import Fields, OneLine, StopTexts, WholeNumber
from fimserve.server.sampling import wrap_seed
from fimserve.server.settings import ServerSettings

__all__ = ["CompletionFields", "SnippetFields", "StreamOptionFields", "to_completion_request"]

MAX_TOKENS_PLAIN = 16
"""Default length without a suffix: OpenAI's own."""

MAX_TOKENS_INFILL = 64
"""Default length with a suffix: 16 tokens rarely finish a line of code."""

INT64_MAX = 2**63 - 1


def _only_prompt(value: object) -> object:
    if isinstance(value, list) and not _is_token_ids(value):
        if len(value) != 1:
            raise ValueError(f"holds {len(value)} prompts; send one prompt per request")
        value = value[0]
    if isinstance(value, str):
        return value
    if not _is_token_ids(value):
        raise ValueError("must be a string, or a list of token ids")
    if len(value) > MAX_PROMPT_TOKENS:
        raise ValueError(f"holds {len(value)} token ids; the limit is {MAX_PROMPT_TOKENS}")
    return value


def _is_token_ids(value: object) -> TypeGuard[list[int]]:
    if not isinstance(value, list) or not value:
        return False
    return {int}.issuperset(map(type, value))  # true and false are of another type


def _priority(value: object) -> object:
    # vLLM's is a number, and what has the lower one goes first; 0 is the usual.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "background" if value > 0 else "interactive"
    return value


def _token_id(value: object) -> object:
    # JSON's keys are strings.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise ValueError("must be a token id, a whole number as a string")


def _order(value: object) -> object:
    names = [order.value for order in Order]
    if value == "auto":
        return value
    if value not in names:
        raise ValueError(f"must be one of {', '.join(names)}, auto")
    return Order(value)


MAX_PROMPT_TOKENS = 65_536
"""Most token ids of a prompt, of which the budget keeps a small part anyway."""
MAX_BIASED_TOKENS = 300
"""Most entries of `logit_bias`, as at OpenAI."""
MAX_STOP_TOKENS = 64
"""Most entries of `stop_token_ids`."""

_NEUTRAL = {
    "echo": False,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "repetition_penalty": 1.0,
    "include_stop_str_in_output": False,
    "bad_words": [],
    "allowed_token_ids": [],
    "return_token_ids": False,
    "prompt_logprobs": None,
}
"""Fields that only one value is understood of: any other asks for another answer than ours."""

TokenId = Annotated[int, BeforeValidator(_token_id)]


class StreamOptionFields(Fields):
    """What a stream carries besides text; padding against eavesdroppers is not sent."""

    include_usage: bool | None = None


class SnippetFields(Fields):
    """A piece of another file."""

    path: OneLine = Field("", max_length=1024)
    text: str


class CompletionFields(Fields):
    """Body of `POST /v1/completions`."""

    model: str | None = None
    prompt: Annotated[str | list[int], BeforeValidator(_only_prompt)]
    """Text before the cursor, or its token ids; a list of one of them is accepted. Without a
    suffix, a text that is exactly one model family's FIM template is taken as what it says."""
    suffix: str | None = None
    """Text after the cursor. Given, even empty, the model fills in the middle."""
    max_tokens: WholeNumber | None = Field(None, ge=0)
    """Longest completion; 0 only brings the prompt into the session's cache."""
    temperature: float = Field(1.0, ge=0, le=2)
    """0 is greedy."""
    top_p: float = Field(1.0, ge=0, le=1)
    stop: StopTexts = Field(default_factory=list)
    stop_token_ids: list[int] = Field(default_factory=list, max_length=MAX_STOP_TOKENS)
    """Tokens that end the completion, besides the model's own."""
    seed: WholeNumber | None = Field(None, ge=-INT64_MAX - 1, le=INT64_MAX)
    stream: bool = False
    stream_options: StreamOptionFields | None = None
    user: str | None = Field(None, max_length=256)
    """Together with `path` names the session where `session` is absent; never trusted."""

    n: WholeNumber = Field(1, ge=1, le=MAX_CHOICES)
    best_of: WholeNumber | None = None
    echo: bool = False
    logprobs: WholeNumber | None = Field(None, ge=0, le=MAX_LOGPROBS)
    """OpenAI's own limit is 5."""
    logit_bias: dict[TokenId, Annotated[float, Field(ge=-100, le=100)]] = Field(
        default_factory=dict, max_length=MAX_BIASED_TOKENS
    )
    frequency_penalty: float = Field(0.0, ge=-2, le=2)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    repetition_penalty: float = Field(1.0, gt=0)
    include_stop_str_in_output: bool = False
    bad_words: list[str] = Field(default_factory=list)
    allowed_token_ids: list[int] = Field(default_factory=list)
    return_token_ids: bool = False
    prompt_logprobs: WholeNumber | None = None

    path: OneLine | None = Field(None, max_length=1024)
    """Path of the current file inside its repository."""
    language: OneLine | None = Field(None, max_length=64)
    """Editor's language id of the current file."""
    snippets: list[SnippetFields] = Field(default_factory=list)
    """Pieces of other files, most relevant first."""
    multiline: bool | None = None
    """False ends the completion with its first line; absent leaves it to the engine."""
    order: Annotated[Order | Literal["auto"] | None, BeforeValidator(_order)] = None
    """Order of the prompt's parts, one that the model was trained for; `auto` takes the one of
    which most is in the cache."""
    heal: bool = True
    """Whether a completion may finish a token that the cursor splits; false takes the text before
    the cursor as whole tokens. Only new text comes back either way."""
    top_k: WholeNumber = Field(0, ge=-1)
    """Candidates; 0 or -1 for all."""
    min_p: float = Field(0.0, ge=0, le=1)
    min_tokens: WholeNumber = Field(0, ge=0)
    ignore_eos: bool = False
    """Whether the completion has exactly `max_tokens` tokens, whatever the model would do."""
    trim: bool = True
    """Whether text is left out that the suffix already holds or that repeats itself."""
    speculate: bool = True
    """Whether tokens may be guessed ahead; the text is the same."""
    priority: Annotated[
        Literal["interactive", "background"],
        BeforeValidator(_priority, json_schema_input_type=str | int),
    ] = "interactive"
    """Who goes first when not all can; as a number, above 0 is `background`."""
    deadline_ms: float | None = Field(None, ge=0)
    """Milliseconds after which the answer ends with what is written by then; the header
    `x-deadline-ms` counts where it is shorter."""
    session: str | None = Field(None, min_length=1, max_length=256)
    """One open document of one user: what is computed for it is reused at the next keystroke,
    and a newer request of the same session ends an older one (499)."""


def to_completion_request(
    fields: CompletionFields,
    cursor: CursorText,
    settings: ServerSettings,
    adapter: str | None = None,
) -> CompletionRequest:
    """Return what these fields ask of the engine.

    Fails with BadRequest where a field goes past a cap or asks for what is not supported.

    Args:
        fields: The client's fields.
        cursor: What its prompt and suffix say.
        settings: The operator's caps.
        adapter: LoRA adapter that the model's name stands for.

    Returns:
        The request, with lengths clamped and defaults filled in.
    """
    _check_supported(fields)
    snippets = tuple(Snippet(snippet.path, snippet.text) for snippet in fields.snippets)
    snippets += cursor.snippets
    _check_caps(fields, cursor, snippets, settings)
    num_tokens = fields.max_tokens
    if num_tokens is None:
        num_tokens = MAX_TOKENS_PLAIN if cursor.suffix is None else MAX_TOKENS_INFILL
    num_tokens = min(num_tokens, settings.max_tokens)
    return CompletionRequest(
        prefix=cursor.prefix,
        suffix=cursor.suffix,
        language=fields.language,
        path=fields.path or cursor.path,
        snippets=snippets,
        max_tokens=num_tokens,
        multiline=fields.multiline,
        stop=tuple(fields.stop),
        stop_token_ids=frozenset(fields.stop_token_ids),
        temperature=fields.temperature,
        top_p=fields.top_p,
        top_k=max(fields.top_k, 0),
        min_p=fields.min_p,
        n=fields.n,
        logprobs=fields.logprobs,
        logit_bias=fields.logit_bias,
        min_tokens=min(fields.min_tokens, num_tokens),
        ignore_eos=fields.ignore_eos,
        deadline_ms=fields.deadline_ms,
        priority=fields.priority,
        streamed=fields.stream,
        seed=wrap_seed(fields.seed),
        session=_session(fields),
        order=fields.order,
        heal=fields.heal,
        adapter=adapter,
        trim=fields.trim,
        speculate=fields.speculate,
    )


def _session(fields: CompletionFields) -> str | None:
    if fields.session is not None or fields.user is None or fields.path is None:
        # `user` alone is no session: one person's parallel requests would end each other.
        return fields.session
    return f"{fields.user}\n{fields.path}"


def _check_supported(fields: CompletionFields) -> None:
    if fields.best_of not in (None, fields.n):
        raise _unsupported("best_of", fields.best_of)
    for name, neutral in _NEUTRAL.items():
        if getattr(fields, name) != neutral:
            raise _unsupported(name, getattr(fields, name))
    if fields.stream_options is not None and not fields.stream:
        raise BadRequest("stream_options is set; it needs stream: true.", param="stream_options")


def _unsupported(name: str, value: object) -> UnsupportedField:
    return UnsupportedField(
        f"{name} is {shorten(value)}; {name} is not supported yet, leave it out.",
        param=name,
    )


def _check_caps(
    fields: CompletionFields,
    cursor: CursorText,
    snippets: tuple[Snippet, ...],
    settings: ServerSettings,
) -> None:
    check_stops(fields.stop, settings)
    check_snippets(len(snippets), settings)
    texts = (cursor.prefix, cursor.suffix or "", *(snippet.text for snippet in snippets))
    check_context(texts, settings, "prompt, suffix and snippets")
