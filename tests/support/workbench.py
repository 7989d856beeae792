"""A real VS Code in a real Chromium, with the extension in it: what a programmer sees and does.

`FIMSERVE_WORKBENCH` names the folder that `editor-plugin/workbench/setup.sh` made.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import Browser, Page

Found = TypeVar("Found")

PLUGIN = Path(__file__).parents[2] / "editor-plugin"
ENTRY = Path("node_modules/code-server/out/node/entry.js")
GHOST = "[class*=ghost-text]"

TIMEOUT_S = 60.0
"""Longest wait for anything: a busy machine takes long to start an editor."""
KEY_MS = 60
"""Between two keys."""
VIEWPORT = {"width": 1000, "height": 560}

QUIET_SETTINGS: Mapping[str, object] = {
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "workbench.activityBar.location": "hidden",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "editor.minimap.enabled": False,
    "editor.fontSize": 15,
    # An entry of the menu that does not go on from what is written hides all grey text.
    "editor.wordBasedSuggestions": "off",
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "files.autoSave": "off",
    "chat.commandCenter.enabled": False,
    "telemetry.telemetryLevel": "off",
}


def find_workbench() -> Path | None:
    """Return the folder of an installed workbench, or None where there is none."""
    named = os.environ.get("FIMSERVE_WORKBENCH")
    return Path(named) if named and (Path(named) / ENTRY).is_file() else None


@dataclass(frozen=True, slots=True)
class Workbench:
    """A running workbench."""

    url: str
    folder: Path
    """The folder that it opens."""
    settings_file: Path


@contextmanager
def serve_workbench(
    installed: Path, folder: Path, settings: Mapping[str, object], files: Mapping[str, str]
) -> Iterator[Workbench]:
    """Serve the workbench with our extension for the length of a `with` block.

    Args:
        installed: Where it is installed.
        folder: An empty folder for its state.
        settings: The user's settings, besides those that keep it quiet.
        files: What is in the folder that it opens: texts by name. A file that is made later is not
            found by name at once.

    Yields:
        The running workbench.
    """
    opened, extensions, data = folder / "work", folder / "extensions", folder / "data"
    (data / "User").mkdir(parents=True)
    opened.mkdir()
    for name, text in files.items():
        (opened / name).write_text(text, encoding="utf-8", newline="")
    _install_extension(extensions)
    user = json.dumps({**QUIET_SETTINGS, **settings})
    settings_file = data / "User" / "settings.json"
    settings_file.write_text(user, encoding="utf-8")
    port = _free_port()
    command = [
        "node", str(installed / ENTRY), "--auth", "none", "--bind-addr", f"127.0.0.1:{port}",
        "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust",
        "--disable-getting-started-override", "--user-data-dir", str(data),
        "--extensions-dir", str(extensions), str(opened),
    ]  # fmt: skip
    with (folder / "workbench.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), "the workbench to answer")
        yield Workbench(f"{url}/?folder={opened}", opened, settings_file)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EditorWindow:
    """A window of the editor, driven by its keyboard.

    Args:
        page: Its page.
        workbench: What serves it.
    """

    def __init__(self, page: Page, workbench: Workbench) -> None:
        self.page = page
        self._workbench = workbench

    @property
    def status_icon(self) -> str:
        """Name of the icon that our item of the status bar shows."""
        icon = self.page.locator(".statusbar-item[id^='fimserve'] .codicon").first
        names = (icon.get_attribute("class") or "").split()
        return next((n.removeprefix("codicon-") for n in names if n.startswith("codicon-")), "")

    @property
    def status_spoken(self) -> str:
        """What a screen reader says of our item of the status bar."""
        item = self.page.locator(".statusbar-item[id^='fimserve'] [aria-label]").first
        return item.get_attribute("aria-label") or ""

    def open(self, name: str, line: int, column: int) -> Path:
        """Open a file and put the cursor into it.

        Args:
            name: Name of the file.
            line: Line of the cursor, from 1.
            column: Its column, from 1.

        Returns:
            The file.
        """
        self.run_quickly("Control+P", name)
        self.page.locator(f".tab.active[data-resource-name='{name}']").wait_for()
        self.page.locator(".editor-instance .view-lines").first.wait_for()
        self.run_quickly("Control+G", f":{line}:{column}")
        wait_for(lambda: f"Ln {line}, Col {column}" in self._cursor(), f"{name}:{line}:{column}")
        return self._workbench.folder / name

    def run_quickly(self, keys: str, text: str) -> None:
        """Type into the quick input and take the first entry."""
        box = self.page.locator(".quick-input-box input").first
        for _ in range(3):  # the keys are lost on a window that still starts
            self.page.keyboard.press(keys)
            try:
                box.wait_for(timeout=10_000)
                break
            except Exception:
                self.page.keyboard.press("Escape")
        box.fill(text)
        entry = self.page.locator(".quick-input-list .monaco-list-row").first
        entry.wait_for()
        wait_for(lambda: text.lstrip(":>").split(":")[0] in entry.inner_text(), f"the entry {text}")
        self.page.keyboard.press("Enter")
        box.wait_for(state="hidden")

    def run_command(self, title: str) -> None:
        """Run a command of the palette by its title."""
        self.run_quickly("F1", f">{title}")

    def set(self, name: str, value: object) -> None:
        """Change a setting in the file of the user's settings, as a person does."""
        file = self._workbench.settings_file
        text = json.dumps({**json.loads(file.read_text(encoding="utf-8")), name: value})
        self.run_command("Preferences: Open User Settings (JSON)")
        self.page.locator(".tab.active[data-resource-name='settings.json']").wait_for()
        wait_for(lambda: self._cursor().startswith("Ln "), "the editor of the settings")
        # Emptied first: what old and new text end in alike would stay.
        self.press("Control+A")
        self.press("Delete")
        self.page.keyboard.insert_text(text)
        self.page.locator(".tab.active.dirty").wait_for()
        assert self.saved(file) == text

    def wait_for_message(self, text: str) -> None:
        """Wait for a message in the corner of the window, and close all there are."""
        self.page.locator(".notification-list-item-message", has_text=text).first.wait_for()
        self.run_command("Notifications: Clear All Notifications")

    def type(self, text: str) -> None:
        """Type at a steady pace."""
        self.page.keyboard.type(text, delay=KEY_MS)

    def press(self, keys: str) -> None:
        """Press keys together."""
        self.page.keyboard.press(keys)

    def ghost(self) -> str:
        """Return the grey text of the line, whose words may be apart; empty where there is none."""
        parts = self.page.locator(GHOST).all_inner_texts()
        return "".join(parts).replace("\xa0", " ").replace("\u200b", "").rstrip()

    def wait_for_ghost(self) -> str:
        """Return the grey text once there is some that stays."""

        def look() -> str | None:
            first = self.ghost()
            self.page.wait_for_timeout(300)
            return first if first and first == self.ghost() else None

        return wait_for(look, "grey text")

    def wait_for_no_ghost(self) -> None:
        """Wait until no grey text is shown."""
        wait_for(lambda: not self.ghost(), "the grey text to go")

    def saved(self, file: Path) -> str:
        """Save what the editor shows and return it."""
        self.press("Control+S")
        dirty = self.page.locator(".tab.active.dirty")
        wait_for(lambda: dirty.count() == 0, f"{file.name} to be saved")
        return file.read_text(encoding="utf-8")

    def _cursor(self) -> str:
        return self.page.locator("#status\\.editor\\.selection").inner_text()


@contextmanager
def open_window(browser: Browser, workbench: Workbench) -> Iterator[EditorWindow]:
    """Open a window for the length of a `with` block.

    Args:
        browser: Where.
        workbench: What serves it.

    Yields:
        The window, the extension running.
    """
    context = browser.new_context(viewport=VIEWPORT)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_S * 1000)
    try:
        page.goto(workbench.url)
        page.locator(".monaco-workbench").wait_for()
        page.locator(".statusbar-item[id^='fimserve']").wait_for()
        yield EditorWindow(page, workbench)
    finally:
        context.close()


def wait_for(find: Callable[[], Found | None], what: str, timeout_s: float = TIMEOUT_S) -> Found:
    """Return what is found, as soon as it is neither None nor false.

    Args:
        find: Looks once.
        what: What is waited for, for the message.
        timeout_s: Longest wait.

    Returns:
        What was found.
    """
    ends_s = time.monotonic() + timeout_s
    while not (found := find()):
        assert time.monotonic() < ends_s, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(0.1)
    return found


def _install_extension(extensions: Path) -> None:
    """Unpack what `npm run build` made, the way VS Code unpacks a .vsix."""
    target = extensions / "fimserve.fimserve-0.1.0"
    target.mkdir(parents=True)
    for name in ("dist", "media"):
        shutil.copytree(PLUGIN / name, target / name)
    shutil.copy(PLUGIN / "package.json", target)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
