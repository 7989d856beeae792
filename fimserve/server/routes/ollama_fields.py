"""Fields of Ollama's requests as clients send them, and what they ask of the engine.

What an option leaves out is said by `DEFAULTS`, which `/api/show` tells as the model's own
parameters: in Ollama, too, a model's parameters come before the program's. Options that steer
memory (`num_ctx`, `num_gpu`, `keep_alive` while text is asked for) or that no completion of code
needs (`repeat_penalty`) are accepted and change nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from fimserve.engine import MAX_LOGPROBS, CompletionRequest
from fimserve.prompt import PromptParts, recognise_template
from fimserve.server.errors import BadRequest
from fimserve.server.parse import Fields, StopTexts, WholeNumber
from fimserve.server.sampling import wrap_seed
from fimserve.server.settings import ServerSettings

__all__ = ["DEFAULTS", "GenerateFields", "Options", "ShowFields", "to_completion_request"]

PASS_THROUGH = "{{.Prompt}}"
"""Template of clients that lay the prompt out themselves, without its blanks."""

NO_TIME = frozenset({"0", "0s", "0m", "0h", "0ms"})
"""Spellings of no time at all in `keep_alive`."""


class Options(Fields):
    """The `options` of a request; a negative number turns what it steers off."""

    num_predict: WholeNumber = 128
    """Longest completion; 0 and below leave only the server's own limit."""
    temperature: float = 0.0
    """0 is greedy."""
    top_k: WholeNumber = 0
    """Candidates; 0 and below for all."""
    top_p: Annotated[float, Field(le=1)] = 1.0
    min_p: Annotated[float, Field(le=1)] = 0.0
    seed: WholeNumber = -1
    """-1 draws one."""
    stop: StopTexts = Field(default_factory=list)


DEFAULTS = Options()


class GenerateFields(Fields):
    """Body of `POST /api/generate`."""

    model: str | None = None
    prompt: str = ""
    """Text before the cursor, or a whole prompt with markers."""
    suffix: str | None = None
    """Text after the cursor. Given, even empty, the model fills in the middle."""
    stream: bool = True
    raw: bool = False
    """Whether the prompt stands as it is: `suffix` is not looked at."""
    template: str | None = None
    system: str | None = None
    context: list[Any] = Field(default_factory=list)
    options: Options = DEFAULTS
    keep_alive: float | str | None = None
    """0 without prompt and suffix asks to unload the model."""
    logprobs: bool = False
    top_logprobs: WholeNumber = Field(0, ge=0, le=MAX_LOGPROBS)

    @property
    def load_reason(self) -> Literal["load", "unload"] | None:
        """What is wanted where no text is; None where text is wanted."""
        if self.prompt or self.suffix:
            return None
        wants_none = self.keep_alive == 0 or self.keep_alive in NO_TIME
        return "unload" if wants_none else "load"


class ShowFields(Fields):
    """Body of `POST /api/show`."""

    model: str | None = None
    name: str | None = None
    """What older clients call the model."""


def to_completion_request(
    fields: GenerateFields, settings: ServerSettings, adapter: str | None = None
) -> CompletionRequest:
    """Return what these fields ask of the engine.

    Args:
        fields: The client's fields.
        settings: The operator's caps.
        adapter: LoRA adapter that the model's name stands for.

    Returns:
        The request, with lengths clamped and defaults filled in.

    Raises:
        BadRequest: If a raw prompt comes with what would change it.
    """
    if fields.raw and (fields.template or fields.system or fields.context):
        raise BadRequest("raw mode does not support template, system, or context", param="raw")
    options = fields.options
    parts = _read_prompt(fields)
    wanted = options.num_predict if options.num_predict > 0 else settings.max_tokens
    return CompletionRequest(
        prefix=parts.prefix,
        suffix=parts.suffix,
        path=parts.path,
        snippets=parts.snippets[: settings.max_snippets],
        max_tokens=min(wanted, settings.max_tokens),
        stop=tuple(options.stop),
        temperature=max(options.temperature, 0.0),
        top_k=max(options.top_k, 0),
        top_p=1.0 if options.top_p < 0 else options.top_p,
        min_p=max(options.min_p, 0.0),
        seed=None if options.seed == -1 else wrap_seed(options.seed),
        logprobs=fields.top_logprobs if fields.logprobs else None,
        streamed=fields.stream,
        adapter=adapter,
    )


def _read_prompt(fields: GenerateFields) -> PromptParts:
    """Return what the prompt is made of, also where a client has laid it out itself."""
    is_as_it_is = fields.raw or "".join((fields.template or "").split()) == PASS_THROUGH
    if is_as_it_is or not fields.suffix:
        plain = PromptParts(fields.prompt, None if fields.raw else fields.suffix)
        return recognise_template(fields.prompt) or plain
    return PromptParts(fields.prompt, fields.suffix)
