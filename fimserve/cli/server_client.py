"""Asks a running fimserve for a completion, and finds out whether one is running.

Speaks the same `POST /v1/completions` as every other client, so any server with that route and
`suffix` will do when its address is given. `FIMSERVE_API_KEY` is sent as its key.
"""

import os
import time
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from fimserve.cli.completed import Completed
from fimserve.cli.failure import Failure, UsageFailure
from fimserve.cli.question import Question

__all__ = ["ServerClient"]

HEALTH_TIMEOUT_S = 0.3
"""How long the search for a running server may take before the model is loaded here."""

COMPLETION_TIMEOUT_S = 120.0
MAX_SHOWN_CHARS = 300


class ServerClient:
    """Talks to one server.

    Args:
        url: `http://host:port`, with or without `/v1` behind it.

    Raises:
        UsageFailure: If url is no http or https address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageFailure(f"url is {url!r}; write it as http://HOST:PORT")
        self.url = url.rstrip("/").removesuffix("/v1/completions").removesuffix("/v1")
        # A proxy from the environment must not see what goes to this machine.
        self._http = httpx.Client(
            trust_env=not _is_loopback(parts.hostname), headers=_key_headers()
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    def find_model(self) -> str | None:
        """Return the model that a running fimserve serves here, or None if none answers."""
        try:
            answer = self._http.get(f"{self.url}/health", timeout=HEALTH_TIMEOUT_S)
            health = answer.json()
            return str(health["model"]) if health["service"] == "fimserve" else None
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            return None

    def complete(self, question: Question, model: str | None) -> Completed:
        """Ask for one greedy completion.

        Args:
            question: What to complete.
            model: Name of the model; None takes what is served.

        Returns:
            The completion as the server gave it.

        Raises:
            Failure: If the server cannot be reached, refuses, or answers something else.
        """
        body: dict[str, object] = {
            "prompt": question.cursor.prefix,
            "suffix": question.cursor.suffix,
            "path": question.cursor.path,
            "max_tokens": question.max_tokens,
            "temperature": 0,
        }
        # Left out where unset: other servers may not know them.
        if model is not None:
            body["model"] = model
        if question.multiline is not None:
            body["multiline"] = question.multiline
        if question.snippets:
            body["snippets"] = [{"path": s.path, "text": s.text} for s in question.snippets]
        started_s = time.perf_counter()
        try:
            answer = self._http.post(
                f"{self.url}/v1/completions", json=body, timeout=COMPLETION_TIMEOUT_S
            )
        except httpx.HTTPError as error:
            raise Failure(
                f"no answer from {self.url} ({type(error).__name__}); start it with "
                "`fimserve serve`, or leave --url out to load the model here"
            ) from None
        total_ms = (time.perf_counter() - started_s) * 1000.0
        if answer.status_code != httpx.codes.OK:
            raise Failure(f"{self.url} refused ({answer.status_code}): {_reason(answer)}")
        return self._read_answer(answer, total_ms)

    def _read_answer(self, answer: httpx.Response, total_ms: float) -> Completed:
        try:
            body: dict[str, Any] = answer.json()
            choice = body["choices"][0]
            usage = body.get("usage") or {}
            details = usage.get("prompt_tokens_details") or {}
            return Completed(
                text=str(choice["text"]),
                finish_reason=str(choice["finish_reason"]),
                source="server",
                model=str(body["model"]),
                usage={
                    "prompt_tokens": usage.get("prompt_tokens", 0),
                    "cached_tokens": details.get("cached_tokens", 0),
                    "completion_tokens": usage.get("completion_tokens", 0),
                },
                timings={**(body.get("timings") or {}), "total_ms": total_ms},
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Failure(
                f"{self.url} gave no completion: {answer.text[:MAX_SHOWN_CHARS]}"
            ) from None


def _key_headers() -> dict[str, str]:
    key = os.environ.get("FIMSERVE_API_KEY")
    return {"authorization": f"Bearer {key}"} if key else {}


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer.text[:MAX_SHOWN_CHARS] or answer.reason_phrase


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
