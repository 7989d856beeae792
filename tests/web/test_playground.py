"""The playground in a real Chromium, on a real server: what a person types, presses and sees."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Literal

import pytest

from fimserve.engine import Engine
from fimserve.models import load_model
from support.live_server import serve_in_thread

pytest.importorskip("playwright", reason="the playwright package is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from support.browser import find_chromium, open_browser, open_page
from support.playground import (
    GHOST,
    HeldEngine,
    enter_editor,
    ghost,
    line,
    no_ghost,
    playground,
    wait_for_editor,
)

CHROMIUM = find_chromium()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

MODEL_MS = 30_000
PHONE = {"width": 360, "height": 640}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[HeldEngine, str]]:
    engine = HeldEngine()
    with serve_in_thread(engine) as url:
        yield engine, url


@pytest.fixture
def engine(served: tuple[HeldEngine, str]) -> HeldEngine:
    served[0].begin_anew("total")
    return served[0]


@pytest.fixture(scope="module")
def url(served: tuple[HeldEngine, str]) -> str:
    return served[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with open_browser(CHROMIUM) as opened:
        yield opened


@pytest.fixture(scope="module")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    with closing(browser.new_context()) as opened:
        yield opened


@pytest.fixture
def page(profile: BrowserContext, engine: HeldEngine, url: str) -> Iterator[Page]:
    with playground(profile, url) as opened:
        yield opened


def test_typing_shows_grey_text_and_tab_puts_it_there(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("sum(", "values)")
    page.keyboard.type("x")
    ghost(page, "sum(values)")
    asked = engine.last_request
    assert asked.prefix.endswith('"""Return the arithmetic mean."""\n    return x')
    assert asked.suffix is not None
    assert asked.suffix.startswith("\n\n\ndef variance(")
    assert (asked.language, asked.path) == ("python", "statistics.py")
    assert asked.session is not None
    engine.begin_anew("")
    page.keyboard.press("Tab")
    no_ghost(page)
    assert line(page) == "    return xsum(values)"


def test_a_suggestion_can_be_asked_for_without_typing(page: Page, engine: HeldEngine) -> None:
    page.keyboard.press("Alt+Backslash")
    ghost(page, "total")
    assert engine.last_request.prefix.endswith("    return ")


def test_a_suggestion_grows_while_it_streams(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("sum(", "values)", is_held=True)
    page.keyboard.type("x")
    ghost(page, "sum(")
    engine.gate.set()
    ghost(page, "sum(values)")
    assert len(engine.requests) == 1


def test_the_next_key_aborts_what_it_makes_useless(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("sum(", "values)", is_held=True)
    page.keyboard.type("x")
    ghost(page, "sum(")
    page.keyboard.type("q")
    assert engine.ended.wait(5)
    expect(page.locator("#suggestions tr").nth(1)).to_contain_text("aborted")
    engine.gate.set()
    ghost(page, "sum(values)")
    assert [asked.prefix[-2:] for asked in engine.requests] == [" x", "xq"]
    assert len({asked.session for asked in engine.requests}) == 1


def test_typing_what_is_suggested_asks_nothing_new(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("total / len")
    page.keyboard.type("x")
    ghost(page, "total / len")
    page.keyboard.type("tot")
    ghost(page, "al / len")
    assert len(engine.requests) == 1


def test_a_word_is_accepted_by_itself(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("total / len")
    page.keyboard.type("x = ")
    ghost(page, "total / len")
    page.keyboard.press("Control+ArrowRight")
    ghost(page, " / len")
    assert len(engine.requests) <= len("x = ")
    assert line(page) == "    return x = total / len"


def test_escape_dismisses(page: Page) -> None:
    page.keyboard.type("x")
    ghost(page, "total")
    page.keyboard.press("Escape")
    no_ghost(page)
    expect(page.locator("#suggestions tr").first).to_contain_text("dismissed")
    assert line(page) == "    return x"


def test_several_lines_are_taken_before_other_text_too(page: Page, engine: HeldEngine) -> None:
    engine.begin_anew("a +\n        b")
    page.keyboard.type("()")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("y")
    ghost(page, "a +")
    engine.begin_anew("")
    page.keyboard.press("Tab")
    no_ghost(page)
    assert line(page) == "        b)"


def test_numbers_of_the_suggestion_are_shown(page: Page) -> None:
    page.keyboard.type("x")
    for measure, value in (("prompt", "19"), ("cached", "12"), ("new", "9")):
        expect(page.locator(f"#figures [data-measure={measure}]")).to_have_text(value)
    for measure in ("ttft", "e2e"):
        number = page.locator(f"#figures [data-measure={measure}]")
        expect(number).to_have_text(re.compile(r"^\d+ ms$"))
    expect(page.locator("#suggestions tr")).to_have_count(1)
    assert page.locator("#suggestions tr").inner_text().endswith("shown")


def test_language_and_lines_are_chosen_by_keys(page: Page, engine: HeldEngine) -> None:
    page.locator("#language").focus()
    page.keyboard.type("Java")
    expect(page.locator("#sample")).to_have_text(re.compile("Account.java"))
    page.locator("#lines").focus()
    page.keyboard.type("one")
    for _ in range(2):  # the button to start over, then the editor
        page.keyboard.press("Tab")
    page.keyboard.type("x")
    ghost(page, "total")
    asked = engine.last_request
    assert (asked.language, asked.path) == ("java", "Account.java")
    assert asked.multiline is False


def test_every_language_is_coloured(page: Page) -> None:
    languages = page.locator("#language option").all_inner_texts()
    assert languages == ["Python", "Java", "JavaScript", "TypeScript", "Go", "Rust", "C++", "C#"]
    for language in languages:
        page.locator("#language").select_option(language)
        page.wait_for_function(HAS_COLOURS)


HAS_COLOURS = """() => {
  const pieces = [...document.querySelectorAll(".view-line [class*=mtk]")];
  return pieces.length > 20 && new Set(pieces.map((piece) => piece.className)).size >= 4;
}"""


def test_what_was_typed_is_kept_per_file_until_one_starts_over(page: Page) -> None:
    page.keyboard.type("x")
    page.locator("#language").select_option("Go")
    page.locator("#language").select_option("Python")
    assert line(page).startswith("    return x")
    page.get_by_role("button", name="Start over").click()
    assert line(page) == "    return "


def test_escape_then_tab_leaves_the_editor_and_shift_tab_comes_back(
    page: Page, engine: HeldEngine
) -> None:
    engine.begin_anew("")
    focused = page.locator(".monaco-editor.focused")
    page.keyboard.type("x")
    page.keyboard.press("Tab")
    expect(focused).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(focused).to_have_count(0)
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
    page.keyboard.press("Shift+Tab")
    expect(focused).to_be_visible()
    page.keyboard.press("Tab")
    expect(focused).to_be_visible()


def test_every_stop_of_the_tab_key_is_seen_and_named(page: Page) -> None:
    page.reload()
    wait_for_editor(page)
    stops = []
    for _ in range(9):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(DESCRIBE_FOCUS))
    assert [stop["name"] for stop in stops] == [
        "Skip to the editor",
        "fimserve",
        "Playground",
        "Dashboard",
        "Dark",
        "Language",
        "File",
        "Suggest",
        "Start over",
    ]
    assert {stop["outline"] for stop in stops} == {"solid"}
    page.keyboard.press("Tab")
    frame = page.locator("#editor").evaluate("(node) => getComputedStyle(node).outlineStyle")
    assert frame == "solid"


DESCRIBE_FOCUS = """() => {
  const node = document.activeElement;
  const label = node.labels?.[0]?.firstChild ?? node;
  return { name: label.textContent.trim(), outline: getComputedStyle(node).outlineStyle };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_system_until_it_is_told_otherwise(
    browser: Browser, url: str, scheme: Literal["light", "dark"]
) -> None:
    with (
        closing(browser.new_context(color_scheme=scheme)) as profile,
        playground(profile, url) as page,
    ):
        assert is_dark(page) == (scheme == "dark")
        page.get_by_role("button", name="Dark").click()
        assert is_dark(page) == (scheme == "light")
        page.reload()
        wait_for_editor(page)
        assert is_dark(page) == (scheme == "light")


def is_dark(page: Page) -> bool:
    """Return whether the page is dark, the same all over."""
    page.wait_for_timeout(50)
    colours = [
        page.locator(place).first.evaluate("(node) => getComputedStyle(node).backgroundColor")
        for place in ("body", "header", ".monaco-editor", "#lines")
    ]
    found = {sum(map(int, re.findall(r"\d+", colour)[:3])) < 3 * 128 for colour in colours}
    assert len(found) == 1, colours
    return found.pop()


def test_a_key_is_asked_for_sent_along_and_kept_for_the_tab_alone(
    profile: BrowserContext, engine: HeldEngine, url: str
) -> None:
    given: list[str | None] = []

    def guard(route: Route) -> None:
        given.append(route.request.headers.get("authorization"))
        if given[-1] == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": {"message": "This server wants a key."}})

    with open_page(profile, url) as (page, complaints):
        page.route("**/v1/completions", guard)
        wait_for_editor(page)
        enter_editor(page)
        page.keyboard.type("x")
        expect(page.locator("#status")).to_have_text("This server wants a key.")
        page.keyboard.type("y")
        page.get_by_label("API key").fill("sesame")
        page.keyboard.press("Enter")
        expect(page.get_by_label("API key")).to_be_hidden()
        ghost(page, "total")
        assert given == [None, "Bearer sesame"]
        assert page.evaluate("Object.values(sessionStorage)") == ["sesame"]
        assert "sesame" not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
        assert all("401" in complaint for complaint in complaints)
    with playground(profile, url) as other_tab:
        assert other_tab.evaluate("sessionStorage.length") == 0


def test_a_failure_inside_the_stream_is_said_in_words(page: Page) -> None:
    record = 'data: {"error":{"message":"The engine stopped."}}\n\n'
    page.route("**/v1/completions", lambda route: route.fulfill(status=200, body=record))
    page.keyboard.type("x")
    expect(page.locator("#status")).to_have_text("The engine stopped.")
    no_ghost(page)


def test_the_page_fits_a_phone_and_needs_no_tab_key(
    browser: Browser, engine: HeldEngine, url: str
) -> None:
    phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    with closing(phone), playground(phone, url) as page:
        page.keyboard.type("x")
        ghost(page, "total")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        box = page.locator("#editor").bounding_box()
        assert box is not None
        assert box["width"] > 0.85 * PHONE["width"]
        # What became of a suggestion is seen without scrolling sideways.
        cell = page.locator("#suggestions td:visible").last
        expect(cell).to_have_text("shown")
        fate = cell.bounding_box()
        assert fate is not None
        assert fate["x"] + fate["width"] <= PHONE["width"]
        engine.begin_anew("")
        page.get_by_role("button", name="Take the suggestion").tap()
        no_ghost(page)
        assert line(page) == "    return xtotal"


def test_code_from_text_is_refused_and_nothing_runs_in_workers(
    profile: BrowserContext, url: str
) -> None:
    with open_page(profile, url) as (page, complaints):
        wait_for_editor(page)
        assert page.evaluate(TRY_CODE_FROM_TEXT) == "EvalError"
        page.wait_for_timeout(100)
        assert any(complaint.startswith("CSP: ") for complaint in complaints)
        assert page.workers == []


# In a timer, because what a debugger evaluates is let through.
TRY_CODE_FROM_TEXT = """() => new Promise((resolve) => setTimeout(() => {
  try { new Function("")(); resolve("ran"); } catch (error) { resolve(error.name); }
}))"""


def test_nothing_is_loaded_from_elsewhere(browser: Browser, url: str) -> None:
    asked: list[str] = []
    with closing(browser.new_context()) as profile:
        profile.on("request", lambda request: asked.append(request.url))
        with open_page(profile, url) as (page, _):
            wait_for_editor(page)
    assert len(asked) >= 6
    assert all(address.startswith((url, "data:")) for address in asked)


@pytest.mark.model
def test_the_embedded_model_suggests_and_computes_no_prompt_twice(profile: BrowserContext) -> None:
    with (
        serve_in_thread(Engine(load_model("embedded", "cpu", "auto"))) as url,
        playground(profile, url) as page,
    ):
        page.keyboard.press("Alt+Backslash")
        # How long the model takes on a busy machine is none of this test's business.
        expect(page.locator(GHOST).first).to_be_visible(timeout=MODEL_MS)
        page.keyboard.press("Escape")
        page.keyboard.type("s")
        expect(page.locator("#suggestions tr").first).to_contain_text("shown", timeout=MODEL_MS)
        expect(page.locator("#figures [data-measure=e2e]")).not_to_have_text("–")
        suggested = page.locator(GHOST).first.inner_text().replace("\xa0", " ")
        num_prompt, num_cached = (
            int(page.locator(f"#figures [data-measure={measure}]").inner_text())
            for measure in ("prompt", "cached")
        )
        assert num_prompt - 4 <= num_cached < num_prompt
        page.keyboard.press("Tab")
        assert suggested != ""
        assert line(page).startswith(f"    return s{suggested}")
