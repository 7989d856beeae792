"""An event store that takes nothing, and says why in the way that a test wants."""

from concurrent.futures import Future

from fimserve.telemetry.store import Appended


class RefusingStore:
    """Refuses every batch.

    Args:
        error: What it raises.
    """

    max_batch_events = 5

    def __init__(self, error: Exception) -> None:
        self._error = error

    def append(self, tenant: str, events: object) -> Appended:
        """Refuse a batch.

        Args:
            tenant: Not looked at.
            events: Not looked at.

        Raises:
            Exception: The error.
        """
        raise self._error

    def submit(self, tenant: str, events: object) -> Future[Appended]:
        """Refuse a batch, in the future.

        Args:
            tenant: Not looked at.
            events: Not looked at.
        """
        future: Future[Appended] = Future()
        future.set_exception(self._error)
        return future

    def keeps_text(self, tenant: str) -> bool:
        """Return that code is not kept."""
        return False

    def close(self) -> None:
        """Do nothing."""
