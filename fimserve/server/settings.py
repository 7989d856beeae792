"""Settings of the HTTP service: the address, who may ask, and the cap on all that clients send.

The defaults are written here and nowhere else. Plain values only, so that the command line can
compose them with flags, environment and file without importing a web framework.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["ServerSettings", "ServerSettingsError"]

MAX_PORT = 65_535
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")

MINIMA: dict[str, float] = {
    **dict.fromkeys(("max_body_bytes", "max_context_chars", "max_tokens", "max_stop_chars"), 1),
    **dict.fromkeys(("max_prefix_chars", "max_suffix_chars", "max_choices", "key_burst"), 1),
    **dict.fromkeys(("max_snippets", "max_stops", "drain_s"), 0),
    **dict.fromkeys(("key_requests_per_s", "key_concurrency", "failures_per_s"), 0),
    **dict.fromkeys(("header_timeout_s", "body_timeout_s", "write_timeout_s"), 0.1),
    "max_connections": 8,
    "max_header_bytes": 1024,
}
"""Smallest value of each setting that has one."""


HOST_NAME = re.compile(r"[A-Za-z0-9._:-]+")


class ServerSettingsError(ValueError):
    """A setting of the service has a value that cannot work."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the service listens, who may ask, and what it accepts."""

    host: str = "127.0.0.1"
    """Address to listen on. One that other machines can reach needs `keys`."""
    port: int = 8111
    """TCP port to listen on; 0 takes a free one."""
    model_aliases: tuple[str, ...] = ()
    """Further model names that clients may ask for, listed by `GET /v1/models`."""
    keys: Path | None = None
    """File of API keys, made by `fimserve keys create`. With it every route but `/health` and the
    page at `/` asks for a key; without it everybody on this machine may ask everything."""
    tls_cert: Path | None = None
    """Certificate chain, PEM. With it and `tls_key` the service speaks https."""
    tls_key: Path | None = None
    """Private key of the certificate, PEM, not encrypted."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides `host`, `localhost` and loopback addresses under which the service answers
    without keys, such as that of a proxy in front. With keys it answers under any name."""
    cors_origins: tuple[str, ...] = ()
    """Web origins, `https://host:port`, whose pages may ask this service; none by default."""
    key_requests_per_s: float = 20.0
    """Requests per second that one API key may send on average; 0 for no limit."""
    key_burst: int = 60
    """Requests that one API key may save up and send at once."""
    key_concurrency: int = 32
    """Requests of one API key that are answered at the same time; 0 for no limit."""
    failures_per_s: float = 2.0
    """Answers of 401 and 403 per second that one address gets, 30 saved up; more are 429, and not
    logged one by one. Whoever has a good key is not held up. 0 for no limit."""
    max_connections: int = 800
    """Most connections at a time, counted before any TLS handshake. For one more, the oldest
    without a whole request head goes, then an idle one; if all are answered, it is refused."""
    max_header_bytes: int = 16_384
    """Largest request line and headers together."""
    header_timeout_s: float = 10.0
    """Seconds for the TLS handshake, and again for request line and headers."""
    body_timeout_s: float = 10.0
    """Seconds in which the body must have arrived."""
    write_timeout_s: float = 30.0
    """Seconds that an answer may wait for a client that does not read it."""
    max_body_bytes: int = 1_048_576
    """Largest request body; a longer one is refused while it is being read."""
    max_context_chars: int = 262_144
    """Most characters of prompt, suffix and snippets together."""
    max_prefix_chars: int = 262_144
    """Most characters before the cursor."""
    max_suffix_chars: int = 262_144
    """Most characters behind the cursor."""
    max_snippets: int = 64
    """Most snippets of other files in one request."""
    max_choices: int = 8
    """Most completions of one request (`n`)."""
    max_tokens: int = 512
    """Longest completion; a request that asks for more gets this much."""
    max_stops: int = 16
    """Most stop strings in one request."""
    max_stop_chars: int = 64
    """Longest stop string."""
    drain_s: int = 10
    """Seconds that running requests get to finish once the service is told to stop."""
    log_format: str = "text"
    """Form of the log on standard error: `text`, or `json` for one object a line."""
    log_level: str = "info"
    """Least important kind of line that is logged: `debug`, `info`, `warning`, `error`."""

    @property
    def url(self) -> str:
        """Address at which clients on this machine find the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate, otherwise `http`."""
        return "http" if self.tls_cert is None else "https"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= MAX_PORT:
            raise ServerSettingsError(f"port is {self.port}; use 0 to {MAX_PORT}")
        for name, minimum in MINIMA.items():
            value = getattr(self, name)
            if not value >= minimum:  # also refuses NaN
                raise ServerSettingsError(f"{name} is {value}; use {minimum} or more")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ServerSettingsError("one of tls_cert and tls_key is set; TLS needs both")
        for origin in self.cors_origins:
            _check_origin(origin)
        for name in self.allowed_hosts:
            if not HOST_NAME.fullmatch(name):
                raise ServerSettingsError(
                    f"allowed_hosts has {name!r}; write names without scheme and port"
                )
        _check_choice("log_format", self.log_format, LOG_FORMATS)
        _check_choice("log_level", self.log_level, LOG_LEVELS)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ServerSettingsError(f"{name} is {value!r}; use one of {', '.join(choices)}")


def _check_origin(origin: str) -> None:
    # `*` would let every page that a programmer opens ask for completions of their code.
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
        raise ServerSettingsError(
            f"cors_origins has {origin!r}; write origins as https://host:port"
        )
