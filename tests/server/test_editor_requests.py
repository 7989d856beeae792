"""Requests as editors send them whose plugins cannot run here, written after their sources.

Each names the source. Answers go through the same strictness as there: Zed's struct has required
fields, llm-ls takes one of two shapes, minuet runs three curls at once.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from fimserve.engine import Engine, QueueFull
from support.asgi import request
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.tiny_checkpoint import write_tiny_checkpoint

PREFIX, SUFFIX = "def area(r):\n    return ", "\n\nprint(area(2))\n"
TEXT = "3.14159 * r * r"
"""What the fake engine writes."""

LAID_OUT = {
    "codellama": f"<PRE> {PREFIX} <SUF>{SUFFIX} <MID>",
    "starcoder": f"<fim_prefix>{PREFIX}<fim_suffix>{SUFFIX}<fim_middle>",
    "deepseek-coder": f"<｜fim▁begin｜>{PREFIX}<｜fim▁hole｜>{SUFFIX}<｜fim▁end｜>",
    "qwen": f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
    "codestral": f"[SUFFIX]{SUFFIX}[PREFIX]{PREFIX}",
}
"""Zed's prompts, zed-industries/zed crates/edit_prediction/src/fim.rs at 1160a72."""

MANY_STOPS = [
    *("<|endoftext|>", "<|file_separator|>", "<|fim_pad|>", "<|fim_prefix|>", "<|fim_middle|>"),
    *("<|fim_suffix|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<PRE>", "<SUF>", "<MID>"),
    *("[PREFIX]", "[SUFFIX]"),
]
"""Stops of an older Zed with any model, ollama.rs at 01b31d4."""


class Strict(BaseModel):
    """Required fields of exact types, further ones ignored: what serde makes of a struct."""

    model_config = ConfigDict(strict=True, extra="ignore")


class ZedChoice(Strict):
    """One choice as Zed reads it."""

    text: str
    finish_reason: str | None


class ZedUsage(Strict):
    """Counts as Zed reads them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ZedAnswer(Strict):
    """`RawCompletionResponse` of Zed."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ZedChoice]
    usage: ZedUsage


def asked_of(engine: FakeEngine) -> tuple[str, str | None]:
    return engine.last_request.prefix, engine.last_request.suffix


@pytest.mark.parametrize("family", LAID_OUT)
def test_zed_with_an_openai_compatible_server(family: str) -> None:
    engine = FakeEngine()
    body = {
        "model": "fake-1b",
        "prompt": LAID_OUT[family],
        "max_tokens": 64,
        "temperature": None,
        "stop": MANY_STOPS[:4],
        "environment": None,
    }
    answer = request(engine, "POST", "/v1/completions", json=body)
    read = ZedAnswer.model_validate_json(answer.content)
    assert read.choices[0].text == TEXT
    assert asked_of(engine) == (PREFIX, SUFFIX)


@pytest.mark.parametrize("family", LAID_OUT)
def test_zed_with_ollama(family: str) -> None:
    engine = FakeEngine()
    options = {"num_predict": 64, "temperature": 0.2, "stop": MANY_STOPS}
    body = {"model": "fake-1b", "prompt": LAID_OUT[family], "raw": True, "stream": False}
    answer = request(engine, "POST", "/api/generate", json=body | {"options": options})
    assert answer.json()["response"] == TEXT
    assert asked_of(engine) == (PREFIX, SUFFIX)


PARAMETER_LINE = re.compile(r'^(\S+)\s+((?:".*")|\S+)$')
"""How Continue takes a line of `parameters` apart; one that does not match breaks its start."""

CONTINUE_STOPS = [
    *("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>", "<|im_start|>", "<|im_end|>"),
    *("\n\n", "\r\n\r\n", "/src/", "#- coding: utf-8", "```"),
]
"""Stops of a template and of core/autocomplete/templating/getStopTokens.ts at 2ae584e."""


def test_continue_with_ollama() -> None:
    # continuedev/continue core/llm/llms/Ollama.ts at 0108be5: `name` instead of `model`, options
    # that are not set left out, half an hour of `keep_alive`, lines of JSON.
    engine = FakeEngine()
    shown = request(engine, "POST", "/api/show", json={"name": "fake-1b"}).json()
    matches = [PARAMETER_LINE.match(line) for line in shown["parameters"].split("\n")]
    pairs = [(match[1], match[2]) for match in matches if match is not None]
    assert len(pairs) == len(matches)
    assert int(dict(pairs)["num_ctx"]) > 0
    stops = [json.loads(value) for key, value in pairs if key == "stop"]
    assert ".Suffix" in shown["template"]
    body = {
        "model": "fake-1b",
        "prompt": PREFIX,
        "suffix": SUFFIX,
        "options": {
            "temperature": 0.01,
            "num_predict": 4096,
            "stop": [*stops, *CONTINUE_STOPS],
            "num_ctx": 8192,
        },
        "keep_alive": 1800,
        "stream": True,
    }
    answer = request(engine, "POST", "/api/generate", json=body)
    records = [json.loads(line) for line in answer.text.split("\n") if line.strip()]
    assert "".join(record["response"] for record in records) == TEXT
    assert asked_of(engine) == (PREFIX, SUFFIX)


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/completions", "max_tokens"), ("/api/generate", "num_predict")]
)
def test_llm_ls_lays_the_prompt_out_and_sends_no_suffix(path: str, key: str) -> None:
    # huggingface/llm-ls crates/llm-ls/src/adaptors.rs at 1499fd6, `build_openai_body` and
    # `build_ollama_body`: the number is a float in the settings of some editors.
    engine = FakeEngine()
    sampling: dict[str, Any] = {key: 60, "temperature": 0.2, "top_p": 0.95, "stop": None}
    body: dict[str, Any] = {"prompt": LAID_OUT["starcoder"], "model": "fake-1b"}
    body |= sampling if key == "max_tokens" else {"stream": False, "options": sampling}
    answer = request(engine, "POST", path, json=body).json()
    text = answer["choices"][0]["text"] if key == "max_tokens" else answer["response"]
    assert text == TEXT
    assert asked_of(engine) == (PREFIX, SUFFIX)
    assert (engine.last_request.max_tokens, engine.last_request.top_p) == (60, 0.95)


def test_llm_ls_reads_ollama_s_refusals() -> None:
    busy = FakeEngine([QueueFull("256 requests wait", 1000.0)])
    answer = request(busy, "POST", "/api/generate", json={"prompt": "x", "stream": False})
    assert isinstance(answer.json()["error"], str)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_minuet_gets_a_whole_text_from_each_of_three_curls_at_once(tmp_path: Path) -> None:
    # milanglacier/minuet-ai.nvim lua/minuet/backends/common.lua at 01c73e1: `n_completions` curls
    # on one body file, `--max-time` of the settings, each decoded on its own.
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny")
    body = tmp_path / "body.json"
    body.write_text(
        json.dumps(
            {
                "model": "tiny",
                "stream": True,
                "prompt": f"# language: python\n{PREFIX}",
                "suffix": SUFFIX,
                "max_tokens": 24,
                "temperature": 0,
            }
        )
    )
    with serve_in_thread(Engine.load(str(checkpoint), device="cpu", dtype="fp32")) as url:
        curl = ["curl", "-sS", "-L", f"{url}/v1/completions", "--max-time", "20"]
        headers = ["-H", "Content-Type: application/json", "-H", "Accept: application/json"]
        key = ["-H", "Authorization: Bearer xterm", "-d", f"@{body}"]
        running = [
            subprocess.Popen([*curl, *headers, *key], stdout=subprocess.PIPE) for _ in range(3)
        ]
        outputs = [process.communicate(timeout=30)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    texts = {read_stream(output.decode()) for output in outputs}
    assert len(texts) == 1
    assert texts != {""}


def read_stream(output: str) -> str:
    """Return the text of a stream as minuet decodes it: every data line that is JSON."""
    records = [
        json.loads(line.removeprefix("data: "))
        for line in output.splitlines()
        if line.startswith("data: {")
    ]
    return "".join(record["choices"][0]["text"] for record in records)
