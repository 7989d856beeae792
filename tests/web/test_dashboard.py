"""The dashboard in a real Chromium, on a real server with a real store: what an operator sees."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from fimeval.bench.planted import plant_experiments
from fimserve.server.api_key import mint_key
from fimserve.server.key_file import KeyFile
from fimserve.server.settings import ServerSettings
from fimserve.telemetry import TelemetrySettings, open_event_store
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread

pytest.importorskip("playwright", reason="the playwright package is not installed")

from playwright.sync_api import Browser, BrowserContext, Page, expect

from support.browser import find_chromium, open_browser, open_page

CHROMIUM = find_chromium()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

PHONE = {"width": 360, "height": 740}
CHARTS = ("acceptance", "persistence", "latency", "kinds")


@contextmanager
def serve(url: str, settings: ServerSettings | None = None) -> Iterator[str]:
    """Serve the events at a URL."""
    store = open_event_store(TelemetrySettings(url=url))
    with serve_in_thread(FakeEngine(), settings, store) as address:
        yield address


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('dashboard')}/events.db"
    plant_experiments(url, num_users=300, per_user=14)
    return url


@pytest.fixture(scope="module")
def url(database: str) -> Iterator[str]:
    with serve(database) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None
    with open_browser(CHROMIUM) as opened:
        yield opened


@pytest.fixture(scope="module")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    with closing(browser.new_context()) as opened:
        yield opened


@contextmanager
def dashboard(profile: BrowserContext, url: str, show: str = "") -> Iterator[Page]:
    """Open the page; complaints of its console, its policy's among them, are failures."""
    with open_page(profile, f"{url}/dashboard#{show}") as (page, complaints):
        expect(page.locator("#status")).to_contain_text("UTC", timeout=30_000)
        yield page
        assert complaints == []


def count_marks(page: Page, chart: str) -> int:
    """Return how many marks with a size a chart has."""
    count: int = page.locator(f"#{chart} svg").evaluate(
        """(svg) => [...svg.querySelectorAll("path, line, rect")]
          .filter((mark) => mark.closest("[class*=mark-symbol], [class*=layer], [class*=rect]"))
          .filter((mark) => { const { width, height } = mark.getBoundingClientRect();
                              return width + height > 2; }).length"""
    )
    return count


def test_all_traffic_is_shown_as_charts_and_tables(profile: BrowserContext, url: str) -> None:
    with dashboard(profile, url) as page:
        for chart in CHARTS:
            expect(page.locator(f"#{chart} svg")).to_be_visible()
            assert count_marks(page, chart) >= 5, chart
        expect(page.locator("#metrics")).to_contain_text("acceptance (CAR)")
        kinds = page.locator("#kinds-table tbody tr")
        assert kinds.count() >= 8
        expect(kinds.first).to_contain_text("comment")
        expect(page.locator("#conclusions")).to_be_hidden()


def test_an_experiment_is_chosen_and_says_what_may_be_concluded(
    profile: BrowserContext, url: str
) -> None:
    with dashboard(profile, url) as page:
        page.locator("#experiment").select_option("demo")
        expect(page.locator("#statements .finding").first).to_contain_text(
            "ours against control: retained characters per active day is higher"
        )
        expect(page.locator("#statements .warning").first).to_contain_text("ours is slower")
        assert page.locator("#arms tbody tr th").all_inner_texts() == ["control", "ours"]
        legend = page.locator("#acceptance svg").text_content() or ""
        assert "control" in legend
        assert "ours" in legend
        assert page.evaluate("location.hash") == "#demo"
        page.reload()
        expect(page.locator("#statements .finding").first).to_be_visible()
        assert page.locator("#experiment").input_value() == "demo"


def test_the_states_of_experiments_are_listed_and_drafts_cannot_be_chosen(
    profile: BrowserContext, url: str
) -> None:
    with dashboard(profile, url) as page:
        rows = page.locator("#experiments tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("stopped")
        expect(rows.first).to_contain_text("it is over")
        expect(rows.nth(1)).to_contain_text("draft")
        options = page.locator("#experiment option").all_inner_texts()
        assert options == ["all traffic", "demo (stopped)"]


def test_a_mismatch_is_an_alert_above_everything(profile: BrowserContext, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/events.db"
    plant_experiments(database, per_user=3, is_lossy=True)
    with serve(database) as url, dashboard(profile, url, "demo") as page:
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Nothing may be concluded")
        assert page.locator("#statements li").first.get_attribute("class") == "stop"
        expect(page.locator("#statements .finding")).to_have_count(0)


def test_an_empty_store_is_said_in_words(profile: BrowserContext, tmp_path: Path) -> None:
    with serve(f"sqlite:///{tmp_path}/events.db") as url, dashboard(profile, url) as page:
        expect(page.locator("#status")).to_contain_text("no suggestions yet")
        expect(page.locator("#results")).to_be_hidden()
        expect(page.locator("#experiments")).to_be_hidden()
        expect(page.locator("#no-experiments")).to_be_visible()
        expect(page.locator("#acceptance")).to_be_hidden()


def test_a_key_with_the_scope_admin_is_asked_for(
    profile: BrowserContext, database: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    minted = {scope: mint_key(scope, "one", frozenset({scope})) for scope in ("complete", "admin")}
    KeyFile(keys).change(lambda _: tuple(one.key for one in minted.values()))
    with (
        serve(database, ServerSettings(keys=keys)) as url,
        open_page(profile, f"{url}/dashboard") as (page, complaints),
    ):
        field = page.get_by_label("API key")
        expect(field).to_be_visible()
        field.fill(minted["complete"].text)
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text("has not the scope 'admin'")
        expect(field).to_be_visible()
        field.fill(minted["admin"].text)
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text("UTC", timeout=30_000)
        expect(field).to_be_hidden()
        assert all("401" in one or "403" in one for one in complaints)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(
    browser: Browser, url: str, scheme: Literal["light", "dark"]
) -> None:
    phone = browser.new_context(viewport=PHONE, is_mobile=True, color_scheme=scheme)
    with closing(phone), dashboard(phone, url, "demo") as page:
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        for chart in CHARTS:
            box = page.locator(f"#{chart} svg").bounding_box()
            assert box is not None
            assert 200 < box["width"] <= PHONE["width"]
        text = page.locator("#acceptance svg text").first
        colour = text.evaluate("(node) => getComputedStyle(node).fill")
        bright = sum(int(part) for part in colour.strip("rgb()").split(",")[:3]) > 3 * 128
        assert bright == (scheme == "dark")


def test_charts_follow_the_width_of_the_window(browser: Browser, url: str) -> None:
    with closing(browser.new_context()) as profile, dashboard(profile, url) as page:
        chart = page.locator("#acceptance svg")
        page.set_viewport_size({"width": 1_200, "height": 800})
        page.wait_for_timeout(200)
        wide = chart.bounding_box()
        page.set_viewport_size({"width": 380, "height": 800})
        page.wait_for_timeout(200)
        narrow = chart.bounding_box()
        assert wide is not None
        assert narrow is not None
        assert narrow["width"] < wide["width"] < 700


def test_nothing_is_loaded_from_elsewhere(browser: Browser, url: str) -> None:
    asked: list[str] = []
    with closing(browser.new_context()) as profile:
        profile.on("request", lambda request: asked.append(request.url))
        with dashboard(profile, url):
            pass
    assert len(asked) >= 5
    assert all(address.startswith((url, "data:")) for address in asked)
    assert not any("monaco" in address for address in asked)
