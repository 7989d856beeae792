"""Behind the head of an empty block a completion begins on the next line, indented."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from fimserve.engine import CompletionDelta, CompletionRequest, Engine
from fimserve.engine.next_line import Lead, find_lead
from fimserve.models import load_model
from fimserve.prompt import TextEncoder
from support.notation import fim
from support.rote_model import RoteModel
from support.tiny_checkpoint import write_tiny_checkpoint


def lead_of(text: str, language: str | None = "python", **fields: object) -> str:
    prefix, suffix = fim(text)
    request = CompletionRequest(prefix, suffix, language=language, max_tokens=8)
    return find_lead(replace(request, **fields))  # type: ignore[arg-type]


CLASS = "class A:\n    def f(self):\n        return 1\n\n"
LONG_HEAD = "    def g(\n        self,\n        x: int,\n    ) -> dict[str, int]:█\n"


@pytest.mark.parametrize(
    ("text", "language", "lead"),
    [
        (f"{CLASS}    def g(self):█\n", "python", "\n        "),
        (f"{CLASS}def g():█\n", "python", "\n    "),
        (f"{CLASS}{LONG_HEAD}", "python", "\n        "),
        ("if a:\n  b()\nelse:█", "python", "\n  "),
        ("def f():█\n\n\ndef g():\n\treturn 1\n", "python", "\n\t"),
        ("if a:\r\n    b()\r\nif c:█\r\n", "python", "\r\n    "),
        ("def f():█\n", "python", "\n"),  # nothing tells; the model may
        ("function f(a) {\n  g();\n}\nfunction h(b) {█\n}\n", "javascript", "\n  "),
        ("if (a) {\n  b();\n} else {█\n}\n", "javascript", "\n  "),
        ("  it('x', () => {\n    a();\n  });\n  it('y', () => {█\n  });\n", "typescript", "\n    "),
        ("func f() {\n\tg()\n}\n\nfunc h() int {█\n}\n", "go", "\n\t"),
        (
            "impl A {\n    fn f() {}\n\n    fn g() -> Option<u8> {█\n    }\n}\n",
            "rust",
            "\n        ",
        ),
        ("switch (a) {\n    case 1:█\n}\n", "c", "\n        "),
    ],
)
def test_the_body_starts_below_its_head(text: str, language: str, lead: str) -> None:
    assert lead_of(text, language) == lead


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("def f():\n    █\n", "python"),  # there already
        ("def f(): █\n", "python"),  # a blank says that the line goes on
        ("def f():█\n    return 1\n", "python"),  # it has a body
        ("def f(█):\n", "python"),
        ("def f():█  # why\n", "python"),
        ("x = {█\n", "python"),
        ("x: dict = {'a':█\n", "python"),
        ("# as follows:█\n", "python"),
        ("s = 'if a:█\n", "python"),
        ("import {█\n", "typescript"),
        ("const a = {█\n", "typescript"),
        ("<div style={█\n", "typescriptreact"),
        ("f({█\n", "javascript"),
        ("As follows:█\n", "markdown"),
        ("key:█\n", "yaml"),
        ("f = x =>█\n", "javascript"),
    ],
)
def test_elsewhere_a_completion_starts_at_the_cursor(text: str, language: str) -> None:
    assert lead_of(text, language) == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"suffix": None},
        {"multiline": False},
        {"trim": False},
        {"logprobs": 1},
        {"ignore_eos": True},
        {"min_tokens": 2},
        {"stop": ("\n",)},
    ],
)
def test_who_wants_what_the_model_writes_gets_it(fields: dict[str, object]) -> None:
    assert lead_of("def f():█\n", **fields) == ""
    assert lead_of("def f():█\n", stop=("\n\n",)) == "\n"


def test_the_lead_stands_before_the_first_text_of_each_choice_once() -> None:
    lead = Lead("\n  ")
    pieces = [("", 0), ("a", 0), ("b", 1), ("c", 0), ("", 1)]
    put = [lead.put_before(CompletionDelta(text, (1,), index=index)) for text, index in pieces]
    assert [delta.text for delta in put] == ["", "\n  a", "\n  b", "c", ""]
    assert [delta.token_ids for delta in put] == [(1,)] * 5


DOCUMENT = "class A:\n    def f(self):\n        return self.x\n"


def test_streamed_or_whole_the_body_comes_with_its_indentation(tmp_path: Path) -> None:
    tiny = load_model(str(write_tiny_checkpoint(tmp_path / "tiny")), "cpu", "fp32")
    encoder = TextEncoder.from_file(tiny.encoder_path)
    model = RoteModel(encoder, DOCUMENT, tiny.config.vocab_size)
    before = DOCUMENT[: DOCUMENT.index("\n        return")]
    request = CompletionRequest(before, "\n", language="python", max_tokens=12, session="s")
    with Engine(replace(tiny, model=model)) as engine:  # type: ignore[arg-type]

        async def stream() -> list[CompletionDelta]:
            return [delta async for delta in engine.open(replace(request, streamed=True))]

        deltas = asyncio.run(stream())
        assert engine.complete_blocking(request).text == "\n        return self.x"
        # The next key but one asks for nothing that is not computed.
        entered = replace(request, prefix=before + "\n        ")
        assert engine.complete_blocking(entered).text == "return self.x"
    assert "".join(delta.text for delta in deltas) == "\n        return self.x"
