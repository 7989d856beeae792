"""A completer for any server that speaks OpenAI's `POST /v1/completions` with `suffix`.

The server renders the prompt, so its order and format are the server's own. Requests are sent one
at a time and never repeated: a failed run continues where it stopped. `FIMSERVE_API_KEY` is sent
as the bearer key where the environment has it.
"""

import os
from types import TracebackType
from typing import Self

import httpx

from fimeval.completer import Completion, EvalPrompt, FinishReason
from fimeval.errors import CompleterError

API_KEY_VARIABLE = "FIMSERVE_API_KEY"

MAX_ERROR_CHARS = 300


class HttpCompleter:
    """Completes prompts at one address with one model name.

    Args:
        url: `http://host:port`, with or without `/v1` or `/v1/completions` behind it.
        model: The model's name as the server knows it.
        timeout_s: Seconds to wait for one answer.
    """

    def __init__(self, url: str, model: str, timeout_s: float = 120.0) -> None:
        key = os.environ.get(API_KEY_VARIABLE)
        self._url = find_completions_url(url)
        self._model = model
        self._client = httpx.Client(
            timeout=timeout_s, headers={"Authorization": f"Bearer {key}"} if key else {}
        )

    def __enter__(self) -> Self:
        """Return the completer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    def __call__(self, prompt: EvalPrompt) -> Completion:
        """Ask the server for one greedy completion.

        Args:
            prompt: The question; its language and order are not sent. Snippets, where there are
                any, go in a field of fimserve's own, which other servers refuse or ignore.

        Returns:
            The answer as the server gave it, uncut.

        Raises:
            CompleterError: If the server cannot be reached, refuses, or answers another shape.
        """
        body: dict[str, object] = {
            "model": self._model,
            "prompt": prompt.prefix,
            "suffix": prompt.suffix,
            "max_tokens": prompt.max_tokens,
            "temperature": 0,
            "stream": False,
        }
        if prompt.snippets:
            pieces = [{"path": piece.path, "text": piece.text} for piece in prompt.snippets]
            body["snippets"] = pieces
        try:
            answer = self._client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise CompleterError(
                f"no answer from {self._url} ({type(error).__name__}: {error}); "
                "start the server or correct --url, then run the same command to continue"
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise CompleterError(
                f"{self._url} refused with status {answer.status_code}: "
                f"{answer.text[:MAX_ERROR_CHARS]}; the server must support `suffix` and know "
                f"the model {self._model!r}"
            )
        return self._read_answer(answer)

    def _read_answer(self, answer: httpx.Response) -> Completion:
        try:
            body = answer.json()
            choice = body["choices"][0]
            usage = body.get("usage") or {}
            return Completion(
                text=_require_text(choice["text"]),
                finish_reason=_read_finish_reason(choice.get("finish_reason")),
                num_prompt_tokens=usage.get("prompt_tokens"),
                num_completion_tokens=usage.get("completion_tokens"),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CompleterError(
                f"{self._url} gave no OpenAI completion ({error!r}): "
                f"{answer.text[:MAX_ERROR_CHARS]}; point --url at a /v1/completions address"
            ) from error


def find_completions_url(url: str) -> str:
    """Return the address of the completions route for a base address in any usual form.

    Args:
        url: `http://host:port`, with or without `/v1` or `/v1/completions` behind it.

    Returns:
        The address to post to.

    Raises:
        CompleterError: If the address has no http or https scheme.
    """
    if not url.startswith(("http://", "https://")):
        raise CompleterError(f"url is {url!r}; it must begin with http:// or https://")
    base = url.rstrip("/").removesuffix("/v1/completions").removesuffix("/v1")
    return f"{base}/v1/completions"


def _require_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is {type(value).__name__}")
    return value


def _read_finish_reason(value: object) -> FinishReason:
    # Servers agree on these two; anything else means that the answer is not whole.
    if value == "stop":
        return "stop"
    if value == "length":
        return "length"
    raise ValueError(f"finish_reason is {value!r}, neither stop nor length")
