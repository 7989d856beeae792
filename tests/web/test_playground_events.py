"""What becomes of suggestions in the playground is stored by the service: once, without code."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.keys import add_key
from support.live_server import serve_in_thread
from support.stored import read_rows

pytest.importorskip("playwright", reason="the playwright package is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect

from support.browser import find_chromium, open_browser, open_page
from support.playground import (
    HeldEngine,
    enter_editor,
    ghost,
    no_ghost,
    playground,
    wait_for_editor,
)

CHROMIUM = find_chromium()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

WAIT_S = 15.0
SWITCH = "Tell this server what becomes of suggestions."
Row = dict[str, Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with open_browser(CHROMIUM) as opened:
        yield opened


@pytest.fixture
def profile(browser: Browser) -> Iterator[BrowserContext]:
    with closing(browser.new_context()) as opened:
        yield opened


@pytest.fixture
def engine() -> HeldEngine:
    held = HeldEngine()
    held.begin_anew("total / len(values)")
    return held


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


@pytest.fixture
def url(engine: HeldEngine, database: str) -> Iterator[str]:
    with serve_in_thread(
        engine, event_store=open_event_store(TelemetrySettings(url=database))
    ) as url:
        yield url


@pytest.fixture
def page(profile: BrowserContext, url: str) -> Iterator[Page]:
    with playground(profile, url) as opened:
        yield opened


def rows_of(database: str, *types: str) -> list[Row]:
    """Return the stored events as they happened, once those of these types are there."""
    until_s = time.monotonic() + WAIT_S
    while True:
        rows = sorted(read_rows(database), key=lambda row: int(row["at_ms"]))
        told = [row["type"] for row in rows]
        if all(told.count(one) >= types.count(one) for one in types):
            return rows
        assert time.monotonic() < until_s, told
        time.sleep(0.05)


def only(rows: list[Row], kind: str) -> Row:
    (found,) = [row for row in rows if row["type"] == kind]
    return found


def test_a_suggestion_that_is_taken(page: Page, database: str, engine: HeldEngine) -> None:
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    page.wait_for_timeout(300)
    engine.begin_anew("")
    page.keyboard.press("Tab")
    no_ghost(page)
    rows = rows_of(database, "requested", "shown", "accepted")
    requested, shown, accepted = rows[:3]
    assert [row["type"] for row in rows[:3]] == ["requested", "shown", "accepted"]
    assert requested["trigger"] == "auto"
    assert requested["completion_id"] is None
    assert requested["prefix_chars"] == len(engine_prefix(page)) - len("total / len(values)")
    assert shown["completion_id"] == accepted["completion_id"]
    assert shown["completion_id"].startswith("cmpl-")
    assert shown["request_id"] == requested["request_id"]
    assert (shown["language"], shown["client"]) == ("python", "fimserve-playground")
    assert (shown["completion_chars"], shown["completion_lines"]) == (19, 1)
    counts = ("prompt_tokens", "cached_tokens", "completion_tokens")
    assert [shown[count] for count in counts] == [19, 12, 9]
    assert 0 <= shown["ttft_ms"] <= shown["e2e_ms"] < 10_000
    assert 0 < shown["visible_ms"] < 10_000
    assert accepted["accepted_chars"] == 19
    assert 250 < accepted["shown_ms"] < 10_000
    # The page knows no grammar: the service says what was completed.
    assert (requested["kind"], shown["kind"]) == (None, "return_statement")


def engine_prefix(page: Page) -> str:
    """Return the text before the cursor, as the page's samples and keys made it."""
    shown: str = page.evaluate(TEXT_BEFORE)
    return shown


TEXT_BEFORE = """async () => {
  const module = await import(document.querySelector('link[rel=modulepreload]').href);
  const code = module.editor.getEditors()[0];
  const model = code.getModel();
  return model.getValue().slice(0, model.getOffsetAt(code.getPosition()));
}"""


def test_a_suggestion_that_is_taken_word_by_word(page: Page, database: str) -> None:
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    page.keyboard.press("Control+ArrowRight")
    ghost(page, " / len(values)")
    page.keyboard.press("Control+ArrowRight")
    ghost(page, "/ len(values)")
    page.keyboard.press("Tab")
    rows = rows_of(database, "requested", "partially_accepted", "partially_accepted", "accepted")
    parts = [row["accepted_chars"] for row in rows if row["type"] == "partially_accepted"]
    assert parts == [len("total"), len("total ")]
    assert only(rows, "accepted")["accepted_chars"] == len("total / len(values)")
    first = next(row for row in rows if row["type"] == "shown")  # then what follows is suggested
    assert first["completion_chars"] == len("total / len(values)")


def test_what_was_typed_along_is_not_accepted(page: Page, database: str) -> None:
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    page.keyboard.type("tot")
    ghost(page, "al / len(values)")
    page.keyboard.press("Tab")
    rows = rows_of(database, "shown", "accepted")
    assert only(rows, "accepted")["accepted_chars"] == len("al / len(values)")


def test_suggestions_that_go_away_say_why(page: Page, database: str, engine: HeldEngine) -> None:
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    page.keyboard.press("Escape")
    rows = rows_of(database, "dismissed")
    assert only(rows, "dismissed")["dismiss_reason"] == "escape"
    engine.begin_anew("abc")
    page.keyboard.type("y")
    ghost(page, "abc")
    page.keyboard.type("z")
    rows = rows_of(database, "dismissed", "dismissed")
    assert rows[-1]["type"] != "error"
    reasons = [row["dismiss_reason"] for row in rows if row["type"] == "dismissed"]
    assert reasons == ["escape", "typed_over"]
    ghost(page, "abc")
    page.keyboard.press("ArrowUp")
    rows = rows_of(database, *["dismissed"] * 3)
    assert [r["dismiss_reason"] for r in rows if r["type"] == "dismissed"][2] == "caret_moved"


def test_a_page_that_is_closed_leaves_nothing_unsaid(
    profile: BrowserContext, url: str, database: str
) -> None:
    with playground(profile, url) as page:
        # The page sends nothing before the service has said that it takes events.
        expect(page.get_by_label(SWITCH)).to_be_visible(timeout=15_000)
        page.keyboard.type("x")
        ghost(page, "total / len(values)")
        page.goto("about:blank")
        # The tab stays: a browser that ends right behind the page may take its last words along.
        rows = rows_of(database, "requested", "shown", "dismissed")
    assert only(rows, "dismissed")["dismiss_reason"] == "other"


def test_a_batch_that_got_no_answer_is_sent_again_and_counts_once(
    profile: BrowserContext, url: str, database: str
) -> None:
    sent: list[list[str]] = []

    def lose_the_first_answer(route: Route) -> None:
        sent.append([event["id"] for event in json.loads(route.request.post_data or "")["events"]])
        if len(sent) == 1:
            route.fetch()  # it arrives, and nobody hears of it
            route.abort()
        else:
            route.continue_()

    # The browser complains of the answer that it lost.
    with open_page(profile, url) as (page, _):
        page.route("**/v1/events", lose_the_first_answer)
        wait_for_editor(page)
        enter_editor(page)
        page.keyboard.type("x")
        ghost(page, "total / len(values)")
        expect(page.locator("#events output")).to_have_text("2 sent.", timeout=15_000)
    assert set(sent[0]) <= set(sent[1])
    rows = rows_of(database, "requested", "shown")
    assert set(sent[0]) <= {row["id"] for row in rows}
    # Sent anew under another id, an event would count twice although each id stands once.
    told = [(row["type"], row["request_id"]) for row in rows]
    assert len(told) == len(set(told)), "an event counted twice"
    only(rows, "shown")


def test_no_event_holds_what_is_in_the_editor(page: Page, database: str) -> None:
    bodies: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/v1/events"):
            bodies.append(request.post_data or "")

    page.on("request", note)
    page.keyboard.type("secretword")
    ghost(page, "total / len(values)")
    page.keyboard.press("Escape")
    rows_of(database, "dismissed")
    page.wait_for_timeout(100)  # what the browser did is told now
    assert bodies
    for body in bodies:
        for word in ("secretword", "total", "statistics", "return", "def "):
            assert word not in body
        for event in json.loads(body)["events"]:
            assert all(isinstance(value, str | int | float | bool) for value in event.values())
            assert not any(isinstance(v, str) and re.search(r"\s", v) for v in event.values())


def test_the_switch_is_seen_kept_and_obeyed(
    page: Page, database: str, profile: BrowserContext, url: str
) -> None:
    box = page.get_by_label(SWITCH)
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator("#events output")).to_have_text("Nothing is sent.")
    page.reload()
    wait_for_editor(page)
    expect(page.get_by_label(SWITCH)).not_to_be_checked()
    page.locator(".monaco-editor textarea, .native-edit-context").first.focus()
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    page.keyboard.press("Escape")
    page.wait_for_timeout(1_500)
    assert read_rows(database) == []


def test_without_a_store_there_is_no_switch_and_nothing_is_sent(
    profile: BrowserContext, engine: HeldEngine
) -> None:
    asked: list[str] = []
    with serve_in_thread(engine) as url, playground(profile, url) as page:
        page.on("request", lambda request: asked.append(request.url))
        expect(page.locator("#model")).to_have_text("fake-1b")
        expect(page.get_by_label(SWITCH)).to_be_hidden()
        page.keyboard.type("x")
        ghost(page, "total / len(values)")
        page.wait_for_timeout(1_500)
    assert not any("/v1/events" in address for address in asked)


def test_events_carry_the_key_and_a_key_without_the_scope_ends_them(
    profile: BrowserContext, engine: HeldEngine, database: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    good, narrow = add_key(keys), add_key(keys, "bob", "other", ("complete",))
    store = open_event_store(TelemetrySettings(url=database))
    with serve_in_thread(engine, ServerSettings(keys=keys), store) as url:
        with keyed_page(profile, url, good) as page:
            expect(page.locator("#events output")).not_to_have_text("0 sent.", timeout=15_000)
        with keyed_page(profile, url, narrow) as page:
            expect(page.locator("#events output")).to_have_text(
                "This server takes no events from this page."
            )
        assert {row["tenant"] for row in read_rows(database)} == {"acme"}


@contextmanager
def keyed_page(profile: BrowserContext, url: str, key: str) -> Iterator[Page]:
    """Open the page with a key, and type; refusals are told in its console."""
    page = profile.new_page()
    page.add_init_script(f"sessionStorage.setItem('fimserve-key', '{key}')")
    page.goto(url)
    wait_for_editor(page)
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("x")
    ghost(page, "total / len(values)")
    yield page
    page.close()
