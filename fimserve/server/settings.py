"""Settings of the HTTP service: the address, and the cap on everything a client may send.

The defaults are written here and nowhere else. Plain values only, so that the command line can
compose them with flags, environment and file without importing a web framework.
"""

from dataclasses import dataclass

__all__ = ["ServerSettings", "ServerSettingsError"]

MAX_PORT = 65_535


class ServerSettingsError(ValueError):
    """A setting of the service has a value that cannot work."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the service listens and what it accepts."""

    host: str = "127.0.0.1"
    """Address to listen on. Only loopback addresses are accepted until API keys exist."""
    port: int = 8111
    """TCP port to listen on; 0 takes a free one."""
    model_aliases: tuple[str, ...] = ()
    """Further model names that clients may ask for, listed by `GET /v1/models`."""
    max_body_bytes: int = 1_048_576
    """Largest request body; a longer one is refused while it is being read."""
    max_context_chars: int = 262_144
    """Most characters of prompt, suffix and snippets together."""
    max_snippets: int = 64
    """Most snippets of other files in one request."""
    max_tokens: int = 512
    """Longest completion; a request that asks for more gets this much."""
    max_stops: int = 16
    """Most stop strings in one request."""
    max_stop_chars: int = 64
    """Longest stop string."""
    drain_s: int = 10
    """Seconds that running requests get to finish once the service is told to stop."""

    @property
    def url(self) -> str:
        """Address at which clients on this machine find the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= MAX_PORT:
            raise ServerSettingsError(f"port is {self.port}; use 0 to {MAX_PORT}")
        for name in ("max_body_bytes", "max_context_chars", "max_tokens", "max_stop_chars"):
            self._check_at_least(name, 1)
        for name in ("max_snippets", "max_stops", "drain_s"):
            self._check_at_least(name, 0)

    def _check_at_least(self, name: str, minimum: int) -> None:
        value = getattr(self, name)
        if value < minimum:
            raise ServerSettingsError(f"{name} is {value}; use {minimum} or more")
