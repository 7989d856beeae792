"""The socket that the service listens on: taken before the model loads.

A port in use, or an address that others could reach where nobody asks them for a key, is refused
at once, not after a minute of loading weights.
"""

import errno
import socket
from ipaddress import ip_address

from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["Listener"]


class Listener:
    """A bound socket, not yet listening.

    Args:
        host: Name or address to bind.
        port: Port to bind; 0 takes a free one.
        has_keys: Whether there are API keys; without them, every address that host stands for
            must be loopback.
        scheme: `http` or `https`.

    Raises:
        UsageFailure: If host is unknown, or other machines could reach it and there are no keys.
        Failure: If the port cannot be had.
    """

    def __init__(self, host: str, port: int, has_keys: bool = False, scheme: str = "http") -> None:
        self._scheme = scheme
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageFailure(f"host is {host!r}, which is no address here: {error}") from None
        addresses = [str(address[0]) for _, _, _, _, address in found]
        self.is_local = all(map(_is_loopback, addresses))
        if not self.is_local and not has_keys:
            raise UsageFailure(_explain_exposure(host, addresses))
        family, kind, protocol, _, address = found[0]
        self.socket = socket.socket(family, kind, protocol)
        # A service that was just stopped leaves its port in TIME_WAIT; that is no reason to wait.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind(address)
        except OSError as error:
            self.socket.close()
            raise Failure(_explain(error, host, port)) from None

    @property
    def url(self) -> str:
        """Address that clients use, with the port that was really bound."""
        host, port = self.socket.getsockname()[:2]
        return (
            f"{self._scheme}://[{host}]:{port}"
            if ":" in host
            else f"{self._scheme}://{host}:{port}"
        )

    def close(self) -> None:
        """Give the port back."""
        self.socket.close()


def _is_loopback(address: str) -> bool:
    # A zone index (fe80::1%eth0) is never loopback.
    return "%" not in address and ip_address(address).is_loopback


def _explain_exposure(host: str, addresses: list[str]) -> str:
    reachable = next(address for address in addresses if not _is_loopback(address))
    return (
        f"host is {host!r}: other machines could reach {reachable}, and there are no API keys. "
        "Make one with `fimserve keys create NAME --keys FILE` and start with --keys FILE, or "
        "use 127.0.0.1 and an SSH tunnel (ssh -L)"
    )


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use; stop what runs there, or choose another with --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is not yours to open; use one above 1023"
    return f"cannot open port {port} on {host}: {error.strerror}"
