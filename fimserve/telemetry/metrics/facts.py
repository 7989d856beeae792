"""From events to suggestions: one row for each, in a temporary table of the reading connection.

Everything that can happen to a suggestion twice is taken once here: showings, repeated and late
events, growing partial acceptance. The database does it, for SQLite and PostgreSQL alike, and the
tables are gone with the transaction.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    or_,
    select,
    text,
)

from fimserve.telemetry.metrics.definitions import WINDOWS_S
from fimserve.telemetry.metrics.window import DAY_MS, Window
from fimserve.telemetry.tables import EVENTS

__all__ = ["RETAINED_S", "Workspace", "fill_facts", "fill_requests", "make_workspace"]

READ_MS = 750.0
"""A suggestion that was visible so long was seen."""
PERSISTENT_BELOW = 0.33
"""Edit distance by the longer length, below which a text is mostly unchanged."""
LATE_MS = DAY_MS
"""An event may arrive so long after it happened; beyond, it counts for when it arrived."""
GRACE_MS = 120_000
"""Time that a client has to report a window before the report is missing."""
RETAINED_S = (30, 300)
"""Windows at which retained characters are summed."""

E = EVENTS.c


class Workspace:
    """Temporary tables of one measurement.

    Args:
        prefix: Begins their names.
    """

    def __init__(self, prefix: str) -> None:
        metadata = MetaData()
        options: dict[str, Any] = {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DROP"}
        self.facts = Table(
            f"{prefix}_facts",
            metadata,
            *(Column(name, String()) for name in ("user_hash", "label", "assigned")),
            Column("moment_ms", BigInteger()),
            Column("day", Integer()),
            *(Column(name, String()) for name in ("language", "kind", "lines", "source")),
            Column("visible_ms", Double()),
            *(Column(name, Integer()) for name in ("counted", "accepted", "taken")),
            *(Column(name, BigInteger()) for name in ("shown_chars", "taken_chars")),
            Column("typed_chars", BigInteger()),
            *(Column(f"{what}_{w}", Integer()) for w in WINDOWS_S for what in _OUTCOMES),
            *(Column(f"retained_{w}", Double()) for w in RETAINED_S),
            **options,
        )
        self.requests = Table(
            f"{prefix}_requests",
            metadata,
            *(Column(name, String()) for name in ("user_hash", "label", "assigned")),
            Column("day", Integer()),
            Column("first_ms", BigInteger()),
            *(Column(name, BigInteger()) for name in ("requested", "errors", "typed_chars")),
            **options,
        )
        self.members = Table(
            f"{prefix}_members",
            metadata,
            Column("user_id", Integer()),
            Column("user_hash", String(), primary_key=True),
            Column("arm", Integer()),
            **options,
        )
        self.metadata = metadata


_OUTCOMES = ("observed", "persisted", "missing")


def make_workspace(connection: Connection, prefix: str) -> Workspace:
    """Create the temporary tables; they go with the transaction.

    Args:
        connection: A connection that reads.
        prefix: Begins their names.

    Returns:
        The tables, empty.
    """
    workspace = Workspace(prefix)
    workspace.metadata.create_all(connection, checkfirst=False)
    return workspace


def fill_facts(
    connection: Connection,
    workspace: Workspace,
    window: Window,
    labels: list[str] | None,
    users: Table | None = None,
) -> None:
    """Write one row for each suggestion of a window.

    Args:
        connection: The connection with the tables.
        workspace: The tables.
        window: What counts.
        labels: What events of the experiment say under `experiment`; None takes all events.
        users: A table with the `user_hash` of those who count; None takes everybody.
    """
    for condition in _conditions(window, labels, users):
        grouped = _group_events(condition, window)
        query = _judge(grouped, window)
        names = [column.name for column in query.selected_columns]
        connection.execute(workspace.facts.insert().from_select(names, query))
    _refresh_statistics(connection, workspace.facts)


def fill_requests(
    connection: Connection,
    workspace: Workspace,
    window: Window,
    labels: list[str] | None,
    users: Table | None = None,
) -> None:
    """Write one row for each user and day with what happened outside of suggestions.

    Args:
        connection: The connection with the tables.
        workspace: The tables.
        window: What counts.
        labels: What events of the experiment say under `experiment`; None takes all events.
        users: A table with the `user_hash` of those who count; None takes everybody.
    """
    moment = _moment()
    for condition in _conditions(window, labels, users):
        query = (
            select(
                _user(window).label("user_hash"),
                E.experiment.label("label"),
                func.coalesce(E.assigned_arm, E.arm).label("assigned"),
                (moment // DAY_MS).label("day"),
                func.min(moment).label("first_ms"),
                _sum_if(E.type == "requested").label("requested"),
                _sum_if(E.type == "error").label("errors"),
                func.sum(E.typed_chars).label("typed_chars"),
            )
            .where(condition, E.completion_id.is_(None))
            .where(moment >= window.since_ms, moment < window.until_ms)
            .group_by(text("1"), text("2"), text("3"), text("4"))
        )
        names = [column.name for column in query.selected_columns]
        connection.execute(workspace.requests.insert().from_select(names, query))
    _refresh_statistics(connection, workspace.requests)


def _conditions(
    window: Window, labels: list[str] | None, users: Table | None
) -> list[ColumnElement[bool]]:
    """Return the conditions of the statements that together read a window's events."""
    first, last = window.since_ms - LATE_MS, window.until_ms + LATE_MS
    if labels is not None:
        # Grouping goes along the index of experiments, which the index of times must not win from.
        received = E.received_ms + 0
        in_time = and_(received >= first, received < last)
        return [and_(E.experiment == label, in_time) for label in labels]
    in_time = and_(E.received_ms >= first, E.received_ms < last)
    if users is None:
        return [in_time]
    return [and_(in_time, E.user_hash.in_(select(users.c.user_hash)))]


def _group_events(condition: ColumnElement[bool], window: Window) -> Select[Any]:
    """Return one row per suggestion with what its events say together."""
    moment = _moment()
    is_accepted = E.type == "accepted"
    is_taken = E.type.in_(("accepted", "partially_accepted"))
    columns: list[ColumnElement[Any]] = [
        func.max(_user(window)).label("user_hash"),
        func.max(E.experiment).label("label"),
        func.max(func.coalesce(E.assigned_arm, E.arm)).label("assigned"),
        func.min(moment).label("moment_ms"),
        func.min(case((is_accepted, moment))).label("accepted_ms"),
        func.max(E.language).label("language"),
        func.max(E.kind).label("kind"),
        func.max(E.source).label("source"),
        func.max(E.completion_lines).label("num_lines"),
        func.max(E.completion_chars).label("chars"),
        func.max(E.accepted_chars).label("taken_chars"),
        func.max(E.shown_ms).label("shown_ms"),
        func.min(E.visible_ms).label("visible_ms"),
        func.sum(E.typed_chars).label("typed_chars"),
        _any(is_accepted).label("accepted"),
        _any(is_taken).label("taken"),
        _any(E.other_provider.is_(True)).label("is_other"),
        func.min(case((E.removed.is_(True), E.after_s))).label("removed_s"),
        # Nobody can look at later windows either, and where somebody did, that counts.
        func.min(case((E.censored.is_(True), E.after_s))).label("censored_s"),
    ]
    for w in WINDOWS_S:
        at = E.after_s == w
        columns.append(func.min(case((at, E.difference))).label(f"difference_{w}"))
    for w in RETAINED_S:
        at = E.after_s == w
        columns += [
            func.max(case((at, E.retained_chars))).label(f"kept_{w}"),
            func.max(case((at, E.current_chars))).label(f"current_{w}"),
        ]
    return (
        select(*columns)
        .where(condition, E.completion_id.is_not(None))
        .group_by(E.tenant, E.completion_id, E.choice_index)
        .having(and_(func.min(moment) >= window.since_ms, func.min(moment) < window.until_ms))
    )


def _judge(grouped: Select[Any], window: Window) -> Select[Any]:
    """Return what counts of each suggestion, by the definitions."""
    g = grouped.subquery().c
    # Beside another provider nobody knows whose text was looked at: that is left to latency.
    is_own = g.is_other == 0
    is_counted = and_(is_own, or_(g.taken == 1, g.shown_ms >= READ_MS))
    is_accepted = and_(is_own, g.accepted == 1)
    chars = func.coalesce(g.chars, g.taken_chars, 0)
    taken = case(
        (g.accepted == 1, func.coalesce(g.taken_chars, g.chars, 0)),
        else_=func.coalesce(g.taken_chars, 0),
    )
    columns: list[ColumnElement[Any]] = [
        g.user_hash,
        g.label,
        g.assigned,
        g.moment_ms,
        (g.moment_ms // DAY_MS).label("day"),
        g.language,
        g.kind,
        _line_bucket(g.num_lines).label("lines"),
        g.source,
        g.visible_ms,
        _flag(is_counted).label("counted"),
        _flag(is_accepted).label("accepted"),
        _flag(and_(is_own, g.taken == 1)).label("taken"),
        case((is_counted, chars), else_=0).label("shown_chars"),
        case((is_own, taken), else_=0).label("taken_chars"),
        g.typed_chars,
    ]
    for w in WINDOWS_S:
        is_gone = and_(g.removed_s.is_not(None), g.removed_s <= w)
        difference = g[f"difference_{w}"]
        is_observed = and_(is_accepted, or_(is_gone, difference.is_not(None)))
        is_persistent = and_(
            is_observed,
            difference < PERSISTENT_BELOW,
            or_(g.removed_s.is_(None), g.removed_s > w),
        )
        is_due = or_(g.censored_s <= w, g.accepted_ms <= window.as_of_ms - (w * 1_000 + GRACE_MS))
        is_unknown = and_(difference.is_(None), or_(g.removed_s.is_(None), g.removed_s > w))
        columns += [
            _flag(is_observed).label(f"observed_{w}"),
            _flag(is_persistent).label(f"persisted_{w}"),
            _flag(and_(is_accepted, is_unknown, is_due)).label(f"missing_{w}"),
        ]
    for w in RETAINED_S:
        columns.append(_retained(g, w, taken, is_own).label(f"retained_{w}"))
    return select(*columns)


def _retained(
    g: Any, w: int, taken: ColumnElement[Any], is_own: ColumnElement[bool]
) -> ColumnElement[Any]:
    """Return the characters that are still there; 0 where nobody could look.

    Where a client does not say, the edit distance does: of two texts of which the longer has m
    characters and that differ by d m edits, at least m (1 - d) are common.
    """
    current = func.coalesce(g[f"current_{w}"], 0)
    longer = case((current > taken, current), else_=taken)
    is_gone = and_(g.removed_s.is_not(None), g.removed_s <= w)
    kept = func.coalesce(g[f"kept_{w}"], longer * (1.0 - g[f"difference_{w}"]), 0.0)
    return case((or_(~is_own, is_gone), 0.0), else_=kept)


def _line_bucket(num_lines: ColumnElement[Any]) -> ColumnElement[Any]:
    return case(
        (num_lines.is_(None), None),
        (num_lines <= 1, "1"),
        (num_lines <= 5, "2-5"),
        (num_lines <= 10, "6-10"),
        else_=">10",
    )


def _moment() -> ColumnElement[Any]:
    """Return when an event happened: by the client's clock where that can be, else by ours."""
    can_be = and_(E.at_ms <= E.received_ms, E.at_ms >= E.received_ms - LATE_MS)
    return case((can_be, E.at_ms), else_=E.received_ms)


def _user(window: Window) -> ColumnElement[Any]:
    """Return who an event is of: in experiments a user, elsewhere at least an editor."""
    if window.experiment is not None:
        return E.user_hash
    return func.coalesce(E.user_hash, E.window_hash, E.session_hash)


def _any(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.max(_flag(condition))


def _sum_if(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(_flag(condition))


def _flag(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return case((condition, 1), else_=0)


def _refresh_statistics(connection: Connection, table: Table) -> None:
    # PostgreSQL knows nothing of a temporary table's size until it is told to look.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {table.name}")
