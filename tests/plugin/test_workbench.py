"""The extension in a real VS Code, on the real service with the embedded model.

What is suggested is the model's business and not asserted; what happens to it is.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the playwright package is not installed")

from support.browser import find_chromium, open_browser
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

SCALE = 0.1
"""Windows of persistence are shortened to 3, 12, 30 and 60 s."""

READING_MS = 1_000

NOTES = '''def read_lines(path):
    """Return the lines of a text file."""
    with open(path) as file:
        █


print(len(read_lines("notes.txt")))
'''
CURSOR = (4, 9)
FILES = [
    f"{name}.py"
    for name in ("tab", "undo", "word", "escape", "along", "paused", "kept", "removed", "refused")
]
"""One for each suggestion, so that none is remembered from another test."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedProcess]:
    with serve_process(tmp_path_factory.mktemp("served")) as service:
        yield service


@pytest.fixture(scope="module")
def window(
    served: ServedProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EditorWindow]:
    assert CHROMIUM is not None
    assert WORKBENCH is not None
    settings = {
        "fimserve.url": served.url,
        # Only what the tests do is to be counted.
        "fimserve.warmUp": False,
        "fimserve.prefetch": False,
        "fimserve.snippets": False,
        "fimserve.test.persistenceScale": SCALE,
    }
    folder = tmp_path_factory.mktemp("workbench")
    files = dict.fromkeys(FILES, NOTES.replace("█", ""))
    with ExitStack() as stack:
        workbench = stack.enter_context(serve_workbench(WORKBENCH, folder, settings, files))
        browser = stack.enter_context(open_browser(CHROMIUM))
        yield stack.enter_context(open_window(browser, workbench))


def take_picture(window: EditorWindow, name: str) -> None:
    """Keep what a person would see, where FIMSERVE_PICTURES names a folder."""
    if folder := os.environ.get("FIMSERVE_PICTURES"):
        window.page.screenshot(path=Path(folder) / f"{name}.png")


def suggest(window: EditorWindow, name: str) -> tuple[Path, str]:
    """Open a file of its own and type until something is suggested."""
    file = window.open(name, *CURSOR)
    window.type("return")
    window.type(" ")
    return file, window.wait_for_ghost()


def events_of(served: ServedProcess, completion_id: object) -> list[dict[str, object]]:
    return [each for each in served.events() if each.get("completion_id") == completion_id]


def ids_of(served: ServedProcess) -> set[object]:
    return {each["id"] for each in served.events()}


def wait_for_new(served: ServedProcess, known: set[object], **wanted: object) -> dict[str, object]:
    """Return the first event with these values that is not known, once the service has it."""

    def look() -> dict[str, object] | None:
        new = (each for each in served.events() if each["id"] not in known)
        return next((each for each in new if wanted.items() <= each.items()), None)

    return wait_for(look, f"an event with {wanted}")


def test_grey_text_appears_and_tab_accepts_it(window: EditorWindow, served: ServedProcess) -> None:
    file, ghost = suggest(window, "tab.py")
    take_picture(window, "editor-suggestion")
    known = ids_of(served)
    window.press("Tab")
    window.wait_for_no_ghost()
    assert window.saved(file) == NOTES.replace("█", f"return {ghost}")
    accepted = wait_for_new(served, known, type="accepted")
    assert accepted["accepted_chars"] == len(ghost)
    assert accepted["language"] == "python"
    assert accepted["editor"] == "vscode"
    assert "kind" in accepted  # said by the service


def test_undo_takes_it_back(window: EditorWindow) -> None:
    file, _ = suggest(window, "undo.py")
    window.press("Tab")
    window.wait_for_no_ghost()
    window.press("Control+Z")
    window.press("Escape")
    assert window.saved(file) == NOTES.replace("█", "return ")


def test_a_word_is_accepted_by_itself(window: EditorWindow, served: ServedProcess) -> None:
    file, ghost = suggest(window, "word.py")
    known = ids_of(served)
    window.press("Control+ArrowRight")
    rest = wait_for(
        lambda: text if (text := window.ghost()) and text != ghost else None, "the rest"
    )
    assert ghost.endswith(rest)
    take_picture(window, "editor-word")
    word = ghost.removesuffix(rest)
    window.press("Escape")
    window.wait_for_no_ghost()
    assert window.saved(file) == NOTES.replace("█", f"return {word}")
    taken = wait_for_new(served, known, type="partially_accepted")
    assert taken["accepted_chars"] == len(word)


def test_escape_dismisses(window: EditorWindow, served: ServedProcess) -> None:
    file, _ = suggest(window, "escape.py")
    known = ids_of(served)
    window.press("Escape")
    window.wait_for_no_ghost()
    assert window.saved(file) == NOTES.replace("█", "return ")
    dismissed = wait_for_new(served, known, type="dismissed", dismiss_reason="escape")
    types = [each["type"] for each in events_of(served, dismissed["completion_id"])]
    assert "accepted" not in types


def test_typing_along_keeps_the_text_and_asks_nobody(
    window: EditorWindow, served: ServedProcess
) -> None:
    known = ids_of(served)
    file, ghost = suggest(window, "along.py")
    before = served.completions()
    for at in range(1, 4):
        window.type(ghost[at - 1])
        wait_for(lambda at=at: window.ghost() == ghost[at:], f"{ghost[at:]!r} to stay")
    assert served.completions() == before
    window.press("Tab")
    window.wait_for_no_ghost()
    assert window.saved(file) == NOTES.replace("█", f"return {ghost}")
    accepted = wait_for_new(served, known, type="accepted")
    assert accepted["accepted_chars"] == len(ghost) - 3
    assert accepted["source"] == "typed_through"


def test_a_paused_language_is_left_alone_and_the_status_says_so(
    window: EditorWindow, served: ServedProcess
) -> None:
    toggle = "fimserve: Pause or Resume for This Language"
    window.open("paused.py", *CURSOR)
    before = served.completions()
    window.run_command(toggle)
    wait_for(lambda: window.status_icon == "circle-slash", "the status to say so")
    window.type("return ")
    window.page.wait_for_timeout(1_500)
    assert window.ghost() == ""
    assert served.completions() == before
    window.run_command(toggle)
    wait_for(lambda: window.status_icon == "sparkle", "the status to say so")
    window.type("f")
    assert window.wait_for_ghost()


def test_the_store_gives_the_right_car_and_cpr(window: EditorWindow, served: ServedProcess) -> None:
    """One kept, one taken out again, one refused: CAR 2 of 3, CPR 1 of 2 at every window."""
    kept = accept_after_reading(window, served, "kept.py")
    # At once: the first window comes 3 s after acceptance.
    removed = accept_after_reading(window, served, "removed.py", "Control+Z")
    window.press("Escape")
    suggest(window, "refused.py")
    window.page.wait_for_timeout(READING_MS)
    known = ids_of(served)
    window.press("Escape")
    refused = wait_for_new(served, known, type="dismissed", dismiss_reason="escape")
    offered = {kept, removed, refused["completion_id"]}
    assert len(offered) == 3
    counted = {each for each in offered if is_counted(events_of(served, each))}
    accepted = {each for each in offered if is_accepted(events_of(served, each))}
    assert counted == offered
    assert accepted == {kept, removed}
    wait_for(lambda: len(observed(served, kept)) == 4, "all windows of what was kept")
    assert observed(served, kept) == [(30, 0, 0), (120, 0, 0), (300, 0, 0), (600, 0, 0)]
    assert observed(served, removed) == [(30, 1, 1)]


def accept_after_reading(
    window: EditorWindow, served: ServedProcess, name: str, *then: str
) -> object:
    """Accept a suggestion that has been looked at, press further keys, and return its id."""
    suggest(window, name)
    window.page.wait_for_timeout(READING_MS)
    known = ids_of(served)
    window.press("Tab")
    for keys in then:
        window.press(keys)
    return wait_for_new(served, known, type="accepted")["completion_id"]


def is_accepted(events: list[dict[str, object]]) -> bool:
    return any(each["type"] == "accepted" for each in events)


def is_counted(events: list[dict[str, object]]) -> bool:
    """Return whether a suggestion counts: read for 750 ms, or accepted."""
    longest_ms = max(float(str(each.get("shown_ms", 0))) for each in events)
    return longest_ms >= 750 or is_accepted(events)


def observed(served: ServedProcess, completion_id: object) -> list[tuple[object, ...]]:
    """Return window, difference and whether it was removed, of each observation."""
    return [
        (each["after_s"], each["difference"], each.get("removed", 0))
        for each in events_of(served, completion_id)
        if each["type"] == "persisted"
    ]
