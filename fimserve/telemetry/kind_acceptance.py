"""How often suggestions at each kind of syntax node were shown and accepted. Reads only.

A suggestion is its completion id, and its node the innermost one around the whole suggestion once
it was inserted; where the client did not tell that, the innermost one at the cursor before. What
waits in the spool is not counted.
"""

from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from fimserve.telemetry.connections import READS_ONLY, make_engine
from fimserve.telemetry.errors import StoreUnavailable
from fimserve.telemetry.location import find_location
from fimserve.telemetry.settings import TelemetrySettings
from fimserve.telemetry.tables import EVENTS

__all__ = ["KindAcceptance", "read_kind_acceptance"]


class KindAcceptance(NamedTuple):
    """Suggestions at one kind of node in one language."""

    language: str | None
    node: str
    """As the grammar calls it."""
    num_shown: int
    num_accepted: int
    """Those of them that were accepted, in part or whole."""


def read_kind_acceptance(settings: TelemetrySettings) -> list[KindAcceptance]:
    """Return what was shown and accepted, by language and node.

    Args:
        settings: Settings that name a store.

    Returns:
        Counts; suggestions whose node is not known are left out.

    Raises:
        StoreUnavailable: If there is no such store, or it does not answer.
    """
    location = find_location(settings)
    if location.file is not None and not location.file.is_file():
        raise StoreUnavailable(f"there is no event database at {location.file}")
    engine = make_engine(location.url)
    try:
        with engine.connect().execution_options(**READS_ONLY) as connection:
            return [KindAcceptance(*row) for row in connection.execute(_QUERY)]
    except DBAPIError as error:
        raise StoreUnavailable(f"the event database does not answer: {error.orig}") from None
    finally:
        engine.dispose()


_shown = (
    select(
        EVENTS.c.tenant,
        EVENTS.c.completion_id,
        func.max(EVENTS.c.language).label("language"),
        func.max(func.coalesce(EVENTS.c.kind_after, EVENTS.c.kind)).label("node"),
    )
    .where(EVENTS.c.type == "shown")
    .group_by(EVENTS.c.tenant, EVENTS.c.completion_id)
    .subquery()
)
_accepted = (
    select(EVENTS.c.tenant, EVENTS.c.completion_id)
    .where(EVENTS.c.type.in_(("accepted", "partially_accepted")))
    .distinct()
    .subquery()
)
_QUERY = (
    select(
        _shown.c.language,
        _shown.c.node,
        func.count(),
        func.count(_accepted.c.completion_id),
    )
    .select_from(
        _shown.outerjoin(
            _accepted,
            (_shown.c.tenant == _accepted.c.tenant)
            & (_shown.c.completion_id == _accepted.c.completion_id),
        )
    )
    .where(_shown.c.node.is_not(None))
    .group_by(_shown.c.language, _shown.c.node)
    .order_by(_shown.c.language, _shown.c.node)
)
