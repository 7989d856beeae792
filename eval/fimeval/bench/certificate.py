"""A certificate for this machine's loopback address, made anew for one measurement."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fimeval.errors import EvalError

__all__ = ["Certificate", "make_certificate"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where certificate and key lie, PEM."""

    path: Path
    """The certificate, which signs itself: whoever trusts this file trusts the server."""
    key_path: Path


def make_certificate(directory: Path) -> Certificate:
    """Make a certificate for 127.0.0.1 that is good for a day.

    Args:
        directory: Where both files go.

    Returns:
        The files.

    Raises:
        EvalError: If there is no openssl.
    """
    if shutil.which("openssl") is None:
        raise EvalError("openssl is not on the PATH; attacks on TLS need it for a certificate")
    made = Certificate(directory / "cert.pem", directory / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", made.key_path, "-out", made.path],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made
