"""What became of suggestions, from the editor to the store."""

import asyncio
from pathlib import Path

from support.fake_engine import FakeEngine
from support.lsp_desk import (
    CURSOR,
    SOURCE,
    TEXT,
    Desk,
    completions_of,
    run_alone,
    serve,
)
from support.lsp_editor import Editor


def test_typing_along_a_suggestion_needs_no_server(
    desk: Desk, engine: FakeEngine, tmp_path: Path
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        first = await editor.suggest(uri, CURSOR)
        editor.insert(uri, CURSOR, "3.1")
        second = await editor.suggest(uri, (1, 14))
        assert first is not None
        assert second is not None
        assert second.insert_text == TEXT[3:]
        assert second.command == first.command
        await editor.accept(uri, second)
        shown, accepted = await asyncio.to_thread(store.wait_for, "shown", "accepted")
        assert accepted.accepted_chars == len(TEXT) - 3
        assert accepted.view_id == shown.view_id
        assert accepted.source == "typed_through"

    with serve(tmp_path, engine) as (url, store):
        desk.run(scenario, url)
    assert len(completions_of(engine)) == 1


def test_life_of_a_suggestion_reaches_the_store(engine: FakeEngine, tmp_path: Path) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        item = await editor.suggest(uri, CURSOR)
        assert item is not None
        wire = {
            "insertText": item.insert_text,
            "command": {"title": "", "command": "", "arguments": list(item.command.arguments)},  # type: ignore[union-attr, arg-type]
        }
        editor.client.protocol.notify("textDocument/didShowCompletion", {"item": wire})
        partly = {"item": wire, "acceptedLength": 7}
        editor.client.protocol.notify("textDocument/didPartiallyAcceptCompletion", partly)
        await editor.accept(uri, item)
        await asyncio.to_thread(store.wait_for, "shown", "partially_accepted", "accepted")

    with serve(tmp_path, engine) as (url, store):
        run_alone(scenario, "--url", url)
        shown, partly, accepted, *persisted = store.wait_for(
            "shown", "partially_accepted", "accepted", *["persisted"] * 4
        )
    assert (shown.editor, shown.editor_version) == ("Test-Editor", "1.0-nightly")
    assert (shown.language, shown.source, shown.trigger) == ("python", "network", "auto")
    assert (shown.completion_chars, shown.completion_lines) == (15, 1)
    assert (shown.prompt_tokens, shown.cached_tokens) == (19, 12)
    assert (partly.accepted_chars, accepted.accepted_chars) == (7, 22)
    # The editor went away before the first window.
    assert {event.censor_reason for event in persisted} == {"editor_closed"}
    assert store.num_of("requested") == 1
    assert not any(event.has_text for event in (shown, partly, accepted, *persisted))


def test_user_who_wants_no_events_sends_none(
    desk: Desk, engine: FakeEngine, tmp_path: Path
) -> None:
    async def scenario(editor: Editor, uri: str) -> None:
        editor.open(uri, SOURCE)
        item = await editor.suggest(uri, CURSOR)
        assert item is not None
        await editor.accept(uri, item)

    with serve(tmp_path, engine) as (url, store):
        desk.run(scenario, url, events=False)
        assert store.wait_for() == []
        assert store.num_of("requested") == 0
