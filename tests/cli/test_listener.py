"""The address of the service: free, and on this machine only unless there are keys."""

import socket

import pytest

from fimserve.cli.failure import Failure, UsageFailure
from fimserve.cli.listener import Listener


def test_free_port_is_bound_and_named() -> None:
    listener = Listener("127.0.0.1", 0)
    host, port = listener.socket.getsockname()
    assert listener.url == f"http://{host}:{port}"
    listener.close()


def test_port_in_use_is_refused_before_anything_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failure, match=rf"port {port} on 127\.0\.0\.1 is in use.*--port"):
            Listener("127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "8.8.8.8"])
def test_address_that_others_reach_is_refused_without_keys(host: str) -> None:
    with pytest.raises(UsageFailure, match=r"host is.*fimserve keys create"):
        Listener(host, 0)


def test_with_keys_others_may_reach_the_service() -> None:
    listener = Listener("0.0.0.0", 0, has_keys=True, scheme="https")
    assert not listener.is_local
    assert listener.url.startswith("https://0.0.0.0:")
    listener.close()


def test_localhost_and_the_whole_loopback_network_are_accepted() -> None:
    for host in ("localhost", "127.0.0.2"):
        listener = Listener(host, 0)
        assert listener.url.startswith("http://127.0.0.")
        listener.close()


def test_unknown_host_is_refused() -> None:
    with pytest.raises(UsageFailure, match="no address here"):
        Listener("no-such-host.invalid", 0)
