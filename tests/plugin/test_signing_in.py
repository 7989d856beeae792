"""What goes wrong before the first grey text, in a real VS Code.

An address that is none, a server that asks for a key, a key that it refuses, and an editor that
hides suggestions.

One window from its start to grey text, as a new user has it: the tests follow one another.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("playwright", reason="the playwright package is not installed")

from support.browser import find_chromium, open_browser
from support.http_proxy import serve_proxy, serve_untrusted
from support.keys import add_key
from support.served import ServedProcess, serve_process
from support.workbench import (
    EditorWindow,
    find_workbench,
    open_window,
    serve_workbench,
    wait_for,
)

CHROMIUM = find_chromium()
WORKBENCH = find_workbench()

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(WORKBENCH is None, reason="no workbench; make plugin-e2e installs one"),
]

NOTES = '''def read_lines(path):
    """Return the lines of a text file."""
    with open(path) as file:
        

print(len(read_lines("notes.txt")))
'''
CURSOR = (4, 9)
FILES = [
    f"{name}.py"
    for name in ("keyless", "refused", "known", "certificate", "proxy", "hidden", "gone")
]


class Desk(NamedTuple):
    """A server with keys, and an editor that does not know it yet."""

    served: ServedProcess
    window: EditorWindow
    key: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    assert CHROMIUM is not None
    assert WORKBENCH is not None
    folder = tmp_path_factory.mktemp("served")
    keys = folder / "keys.json"
    key = add_key(keys)
    files = dict.fromkeys(FILES, NOTES)
    with ExitStack() as stack:
        served = stack.enter_context(serve_process(folder, "--keys", str(keys)))
        # As people write it, and what no request can be sent to.
        settings = {
            "fimserve.url": served.url.removeprefix("http://"),
            "fimserve.warmUp": False,
            # The settings are written as a text, which the editor must not complete.
            "editor.autoClosingBrackets": "never",
            "editor.autoClosingQuotes": "never",
        }
        scratch: Path = tmp_path_factory.mktemp("workbench")
        bench = stack.enter_context(serve_workbench(WORKBENCH, scratch, settings, files))
        browser = stack.enter_context(open_browser(CHROMIUM))
        window = stack.enter_context(open_window(browser, bench))
        yield Desk(served, window, key)


def give_key(window: EditorWindow, key: str) -> None:
    """Type a key into the box that asks for one."""
    box = window.page.locator(".quick-input-box input[type=password]")
    box.wait_for()
    box.fill(key)
    box.press("Enter")
    box.wait_for(state="hidden")


def type_until(window: EditorWindow, spoken: str) -> bool:
    """Type a key, and return whether the status bar soon says something."""
    window.type("x")
    window.page.wait_for_timeout(500)
    return spoken in window.status_spoken


def test_an_address_that_is_none_is_said_at_once(desk: Desk) -> None:
    spoken = wait_for(
        lambda: text if "address" in (text := desk.window.status_spoken) else None, "the status"
    )
    assert desk.window.status_icon == "warning"
    assert "Set fimserve.url to an address such as http://" in spoken


def test_a_server_that_asks_for_a_key_gets_one(desk: Desk) -> None:
    window = desk.window
    window.set("fimserve.url", desk.served.url)
    wait_for(lambda: window.status_icon == "sparkle", "the address to be taken")
    window.open("keyless.py", *CURSOR)
    window.type("return ")
    window.page.get_by_role("button", name="Sign In", exact=True).click()
    assert "asks for an API key" in window.status_spoken
    give_key(window, "fim-of-somebody-else")
    window.wait_for_message("Sign In")
    assert window.status_icon == "sparkle"
    window.open("refused.py", *CURSOR)
    window.type("return ")
    wait_for(lambda: "give a key with the scope" in window.status_spoken, "the refusal")
    assert window.ghost() == ""
    window.run_command("fimserve: Sign In")
    give_key(window, desk.key)
    window.wait_for_message("serves")
    window.open("known.py", *CURSOR)
    window.type("return ")
    assert window.wait_for_ghost()
    assert window.status_icon == "sparkle"


def test_a_certificate_that_nobody_trusts_is_said(desk: Desk, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, for a certificate")
    window = desk.window
    with serve_untrusted(tmp_path) as url:
        window.set("fimserve.url", url)
        window.open("certificate.py", *CURSOR)
        # The address is taken a moment after the file was written.
        wait_for(lambda: type_until(window, "certificate of https"), "the status to say so")
    assert "http.systemCertificates" in window.status_spoken


def test_the_editors_proxy_is_used_and_the_key_stays_with_its_address(desk: Desk) -> None:
    window = desk.window
    port = int(desk.served.url.rpartition(":")[2])
    with serve_proxy(port) as proxy:
        window.set("http.proxy", proxy.url)
        window.set("fimserve.url", "http://fimserve.test:8111")
        window.open("proxy.py", *CURSOR)
        wait_for(lambda: type_until(window, "asks for an API key"), "the proxy to be used")
        window.run_command("fimserve: Sign In")
        give_key(window, desk.key)
        window.wait_for_message("http://fimserve.test:8111 serves")
        assert set(proxy.asked) == {"fimserve.test:8111"}
    window.set("http.proxy", "")
    window.set("fimserve.url", desk.served.url)
    wait_for(lambda: window.status_icon == "sparkle", "the address to be taken")


def test_an_editor_that_hides_suggestions_is_told_and_nothing_is_sent(
    desk: Desk,
) -> None:
    window = desk.window
    window.set("editor.inlineSuggest.enabled", False)
    window.open("hidden.py", *CURSOR)
    wait_for(lambda: "editor.inlineSuggest.enabled" in window.status_spoken, "the status")
    before = desk.served.completions()
    window.type("return ")
    window.page.wait_for_timeout(1_000)
    assert window.ghost() == ""
    assert desk.served.completions() == before
    window.set("editor.inlineSuggest.enabled", True)
    window.open("hidden.py", *CURSOR)
    wait_for(lambda: window.status_icon == "sparkle", "the status to say so")


def test_signing_out_forgets_the_key(desk: Desk) -> None:
    window = desk.window
    window.run_command("fimserve: Sign Out")
    window.wait_for_message("the key is forgotten")
    window.open("gone.py", *CURSOR)
    window.type("return ")
    wait_for(lambda: "asks for an API key" in window.status_spoken, "the status to say so")
