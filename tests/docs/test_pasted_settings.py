"""Settings pasted from docs/clients.md, and the requests that their clients make of them.

Bodies and addresses are built as the clients' sources build them, from the blocks of the page
alone: a wrong address, model or option in a block fails here, against a real server.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
import yaml

from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.lsp_editor import run_editor

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
URL = "http://127.0.0.1:8111"
PREFIX, SUFFIX = "def area(r):\n    return ", "\n\nprint(area(2))\n"
WRITTEN = "3.14159 * r * r"
"""What the fake engine writes."""
QWEN = "<|fim_prefix|>{}<|fim_suffix|>{}<|fim_middle|>"
"""Zed's prompt format of that name, crates/edit_prediction/src/fim.rs at 1160a72."""

Settings = dict[str, Any]


class EmbeddedFake(FakeEngine):
    """A fake under the name that the page uses."""

    model_name = "embedded"


@pytest.fixture
def engine() -> EmbeddedFake:
    return EmbeddedFake()


@pytest.fixture
def url(engine: EmbeddedFake) -> Iterator[str]:
    with serve_in_thread(engine) as served:
        yield served


def pasted(language: str, url: str, word: str) -> Settings:
    """Return the one block of a language that holds a word, its address the server's."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if word in block]
    parse = yaml.safe_load if language == "yaml" else json.loads
    found: Settings = parse(block.replace(URL, url))
    return found


def continue_model(url: str, provider: str) -> Settings:
    """Return Continue's settings of a provider."""
    settings = pasted("yaml", url, f"provider: {provider}\n")
    (model,) = [one for one in settings["models"] if one["provider"] == provider]
    return dict(model)


def records_of(answer: httpx.Response) -> list[Settings]:
    """Return the records of an event stream, as Continue's streamSse reads them."""
    assert answer.status_code == 200  # Continue takes nothing else
    lines = [line for line in answer.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line != "data: [DONE]"]


CONTINUE_BODY = {
    "prompt": PREFIX,
    "suffix": SUFFIX,
    "max_tokens": 256,
    "temperature": 0.01,
    "top_p": None,
    "frequency_penalty": None,
    "presence_penalty": None,
    "stop": ["[PREFIX]", "[SUFFIX]", "/src/", "#- coding: utf-8", "```"],
    "stream": True,
}
"""`_streamFim` of core/llm/llms/OpenAI.ts and Deepseek.ts, continuedev/continue at 0052fb2."""


@pytest.mark.parametrize(
    ("provider", "path"), [("mistral", "fim/completions"), ("deepseek", "beta/completions")]
)
def test_continue_streams_what_fits_in(
    url: str, engine: EmbeddedFake, provider: str, path: str
) -> None:
    model = continue_model(url, provider)
    # As `new URL(path, apiBase)` has it.
    answer = httpx.post(
        urljoin(model["apiBase"], path),
        json={"model": model["model"], **CONTINUE_BODY},
        headers={
            "authorization": "Bearer undefined",
            "x-api-key": "",
            "accept": "application/json",
        },
    )
    records = records_of(answer)
    pieces = [
        record["choices"][0]["delta"]["content"]
        if provider == "mistral"
        else record["choices"][0]["text"]
        for record in records
    ]
    assert "".join(pieces) == WRITTEN
    assert (engine.last_request.prefix, engine.last_request.suffix) == (PREFIX, SUFFIX)


def test_continue_with_ollama_streams_lines(url: str, engine: EmbeddedFake) -> None:
    # core/llm/llms/Ollama.ts: the template is looked at first, then lines of JSON come.
    model = continue_model(url, "ollama")
    shown = httpx.post(urljoin(model["apiBase"], "api/show"), json={"name": model["model"]}).json()
    assert ".Suffix" in shown["template"]
    body = {
        "model": model["model"],
        "prompt": PREFIX,
        "suffix": SUFFIX,
        "raw": False,
        "options": {"temperature": 0.01, "num_predict": 4096, "num_ctx": 8192, "stop": ["```"]},
        "keep_alive": 1800,
        "stream": True,
    }
    answer = httpx.post(urljoin(model["apiBase"], "api/generate"), json=body)
    assert answer.status_code == 200
    pieces = [json.loads(line)["response"] for line in answer.text.split("\n") if line.strip()]
    assert "".join(pieces) == WRITTEN
    assert (engine.last_request.prefix, engine.last_request.suffix) == (PREFIX, SUFFIX)


def zed_settings(url: str, provider: str) -> Settings:
    """Return Zed's settings of the provider that it is told to use."""
    predictions = pasted("json", url, f'"provider": "{provider}"')["edit_predictions"]
    assert predictions["provider"] == provider
    return dict(predictions[provider])


def test_zed_as_openai(url: str, engine: EmbeddedFake) -> None:
    zed = zed_settings(url, "open_ai_compatible_api")
    assert zed["prompt_format"] == "qwen"
    body = {
        "model": zed["model"],
        "prompt": QWEN.format(PREFIX, SUFFIX),
        "max_tokens": zed["max_output_tokens"],
        "temperature": None,
        "stop": ["<|endoftext|>"],
        "environment": None,
    }
    answer = httpx.post(zed["api_url"], json=body).json()
    assert answer["choices"][0]["text"] == WRITTEN
    assert answer["usage"]["total_tokens"] > 0
    assert (engine.last_request.prefix, engine.last_request.suffix) == (PREFIX, SUFFIX)


def test_zed_as_ollama(url: str, engine: EmbeddedFake) -> None:
    zed = zed_settings(url, "ollama")
    assert zed["prompt_format"] == "qwen"
    options = {"num_predict": zed["max_output_tokens"], "temperature": 0.2, "stop": ["x"] * 4}
    body = {
        "model": zed["model"],
        "prompt": QWEN.format(PREFIX, SUFFIX),
        "raw": True,
        "stream": False,
        "options": options,
    }
    answer = httpx.post(f"{zed['api_url']}/api/generate", json=body).json()
    assert answer["response"] == WRITTEN
    assert (engine.last_request.prefix, engine.last_request.suffix) == (PREFIX, SUFFIX)


def test_zed_as_codestral(url: str, engine: EmbeddedFake) -> None:
    # zed-industries/zed crates/codestral at 03a1880: what is not set is left out.
    zed = zed_settings(url, "codestral")
    body = {
        "model": zed["model"],
        "prompt": PREFIX,
        "suffix": SUFFIX,
        "max_tokens": zed["max_tokens"],
        "temperature": 0.2,
        "top_p": 1.0,
        "stream": False,
    }
    answer = httpx.post(
        f"{zed['api_url']}/v1/fim/completions",
        json=body,
        headers={"authorization": "Bearer any"},
    ).json()
    assert {"id", "object", "model", "created"} <= answer.keys()
    assert isinstance(answer["usage"]["total_tokens"], int)
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == WRITTEN
    assert (engine.last_request.prefix, engine.last_request.suffix) == (PREFIX, SUFFIX)


def test_llama_vscode_and_llama_vim_name_the_server(url: str, engine: EmbeddedFake) -> None:
    vscode = pasted("json", url, "llama-vscode.endpoint")
    found = re.search(r"'endpoint_fim': '([^']+)'", TEXT)
    assert found is not None
    body = {"input_prefix": PREFIX, "input_suffix": SUFFIX, "prompt": "", "n_predict": 32}
    for address in (f"{vscode['llama-vscode.endpoint']}/infill", found[1].replace(URL, url)):
        assert httpx.post(address, json=body).json()["content"] == WRITTEN


def test_lsp4ij_s_initialization_options_are_understood(url: str, engine: EmbeddedFake) -> None:
    options = pasted("json", url, '"events": true')

    async def scenario() -> None:
        async with run_editor() as editor:
            await editor.initialize(options=options, name="IntelliJ IDEA", version="2026.1")
            editor.open("file:///w/geo.py", PREFIX + SUFFIX)
            item = await editor.suggest("file:///w/geo.py", (1, 11))
            assert item is not None
            assert item.insert_text == WRITTEN
            assert editor.logs == []  # no option is unknown

    asyncio.run(scenario())
