"""Reads a stream of completions: server-sent events of OpenAI's `POST /v1/completions`.

Bytes in, counts out; knows neither the network nor a clock, and keeps no text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fimeval.errors import CompleterError

MAX_SHOWN_CHARS = 300


class CompletionStream:
    """What the events of one stream have said so far."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        """Why the answer ended; None until it did."""
        self.usage: Mapping[str, Any] = {}
        """Token counts; empty where the server sends none."""

    def read(self, event: bytes) -> bool:
        """Take in one event and return whether it brought text.

        Args:
            event: Data of the event.

        Returns:
            Whether there is text in it; the usage and the end of the stream bring none.

        Raises:
            CompleterError: If it is no completion, or says that the server failed.
        """
        if event == b"[DONE]":
            return False
        try:
            record = json.loads(event)
            failure = record.get("error")
            choices = [] if failure else record["choices"]
            self.usage = record.get("usage") or self.usage
            if choices:
                self.finish_reason = choices[0].get("finish_reason") or self.finish_reason
            has_text = bool(choices and choices[0]["text"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            shown = event[:MAX_SHOWN_CHARS].decode(errors="replace")
            raise CompleterError(
                f"no completion in the stream ({error!r}): {shown}; point --url at a server with "
                "POST /v1/completions"
            ) from error
        if failure:
            raise CompleterError(
                f"the server failed inside its stream: {str(failure)[:MAX_SHOWN_CHARS]}; "
                "see its log"
            )
        return has_text


def split_events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each event as soon as its line is whole.

    Args:
        chunks: The body as it arrives, cut anywhere.

    Yields:
        bytes: What stands behind `data:`; comments and other fields are dropped.
    """
    # Not httpx's iter_lines: that also splits at U+2028, which servers send unescaped.
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()
