"""The socket that the service listens on: taken before the model loads, on loopback only.

A port in use or an address that others could reach is refused at once, not after a minute of
loading weights.
"""

import errno
import socket
from ipaddress import ip_address

from fimserve.cli.failure import Failure, UsageFailure

__all__ = ["Listener"]


class Listener:
    """A bound socket, not yet listening.

    Args:
        host: Name or address to bind; every address it stands for must be loopback.
        port: Port to bind; 0 takes a free one.

    Raises:
        UsageFailure: If host is unknown or other machines could reach it.
        Failure: If the port cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageFailure(f"host is {host!r}, which is no address here: {error}") from None
        for _, _, _, _, address in found:
            _check_loopback(host, str(address[0]))
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
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Give the port back."""
        self.socket.close()


def _check_loopback(host: str, address: str) -> None:
    # A zone index (fe80::1%eth0) is never loopback.
    if "%" in address or not ip_address(address).is_loopback:
        raise UsageFailure(
            f"host is {host!r}: other machines could reach {address}, and fimserve has no API "
            "keys yet; they arrive with a later version. Use 127.0.0.1, and an SSH tunnel "
            "(ssh -L) to reach it from elsewhere"
        )


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use; stop what runs there, or choose another with --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is not yours to open; use one above 1023"
    return f"cannot open port {port} on {host}: {error.strerror}"
