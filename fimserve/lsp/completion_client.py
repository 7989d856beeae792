"""Asks a server for completions over HTTP and brings it events.

Speaks `POST /v1/completions` like every other client. Closing the connection is how a request is
given up: whoever awaits `complete` cancels it, and the server stops computing. Knows nothing of
editors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from fimserve.lsp.options import LspOptions
from fimserve.lsp.surroundings import Question

__all__ = ["CompletionClient", "Delivery", "ServerDown", "ServerRefused", "Suggestion"]

TIMEOUT = httpx.Timeout(20.0, connect=2.0)
"""A completion that takes longer than this nobody waits for."""
EVENTS_TIMEOUT = httpx.Timeout(10.0, connect=2.0)

CLIENT_CLOSED_REQUEST = 499
NOTHING_STATUSES = frozenset(
    {CLIENT_CLOSED_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
)
"""Answers that mean `not now`: the next keystroke asks again."""
RETRIED_STATUSES = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals of events that may end without the events changing."""
MAX_SHOWN_CHARS = 200

Delivery = Literal["done", "later", "never"]
"""What became of events: taken; not taken, and worth another try; refused for good."""


class ServerDown(Exception):
    """The server does not answer."""


class ServerRefused(Exception):
    """The server answers, and will not complete until something is changed."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion as it came."""

    completion_id: str
    text: str
    facts: Mapping[str, object] = field(default_factory=dict)
    """What an event may say about it: tokens, times, how it ended."""


class CompletionClient:
    """Talks to the server that the options name.

    Args:
        options: Address, key, and how completions are wanted.
    """

    def __init__(self, options: LspOptions) -> None:
        self._options = options
        host = urlsplit(options.base_url).hostname or ""
        key = options.api_key
        self._http = httpx.AsyncClient(
            headers={"Content-Type": "application/json"}
            | ({} if key is None else {"Authorization": f"Bearer {key}"}),
            # A proxy from the environment must not see what goes to this machine.
            trust_env=not _is_loopback(host),
            timeout=TIMEOUT,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def complete(self, question: Question) -> Suggestion | None:
        """Return one greedy completion, or None where the server has none for us now.

        Args:
            question: What to complete.

        Returns:
            The completion.

        Raises:
            ServerDown: If the server cannot be reached, or breaks.
            ServerRefused: If it refuses in a way that the next request will meet too.
        """
        answer = await self._post(question, self._body(question, self._options.max_tokens))
        if answer.status_code in NOTHING_STATUSES:
            return None
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ServerDown(f"it failed ({answer.status_code})")
        if answer.status_code != HTTPStatus.OK:
            raise ServerRefused(f"{_reason(answer)} ({answer.status_code})")
        return _read_suggestion(answer)

    async def warm_up(self, question: Question) -> None:
        """Let the server compute a prompt that requests of the same session will begin with.

        Fails with ServerDown if the server cannot be reached.

        Args:
            question: The prompt.
        """
        await self._post(question, self._body(question, 0) | {"priority": "background"})

    async def send_events(self, events: Sequence[Mapping[str, object]]) -> Delivery:
        """Bring events to the server.

        Args:
            events: The events, each with its own id.

        Returns:
            What became of them, all together.
        """
        try:
            answer = await self._http.post(
                f"{self._options.base_url}/v1/events",
                content=_encode({"events": list(events)}),
                timeout=EVENTS_TIMEOUT,
            )
        except httpx.HTTPError:
            return "later"
        if answer.is_success:
            return "done"
        is_ours = answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        return "never" if is_ours and answer.status_code not in RETRIED_STATUSES else "later"

    def _body(self, question: Question, max_tokens: int) -> dict[str, object]:
        options = self._options
        body: dict[str, object] = {
            "prompt": question.around.prefix,
            "suffix": question.around.suffix,
            "language": question.language,
            "session": question.session,
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        # Left out where unset: what they are then is the server's own business.
        further = {
            "path": question.path,
            "model": options.model,
            "multiline": options.multiline,
            "snippets": [{"path": each.path, "text": each.text} for each in question.snippets]
            or None,
        }
        return body | {key: value for key, value in further.items() if value is not None}

    async def _post(self, question: Question, body: Mapping[str, object]) -> httpx.Response:
        try:
            return await self._http.post(
                f"{self._options.base_url}/v1/completions",
                content=_encode(body),
                headers={"x-request-id": question.request_id},
            )
        except httpx.HTTPError as error:
            raise ServerDown(f"no answer ({type(error).__name__})") from None


def _encode(body: Mapping[str, object]) -> bytes:
    # Escaped: half a surrogate pair, which editors can send, has no UTF-8.
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _read_suggestion(answer: httpx.Response) -> Suggestion:
    try:
        body: dict[str, Any] = answer.json()
        choice = body["choices"][0]
        return Suggestion(str(body["id"]), str(choice["text"]), _facts(body, choice))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ServerRefused("it is no completion server: its answer has no choices") from None


def _facts(body: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, object]:
    usage, timings = body.get("usage") or {}, body.get("timings") or {}
    details = usage.get("prompt_tokens_details") or {}
    counts = {
        "prompt_tokens": usage.get("prompt_tokens"),
        "cached_tokens": details.get("cached_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "queue_ms": timings.get("queue_ms"),
    }
    # Other servers say other things; a batch with one wrong value would be refused as a whole.
    facts: dict[str, object] = {
        name: count
        for name, count in counts.items()
        if isinstance(count, int | float) and not isinstance(count, bool) and count >= 0
    }
    if isinstance(model := body.get("model"), str):
        facts["model"] = model
    if (finish_reason := choice.get("finish_reason")) in ("stop", "length"):
        facts["finish_reason"] = finish_reason
    return facts


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])[:MAX_SHOWN_CHARS]
    except (ValueError, LookupError, TypeError):
        return answer.reason_phrase


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
