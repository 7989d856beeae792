"""Exits with 0 where the fimserve on this machine is alive, with or without TLS: for containers.

The port is FIMSERVE_SERVER_PORT, or 8111. Needs nothing but Python.
"""

import http.client
import os
import ssl
import sys

TIMEOUT_S = 1.0


def is_alive(connection: http.client.HTTPConnection) -> bool:
    """Return whether `/health` says so."""
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Return the exit status."""
    port = int(os.environ.get("FIMSERVE_SERVER_PORT", "8111"))
    # The certificate is for the name that clients use, and nothing secret is sent.
    trusting = ssl._create_unverified_context()
    ways = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S),
        http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=trusting),
    )
    return 0 if any(map(is_alive, ways)) else 1


if __name__ == "__main__":
    sys.exit(main())
