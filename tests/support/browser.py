"""A real Chromium for tests of pages, and a page that tells what went wrong in it.

`FIMSERVE_CHROMIUM` names the program; otherwise Debian's or Chrome is looked for.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")

# A test's browser runs as whoever runs the tests, root in a container too, and talks to nobody.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

TIMEOUT_MS = 10_000

REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} shut out ${event.blockedURI}`))"""


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None where there is none."""
    return os.environ.get("FIMSERVE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    """Run Chromium for the length of a `with` block.

    Args:
        executable: Path of the program.

    Yields:
        The browser.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(profile: BrowserContext, url: str) -> Iterator[tuple[Page, list[str]]]:
    """Open an address in a tab of its own.

    Args:
        profile: What the tab shares with others: cache, cookies, what is stored.
        url: What to open.

    Yields:
        The page, and the list of what its console complained about so far, violations of its
        content security policy among it.
    """
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page = profile.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(REPORT_VIOLATIONS)
    try:
        page.goto(url)
        yield page, complaints
    finally:
        page.close()
