"""What becomes known of one request while it is answered: its log line and metrics are made of it.

Sizes, times and ids, never text.
"""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import HTTPConnection
from starlette.types import Scope

from fimserve.engine import CursorKinds, Usage
from fimserve.server.errors import ServerError
from fimserve.server.principal import LOCAL
from fimserve.server.served_arm import ServedArm

__all__ = ["RequestRecord", "record_of"]

UNMATCHED = "unmatched"


@dataclass(slots=True)
class RequestRecord:
    """One request so far."""

    request_id: str
    started_s: float = field(default_factory=time.monotonic)
    status: int | None = None
    is_streamed: bool = False
    usage: Usage | None = None
    finish: str | None = None
    """Finish reason, or the name of the error that ended the request."""
    refusal: str | None = None
    """Code of the error that was answered."""
    method: str = ""
    route: str = UNMATCHED
    """The route's own path, never the client's: that one may hold anything."""
    dialect: str = UNMATCHED
    """First tag of the route."""
    key_id: str | None = None
    """Public name of the API key."""
    completion_id: str | None = None
    """Id of the completion, as the answer says it."""
    served: ServedArm | None = None
    """What an experiment made of it; None where the sender is in none."""
    kinds: Future[CursorKinds | None] | None = None
    """Syntax nodes at the cursor, once they are found; None where nobody looks."""

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the first byte of the request."""
        return (time.monotonic() - self.started_s) * 1000.0

    def note_error(self, error: Exception) -> None:
        """Remember what ended the request, unless something else did before.

        Args:
            error: What was raised.
        """
        self.finish = self.finish or type(error).__name__
        if isinstance(error, ServerError):
            self.refusal = error.code

    def note_route(self, scope: Scope) -> None:
        """Remember which route answered, and whose request it was.

        Args:
            scope: The request, once it has been answered.
        """
        route = scope.get("route")
        tags = getattr(route, "tags", None) or (UNMATCHED,)
        self.method = scope["method"]
        self.route = getattr(route, "path", UNMATCHED)
        self.dialect = str(tags[0])
        self.key_id = scope["state"].get("principal", LOCAL).key_id

    def describe(self) -> dict[str, str | int | float]:
        """Return what the log says of the request, in the order of its line."""
        fields: dict[str, str | int | float] = {
            "request_id": self.request_id,
            "route": self.route,
            "status": self.status or 0,
            "stream": int(self.is_streamed),
        }
        if self.key_id is not None:
            fields["key"] = self.key_id
        if self.served is not None:
            fields |= {
                "experiment": self.served.experiment,
                "arm": self.served.arm,
                "assigned_arm": self.served.assigned_arm,
            }
        if self.usage is not None:
            fields |= {
                "prompt_tokens": self.usage.prompt_tokens,
                "cached_tokens": self.usage.cached_tokens,
                "new_tokens": self.usage.completion_tokens,
                "queue_ms": round(self.usage.queue_ms, 1),
                "ttft_ms": round(self.usage.ttft_ms, 1),
            }
        return fields | {"e2e_ms": round(self.elapsed_ms, 1), "finish": self.finish or "-"}


def record_of(connection: HTTPConnection) -> RequestRecord:
    """Return the record that the log line of this request is made of."""
    return cast(RequestRecord, connection.state.record)
