"""Acceptance per syntax node: a suggestion counts once, by the node around it."""

from pathlib import Path

import pytest

from fimserve.telemetry import StoreUnavailable, TelemetrySettings, open_event_store
from fimserve.telemetry.event import Event
from fimserve.telemetry.kind_acceptance import KindAcceptance, read_kind_acceptance
from support.events import make_event


def shown(completion: str, **values: object) -> Event:
    return make_event(type="shown", completion_id=completion, language="python", **values)


def test_suggestions_count_once_by_the_node_around_them(url: str, tmp_path: Path) -> None:
    settings = TelemetrySettings(url=url, spool=str(tmp_path / "spool"))
    store = open_event_store(settings)
    assert store is not None
    store.append(
        "one",
        [
            shown("a", kind="block", kind_after="call"),
            shown("a", kind="block", kind_after="call"),  # shown again
            make_event(type="partially_accepted", completion_id="a", accepted_chars=3),
            make_event(type="accepted", completion_id="a"),
            shown("b", kind="call", kind_after=None),
            shown("c", kind=None, kind_after=None),
            make_event(type="accepted", completion_id="c"),
            shown("d", kind_after="return_statement"),
            make_event(type="dismissed", completion_id="d"),
            make_event(type="requested", completion_id="e", kind="call"),
        ],
    )
    # The same completion id of another tenant is another suggestion.
    store.append("two", [make_event(type="accepted", completion_id="b")])
    store.close()
    assert read_kind_acceptance(settings) == [
        KindAcceptance("python", "call", 2, 1),
        KindAcceptance("python", "return_statement", 1, 0),
    ]


def test_a_store_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "absent.db"
    with pytest.raises(StoreUnavailable, match="there is no event database at"):
        read_kind_acceptance(TelemetrySettings(url=f"sqlite:///{file}"))
    assert not file.exists()
