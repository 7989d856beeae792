"""Draw docs/pictures/dashboard.png and dashboard-phone.png: an experiment with a true difference.

    .venv/bin/python docs/demo/dashboard_picture.py       needs nothing that runs

Fills a database with made-up users, serves it, and takes the pictures: light on a desk, dark on a
phone. Needs Chromium; `FIMSERVE_CHROMIUM` names it where it is not on the path.
"""

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from fimeval.bench.planted import plant_experiments
from fimeval.own_server import run_own_server

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
NUM_COLOURS = 64


class View(NamedTuple):
    """One picture."""

    name: str
    scheme: Literal["light", "dark"]
    width: int
    height: int


VIEWS = (View("dashboard", "light", 1000, 1420), View("dashboard-phone", "dark", 390, 1420))


def take(browser: Browser, url: str, view: View) -> None:
    """Write one picture."""
    size = {"width": view.width, "height": view.height}
    context = browser.new_context(color_scheme=view.scheme, viewport=size)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{url}/dashboard#demo")
    expect(page.locator("#statements li").first).to_be_visible(timeout=120_000)
    expect(page.locator("#kinds svg")).to_be_visible()
    page.wait_for_timeout(300)
    shot = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    context.close()
    file = PICTURES / f"{view.name}.png"
    shot.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size} bytes")


def main() -> None:
    """Fill, serve, draw."""
    chromium = os.environ.get("FIMSERVE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as directory:
        database = f"sqlite:///{directory}/events.db"
        plant_experiments(database, num_users=700, per_user=30)
        with (
            run_own_server("embedded", {"FIMSERVE_TELEMETRY_URL": database}) as url,
            sync_playwright() as playwright,
        ):
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            for view in VIEWS:
                take(browser, url, view)
            browser.close()


if __name__ == "__main__":
    main()
