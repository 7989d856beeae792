"""The playground's page as tests use it: its engine, its editor, its grey text."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from playwright.sync_api import BrowserContext, Page, expect

from fimserve.engine import CompletionDelta, CompletionRequest
from support.browser import open_page
from support.fake_engine import FakeEngine

GHOST = "[class*=ghost-text-decoration]"


class HeldEngine(FakeEngine):
    """Says its first text at once, and the rest when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def begin_anew(self, *script: str, is_held: bool = False) -> None:
        """Forget what was asked, and follow this script from now on."""
        self.requests.clear()
        self.script = script
        self.ended.clear()
        (self.gate.clear if is_held else self.gate.set)()

    async def open(self, request: CompletionRequest) -> AsyncGenerator[CompletionDelta]:
        """Yield what the script says, holding back behind each text."""
        async with aclosing(super().open(request)) as deltas:
            async for delta in deltas:
                yield delta
                while not self.gate.is_set():
                    await asyncio.sleep(0.005)


@contextmanager
def playground(profile: BrowserContext, url: str) -> Iterator[Page]:
    """Open the page with the cursor in the editor; complaints of its console are failures."""
    with open_page(profile, url) as (page, complaints):
        wait_for_editor(page)
        enter_editor(page)
        yield page
        assert complaints == []


def wait_for_editor(page: Page) -> None:
    """Wait until the editor shows text."""
    page.locator(".view-line").first.wait_for()


def enter_editor(page: Page) -> None:
    """Go to the editor as somebody without a mouse does: by the skip link."""
    page.locator("body").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".monaco-editor.focused")).to_be_visible()


def line(page: Page) -> str:
    """Return the text of the line that the cursor stands in, grey text included."""
    page.wait_for_timeout(50)  # Monaco paints at the next frame
    text: str = page.evaluate(LINE_OF_CURSOR)
    return text.replace("\xa0", " ")


LINE_OF_CURSOR = """() => {
  const top = (node) => Math.round(node.getBoundingClientRect().top);
  const wanted = top(document.querySelector(".active-line-number"));
  const lines = [...document.querySelectorAll(".view-line")];
  return lines.find((line) => top(line) === wanted).innerText;
}"""


def ghost(page: Page, text: str) -> None:
    """Wait until exactly this grey text is shown."""
    expect(page.locator(GHOST).first).to_have_text(text)


def no_ghost(page: Page) -> None:
    """Wait until no grey text is shown."""
    expect(page.locator(GHOST)).to_have_count(0)
