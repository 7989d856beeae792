"""What evaluation asks of a model: a callable from prompt to completion.

The caller composes it, from an engine in this process or from `HttpCompleter`; evaluation sees
neither. Time is measured by the caller of the callable, so a completer carries no clock.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Protocol

from fimeval.records import Record
from fimserve.prompt import Order, Snippet

FinishReason = Literal["stop", "length"]
Stopping = Literal["own", "served"]
"""own: nothing ends an answer but the model's end token; served: what the server adds for editors,
such as one line where no block was opened."""


@dataclass(frozen=True, slots=True)
class EvalPrompt:
    """One question to a model: what stands around the hole, and how to ask."""

    prefix: str
    suffix: str
    language: str
    order: Order | None
    """None leaves the order of the prompt to the server that renders it."""
    max_tokens: int
    snippets: tuple[Snippet, ...] = ()
    """Pieces of other files, most relevant first."""

    def sha256(self) -> str:
        """Return the hash of everything that decides what the model is shown."""
        parts: list[object] = [self.prefix, self.suffix, self.language, self.order]
        if self.snippets:  # prompts without any keep the hash they always had
            parts.append([(snippet.path, snippet.text) for snippet in self.snippets])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """One greedy answer."""

    text: str
    finish_reason: FinishReason
    num_prompt_tokens: int | None = None
    num_completion_tokens: int | None = None


class Completer(Protocol):
    """Anything that completes one prompt at a time, greedily."""

    def __call__(self, prompt: EvalPrompt) -> Completion:
        """Complete one prompt; fails with CompleterError where there is no usable answer.

        Args:
            prompt: The question.

        Returns:
            The answer.
        """
        ...


def make_prompt(record: Record, order: Order | None, max_tokens: int) -> EvalPrompt:
    """Return the question that a record asks of a model."""
    return EvalPrompt(
        prefix=record.prefix,
        suffix=record.suffix,
        language=record.key.language,
        order=order,
        max_tokens=max_tokens,
        snippets=record.snippets,
    )
