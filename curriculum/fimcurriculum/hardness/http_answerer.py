"""A model behind an OpenAI-compatible address that takes `suffix`, such as `fimserve serve`.

Servers tell the log-probabilities of what they wrote, not of a text they are given; so the
likelihood of the true middle is known only where that is what was written, and absent elsewhere.
"""

import os
from typing import Any

import httpx

from fimcurriculum.errors import ScoringError
from fimcurriculum.hardness.scoring import Answer, Question

__all__ = ["HttpAnswerer"]

API_KEY_VARIABLE = "FIMSERVE_API_KEY"
CHARS_PER_TOKEN = 2.0
SPARE_TOKENS = 16
MAX_TOKENS = 512
MAX_ERROR_CHARS = 300


class HttpAnswerer:
    """Asks one address for one model.

    Args:
        url: `http://host:port`, with or without `/v1`.
        model: The model's name there.
        timeout_s: Seconds to wait for one answer.

    Raises:
        ScoringError: If the address has no http or https scheme.
    """

    def __init__(self, url: str, model: str, timeout_s: float = 120.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ScoringError(f"url is {url!r}; it must begin with http:// or https://")
        key = os.environ.get(API_KEY_VARIABLE)
        self._url = f"{url.rstrip('/').removesuffix('/v1')}/v1/completions"
        self._model = model
        self._client = httpx.Client(
            timeout=timeout_s, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __call__(self, question: Question) -> Answer:
        """Ask for one span, greedily.

        Args:
            question: The span.

        Returns:
            What the server wrote.

        Raises:
            ScoringError: If it cannot be reached, refuses, or answers in another shape.
        """
        body = {
            "model": self._model,
            "prompt": question.prefix,
            "suffix": question.suffix,
            "max_tokens": answer_tokens(question.middle),
            "temperature": 0,
            "logprobs": 1,
            "path": question.path,
            "language": question.language,
            "multiline": True,
            "trim": False,
        }
        try:
            reply = self._client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise ScoringError(
                f"no answer from {self._url} ({type(error).__name__}: {error}); start the server "
                "or correct --url, then run the same command to continue"
            ) from error
        if reply.status_code != httpx.codes.OK:
            raise ScoringError(
                f"{self._url} refused with status {reply.status_code}: "
                f"{reply.text[:MAX_ERROR_CHARS]}"
            )
        try:
            return _read(reply.json()["choices"][0], question.middle)
        except (ValueError, LookupError, TypeError) as error:
            raise ScoringError(
                f"{self._url} gave no OpenAI completion ({error!r}): {reply.text[:MAX_ERROR_CHARS]}"
            ) from error


def answer_tokens(middle: str) -> int:
    """Return how many tokens an answer may have: enough for the middle, and some to go wrong."""
    return min(MAX_TOKENS, int(len(middle) / CHARS_PER_TOKEN) + SPARE_TOKENS)


def _read(choice: dict[str, Any], middle: str) -> Answer:
    text = choice["text"]
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}")
    logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
    is_right = text.strip() == middle.strip() and choice.get("finish_reason") == "stop"
    if not is_right or not logprobs:
        return Answer(text)
    return Answer(text, -sum(logprobs) / len(logprobs))
