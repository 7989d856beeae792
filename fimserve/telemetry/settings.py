"""Settings of the event store: which database, how long, whose code.

Plain values only, so that the command line can compose them without a database library.
"""

from dataclasses import dataclass, field

from fimserve.telemetry.errors import StoreSettingsError

__all__ = ["MAX_BATCH_EVENTS", "OFF", "SQLITE", "TelemetrySettings"]

OFF = "off"
SQLITE = "sqlite"
"""Words that stand for a database URL."""
MAX_BATCH_EVENTS = 500
"""Most events of one request where nothing else is said."""
URL_STARTS = ("sqlite:///", "postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where events go and how long they stay."""

    # It may hold a password, and settings are logged.
    url: str = field(default=SQLITE, repr=False)
    """Database: `sqlite` (a file in this user's state directory), `sqlite:///PATH`,
    `postgresql://USER:PASSWORD@HOST/DATABASE`, or `off`."""
    retention_days: int = 400
    """Days after which an event is deleted; 0 keeps events for ever."""
    store_text: tuple[str, ...] = ()
    """Tenants whose events may carry code; the code of all others is dropped on arrival."""
    text_retention_days: int = 14
    """Days after which such code is deleted; the event's numbers stay."""
    spool: str = ""
    """Directory that takes events while the database is away. Default: beside an SQLite file,
    else in this user's state directory."""
    max_spool_mib: int = 256
    """Most that the directory may hold; beyond, events are refused until the database is back."""
    max_batch_events: int = MAX_BATCH_EVENTS
    """Most events in one request."""

    def __post_init__(self) -> None:
        if self.url not in (OFF, SQLITE) and not self.url.startswith(URL_STARTS):
            raise StoreSettingsError(  # the value itself may hold a password
                "url should be off, sqlite, sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
            )
        self._check_at_least("retention_days", 0)
        for name in ("text_retention_days", "max_spool_mib", "max_batch_events"):
            self._check_at_least(name, 1)
        if 0 < self.retention_days < self.text_retention_days:
            raise StoreSettingsError(
                f"text_retention_days is {self.text_retention_days}; code stays no longer than its "
                f"event, so use {self.retention_days} or less (retention_days)"
            )

    @property
    def is_on(self) -> bool:
        """Whether events are stored at all."""
        return self.url != OFF

    def _check_at_least(self, name: str, minimum: int) -> None:
        value = getattr(self, name)
        if value < minimum:
            raise StoreSettingsError(f"{name} is {value}; use {minimum} or more")
