"""Draw docs/pictures/playground.png: the playground of a running server, light beside dark.

    make serve                                              in one terminal
    .venv/bin/python docs/demo/playground_picture.py        in another; ARGS: URL of the server

Needs Chromium; `FIMSERVE_CHROMIUM` names it where it is not on the path.
"""

import io
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "playground.png"
URL = "http://127.0.0.1:8111"
NUM_COLOURS = 128


class View(NamedTuple):
    """One half of the picture."""

    scheme: Literal["light", "dark"]
    language: str
    file: str
    key: str
    """What is typed at the cursor of the sample."""


VIEWS = (
    View("light", "Python", "statistics.py", "s"),
    View("dark", "JavaScript", "todo.js", "f"),
)


def take(browser: Browser, url: str, view: View) -> Image.Image:
    """Return a picture of the page with a suggestion in it."""
    context = browser.new_context(color_scheme=view.scheme, viewport={"width": 660, "height": 820})
    page = context.new_page()
    page.goto(url)
    page.locator("#language").select_option(view.language)
    page.locator("#sample").select_option(label=view.file)
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    # Once unseen, so that the numbers are those of a key inside a file that is being worked on.
    for key in ("Alt+Backslash", "Escape", view.key):
        page.keyboard.press(key)
        if key != "Escape":
            wait_for_suggestion(page)
    # The whole page: the table of suggestions and the switch for events stand at its end.
    shot = page.screenshot(animations="disabled", caret="initial", full_page=True)
    context.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def wait_for_suggestion(page: Page) -> None:
    """Wait until the newest suggestion is whole and shown."""
    expect(page.locator("[class*=ghost-text-decoration]").first).to_be_visible()
    expect(page.locator("#suggestions tr").first).to_contain_text(
        re.compile(r"\d ms\t?\d+ ms.*shown")
    )


def main(url: str) -> None:
    """Draw both halves and write the picture."""
    chromium = os.environ.get("FIMSERVE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        halves = [take(browser, url, view) for view in VIEWS]
        browser.close()
    whole = Image.new("RGB", (sum(half.width for half in halves), halves[0].height))
    left = 0
    for half in halves:
        whole.paste(half, (left, 0))
        left += half.width
    whole.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [URL]))
