"""Server-sent events out of bytes that were cut anywhere.

Knows neither the network nor what the events mean.
"""


class EventSplitter:
    """Collects bytes and gives back the data of each event as soon as its line is whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take in bytes and return what stands behind `data:` of the lines that became whole.

        Args:
            chunk: The next bytes of the body.

        Returns:
            The data; comments and other fields are dropped.
        """
        # Not httpx's aiter_lines: that also splits at U+2028, which servers send unescaped.
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
