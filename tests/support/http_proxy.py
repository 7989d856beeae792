"""A proxy that leads every name to one address of this machine, and a page behind a certificate of
its own making: what stands between an editor and a server in a company.
"""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

CHUNK_BYTES = 65_536


@dataclass(slots=True)
class HttpProxy:
    """A running proxy."""

    url: str
    asked: list[str] = field(default_factory=list)
    """Hosts with their ports, as they were asked for."""


@contextmanager
def serve_proxy(port: int) -> Iterator[HttpProxy]:
    """Lead `CONNECT host:port` to a port of this machine for the length of a `with` block.

    Args:
        port: Where all names lead.

    Yields:
        The proxy.
    """

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            method, target, _ = self.rfile.readline().decode("ascii").split()
            while self.rfile.readline().strip():
                pass
            proxy.asked.append(target)
            if method != "CONNECT":
                self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", port)) as behind:
                self.wfile.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(behind, self.connection), daemon=True)
                back.start()
                _pump(self.connection, behind)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy = HttpProxy(f"http://127.0.0.1:{server.server_address[1]}")
        with _running(server):
            yield proxy


@contextmanager
def serve_untrusted(folder: Path) -> Iterator[str]:
    """Serve a page over TLS that no client trusts for the length of a `with` block.

    Args:
        folder: Where its certificate goes.

    Yields:
        Its address.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        # Shaken hands in the thread of a connection: a client that breaks it off stops nobody.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        with _running(server):
            yield f"https://localhost:{server.server_port}"


@contextmanager
def _running(server: ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
