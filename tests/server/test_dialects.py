"""What holds in every dialect: the same text, streamed or not, and the same care for time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import torch
from torch import Tensor

from fimserve.engine import Engine, QueueFull, make_renderer
from fimserve.models import ForwardBatch, LoadedModel, load_model
from fimserve.prompt import PromptParts
from fimserve.server.app import make_app
from support.asgi import RawRequest, request
from support.dialects import DIALECTS, Dialect, Question
from support.fake_engine import FakeEngine
from support.live_server import serve_in_thread
from support.rote_model import RoteModel, RotePool
from support.tiny_checkpoint import write_tiny_checkpoint

QUESTION = Question("def area(radius):\n    return ", "\n\nprint(area(2.0))\n")
EVERY_DIALECT = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
STREAMED = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory = write_tiny_checkpoint(tmp_path_factory.mktemp("served") / "tiny", endless=True)
    return load_model(str(directory), device="cpu", dtype="fp32")


@pytest.fixture(scope="module")
def engine(tiny_model: LoadedModel) -> Iterator[Engine]:
    torch.set_num_threads(1)
    with Engine(tiny_model) as running:
        yield running


def ask(engine: Any, dialect: Dialect, question: Question, **fields: object) -> httpx.Response:
    return request(engine, "POST", dialect.path, json=dialect.make_body(question) | fields)


# --- one text ------------------------------------------------------------------------------------


@STREAMED
@EVERY_DIALECT
def test_the_likeliest_text_is_the_same_in_every_dialect(
    engine: Engine, dialect: Dialect, stream: bool
) -> None:
    expected = ask(engine, DIALECTS["openai"], QUESTION).json()["choices"][0]["text"]
    answer = ask(engine, dialect, QUESTION, stream=stream)
    text = dialect.read_stream(answer) if stream else dialect.text_of(answer.json())
    assert text == expected
    assert len(text) > 10


@STREAMED
@pytest.mark.parametrize("seed", [0, 1, -7])
@pytest.mark.parametrize(
    "dialect",
    [dialect for dialect in DIALECTS.values() if dialect.has_seed],
    ids=[name for name, dialect in DIALECTS.items() if dialect.has_seed],
)
def test_the_same_seed_writes_the_same_in_every_dialect(
    engine: Engine, dialect: Dialect, seed: int, stream: bool
) -> None:
    question = replace(QUESTION, temperature=1.5, seed=seed)
    expected = ask(engine, DIALECTS["openai"], question).json()["choices"][0]["text"]
    answer = ask(engine, dialect, question, stream=stream)
    text = dialect.read_stream(answer) if stream else dialect.text_of(answer.json())
    assert text == expected


@pytest.mark.parametrize("as_ids", [False, True])
@pytest.mark.parametrize("order", ["psm", "spm"])
def test_a_template_is_answered_like_what_it_says(
    engine: Engine, tiny_model: LoadedModel, order: str, as_ids: bool
) -> None:
    renderer = make_renderer(tiny_model)
    parts = PromptParts(QUESTION.prefix, QUESTION.suffix)
    prompt: object = renderer.render_text(parts, order)  # type: ignore[arg-type]
    if as_ids:
        prompt = list(renderer.render(parts, order).token_ids)  # type: ignore[arg-type]
    body = {"prompt": prompt, "max_tokens": 24, "temperature": 0}
    answer = request(engine, "POST", "/v1/completions", json=body).json()
    expected = ask(engine, DIALECTS["openai"], QUESTION).json()
    assert answer["choices"][0]["text"] == expected["choices"][0]["text"]
    assert answer["usage"]["prompt_tokens"] == expected["usage"]["prompt_tokens"]


@STREAMED
def test_offsets_of_log_probabilities_find_their_tokens_in_the_text(
    engine: Engine, stream: bool
) -> None:
    question = replace(QUESTION, prefix="größe = wer", temperature=1.0, seed=3)
    answer = ask(engine, DIALECTS["openai"], question, logprobs=0, stream=stream, trim=False)
    dialect = DIALECTS["openai"]
    text = dialect.read_stream(answer) if stream else dialect.text_of(answer.json())
    if stream:
        records = [r.removeprefix("data: ") for r in answer.text.split("\n\n")[:-2]]
        choices = [httpx.Response(200, content=record).json()["choices"][0] for record in records]
    else:
        choices = answer.json()["choices"]
    told = [choice["logprobs"] for choice in choices if choice["logprobs"]]
    tokens = [token for lists in told for token in lists["tokens"]]
    offsets = [offset for lists in told for offset in lists["text_offset"]]
    assert offsets == sorted(offsets)
    assert offsets[0] == 0
    assert offsets[-1] > 5
    # Half a character is known to be none only when the next token has come.
    spelt = [
        (token, offset)
        for before, token, offset in zip(tokens, tokens[1:], offsets[1:], strict=False)
        if "\ufffd" not in before + token
    ]
    assert len(spelt) > 5
    assert all(text.startswith(token, offset) for token, offset in spelt)


def test_a_warm_up_leaves_the_pieces_of_other_files_in_the_cache(engine: Engine) -> None:
    extra = [{"filename": "consts.py", "text": "PI = 3.14159\nTAU = 2 * PI\n" * 4}]
    warm_up = {"input_prefix": "", "input_suffix": "", "input_extra": extra, "n_predict": 0}
    assert request(engine, "POST", "/infill", json=warm_up).json()["content"] == ""
    body = DIALECTS["llama.cpp"].make_body(QUESTION) | {"input_extra": extra}
    assert request(engine, "POST", "/infill", json=body).json()["tokens_cached"] > 20


# --- leaving and refusing ------------------------------------------------------------------------


@STREAMED
@EVERY_DIALECT
def test_a_client_that_leaves_ends_the_work(dialect: Dialect, stream: bool) -> None:
    async def play() -> None:
        engine = FakeEngine([asyncio.Event(), "never"])
        body = dialect.make_body(QUESTION) | {"stream": stream}
        raw = RawRequest(make_app(engine), body, dialect.path)
        answering = asyncio.create_task(raw.run())
        while not engine.num_open:
            await asyncio.sleep(0)
        raw.leave()
        await answering
        assert engine.num_open == 0

    asyncio.run(play())


@STREAMED
@EVERY_DIALECT
def test_no_client_retries_what_would_come_too_late(dialect: Dialect, stream: bool) -> None:
    busy = FakeEngine([QueueFull("256 requests wait", 2600.0)])
    answer = ask(busy, dialect, QUESTION, stream=stream)
    assert answer.status_code == dialect.busy_status
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["retry-after"] == "3"
    superseded = ask(FakeEngine([""], finish_reason="cancelled"), dialect, QUESTION)
    assert superseded.status_code == 499
    assert superseded.headers["x-should-retry"] == "false"


@EVERY_DIALECT
def test_a_template_counts_as_text_beside_a_suffix(dialect: Dialect) -> None:
    engine = FakeEngine()
    marked = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert ask(engine, dialect, replace(QUESTION, prefix=marked)).status_code == 200
    assert engine.last_request.prefix == marked


# --- deadlines -----------------------------------------------------------------------------------

DOCUMENT = "def mean(values):\n    total = sum(values)\n    return total / len(values)\n\n\n"
CURSOR = len("def mean(values):\n")
LINES = ["", "    total = sum(values)", DOCUMENT[CURSOR:].rstrip()]
"""What may be shown of the document: whole lines."""


class StuckModel(RoteModel):
    """Writes some tokens, each in its time, and then no more until it is let go."""

    num_steps_left = 0
    step_s = 0.0
    released: threading.Event

    def __call__(self, batch: ForwardBatch, pool: RotePool) -> Tensor:
        time.sleep(self.step_s)
        if self.num_steps_left == 0:
            self.released.wait(30)
        self.num_steps_left -= 1
        return super().__call__(batch, pool)


@pytest.fixture
def stuck(tiny_model: LoadedModel) -> Iterator[tuple[Engine, StuckModel]]:
    encoder = make_renderer(tiny_model).encoder
    model = StuckModel(encoder, DOCUMENT, tiny_model.config.vocab_size)
    model.released = threading.Event()
    engine = Engine(replace(tiny_model, model=model))  # type: ignore[arg-type]
    try:
        yield engine, model
    finally:
        model.released.set()
        engine.close()


@EVERY_DIALECT
def test_an_engine_that_is_late_is_answered_for(dialect: Dialect) -> None:
    engine = FakeEngine(["    total = sum(values)\n", asyncio.Event()])
    answer = request(
        engine,
        "POST",
        dialect.path,
        json=dialect.make_body(QUESTION),
        headers={"x-deadline-ms": "60"},
    )
    assert dialect.text_of(answer.json()) == "    total = sum(values)\n"
    assert engine.num_open == 0


@EVERY_DIALECT
def test_a_deadline_that_is_no_number_is_refused(dialect: Dialect) -> None:
    body, headers = dialect.make_body(QUESTION), {"x-deadline-ms": "soon"}
    answer = request(FakeEngine(), "POST", dialect.path, json=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert "x-deadline-ms" in answer.text


ENDS = Question(DOCUMENT[:CURSOR], "\n", max_tokens=60)


@pytest.mark.parametrize("name", ["openai", "llama.cpp"])
def test_whole_lines_of_a_stuck_engine_are_the_answer(
    stuck: tuple[Engine, StuckModel], name: str
) -> None:
    engine, model = stuck
    dialect = DIALECTS[name]
    model.num_steps_left = 18  # somewhere in the second line
    with serve_in_thread(engine) as url:
        answer = httpx.post(
            url + dialect.path,
            json=dialect.make_body(ENDS),
            headers={"x-deadline-ms": "1200"},
            timeout=20,
        )
        model.released.set()  # the engine is needed to shut the server down
    assert answer.status_code == 200
    assert dialect.text_of(answer.json()) == LINES[1]


def test_a_slow_engine_ends_in_time_by_itself(stuck: tuple[Engine, StuckModel]) -> None:
    engine, model = stuck
    model.num_steps_left, model.step_s = 1000, 0.02
    body = DIALECTS["openai"].make_body(ENDS) | {"deadline_ms": 500}
    answer = request(engine, "POST", "/v1/completions", json=body).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    # Told by the engine itself, which alone knows how many tokens the prompt had in the cache.
    assert answer["usage"]["prompt_tokens"] > 0
    assert answer["timings"]["queue_ms"] > 0
    text = answer["choices"][0]["text"]
    assert text
    assert DOCUMENT[CURSOR:].startswith(text)
    assert "\n" not in text or text.rstrip("\n") in LINES


def test_time_for_predicting_ends_with_the_first_whole_line(
    stuck: tuple[Engine, StuckModel],
) -> None:
    engine, model = stuck
    model.num_steps_left, model.step_s = 1000, 0.02
    body = DIALECTS["llama.cpp"].make_body(ENDS) | {"t_max_predict_ms": 1}
    answer = request(engine, "POST", "/infill", json=body).json()
    assert answer["stop_type"] == "limit"
    assert answer["content"].rstrip("\n") == LINES[1]
    assert answer["tokens_predicted"] < 40
