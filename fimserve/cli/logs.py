"""The log on standard error: lines for people, or one JSON object a line for machines."""

import json
import logging
import sys
from datetime import UTC, datetime

__all__ = ["JsonFormatter", "set_up_logs"]

TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
OWN_ROOMS = ("fimserve.server", "fimserve.cli", "fimserve.telemetry.experiments")
"""The engine has a line of its own per request; the service's has the request's id."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line.

        Args:
            record: What was logged; `fields`, where it has them, take the place of its message.

        Returns:
            ASCII, whatever the message holds.
        """
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        line |= {"message": record.getMessage()} if fields is None else fields
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def set_up_logs(form: str, level: str) -> None:
    """Send what this process logs to standard error.

    Args:
        form: `text` or `json`.
        level: Least important kind of the service's own lines; others log warnings and worse.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # It warns of every client that speaks no HTTP, and anybody can send a million of those.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    for room in OWN_ROOMS:
        logging.getLogger(room).setLevel(level.upper())
