"""The engine as its callers see it: streams, cancels, failures, bad input."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fimserve.engine import (
    AdapterNotFound,
    BrokenEngine,
    CompletionDelta,
    CompletionRequest,
    Engine,
    EngineClosed,
    EngineSettings,
    InvalidRequest,
)
from fimserve.engine.bridge import MAX_RESTARTS
from fimserve.engine.generation import Generation
from fimserve.engine.loop import EngineLoop
from fimserve.engine.runner import Runner
from fimserve.engine.scheduler import WorkItem
from fimserve.engine.session_book import SessionKey
from fimserve.models import LoadedModel
from fimserve.prompt import Order, Snippet

PREFIX, SUFFIX = "def mean(values):\n    return ", "\n\nprint(mean([1, 2]))\n"
# The tiny model writes nonsense: nothing is trimmed, so that there is much of it.
REQUEST = CompletionRequest(PREFIX, SUFFIX, max_tokens=12, multiline=True, trim=False)
SAMPLED = replace(REQUEST, temperature=1.0, seed=11, max_tokens=40)


async def read(engine: Engine, request: CompletionRequest) -> list[CompletionDelta]:
    return [delta async for delta in engine.open(request)]


def stream(engine: Engine, request: CompletionRequest) -> list[CompletionDelta]:
    return asyncio.run(read(engine, request))


def text_of(deltas: list[CompletionDelta]) -> str:
    return "".join(delta.text for delta in deltas)


async def wait_until_idle(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while engine.num_unfinished:
            await asyncio.sleep(0.001)


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_joins_to_the_whole_text(engine: Engine, seed: int) -> None:
    request = replace(SAMPLED, seed=seed)
    deltas = stream(engine, request)
    whole = engine.complete_blocking(request)
    assert len(deltas) > 5
    assert text_of(deltas) == whole.text
    assert deltas[-1].finish_reason == whole.finish_reason
    assert [delta.usage for delta in deltas[:-1]] == [None] * (len(deltas) - 1)


def test_the_same_seed_writes_the_same_and_another_one_something_else(engine: Engine) -> None:
    first = engine.complete_blocking(SAMPLED)
    engine.complete_blocking(replace(SAMPLED, seed=12))
    assert engine.complete_blocking(SAMPLED).text == first.text
    assert engine.complete_blocking(replace(SAMPLED, seed=12)).text != first.text


def test_many_callers_at_once_each_get_their_own(engine: Engine) -> None:
    requests = [replace(SAMPLED, prefix=f"x{i} = ", seed=i, max_tokens=8) for i in range(12)]
    expected = [engine.complete_blocking(request).text for request in requests]

    async def read_all() -> list[list[CompletionDelta]]:
        return await asyncio.gather(*(read(engine, request) for request in requests))

    assert [text_of(deltas) for deltas in asyncio.run(read_all())] == expected
    assert len(set(expected)) > 6


@given(st.lists(st.sampled_from(["7", "x", "\n", " ", "77", "7\n", "_", "��"]), max_size=4))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_stop_strings_cut_the_text_wherever_tokens_end(engine: Engine, stop: list[str]) -> None:
    whole = engine.complete_blocking(SAMPLED).text
    cut = engine.complete_blocking(replace(SAMPLED, stop=tuple(stop)))
    ends = [(whole.find(s) + len(s), whole.find(s)) for s in stop if s in whole]
    assert cut.text == (whole[: min(ends)[1]] if ends else whole)
    assert cut.finish_reason == ("stop" if ends else "length")


def test_a_single_line_request_ends_at_its_line_end(engine: Engine) -> None:
    request = replace(SAMPLED, max_tokens=200, multiline=True)
    for seed in range(20):
        whole = engine.complete_blocking(replace(request, seed=seed)).text
        first_line = whole.lstrip().split("\n")[0]
        if "\n" in whole.lstrip() and first_line:
            break
    single = engine.complete_blocking(replace(request, seed=seed, multiline=False))
    assert single.text.lstrip() == first_line
    assert single.finish_reason == "stop"


# --- cancelling ----------------------------------------------------------------------------------


def test_closing_a_stream_ends_the_work(engine: Engine) -> None:
    async def open_and_close() -> None:
        request = replace(SAMPLED, max_tokens=900, session="main.py")
        async with aclosing(engine.open(request)) as deltas:
            await anext(deltas)
        await wait_until_idle(engine)

    asyncio.run(open_and_close())
    # What was written was kept for the next request; had the work gone on, it would be 900 tokens.
    history = engine._bridge.loop.parts.sessions.open(SessionKey("local", "main.py")).history
    assert 0 < len(history) < 500


def test_a_stream_never_read_is_never_begun(engine: Engine) -> None:
    async def open_and_close() -> None:
        await engine.open(REQUEST).aclose()
        assert engine.num_unfinished == 0

    asyncio.run(open_and_close())


def test_a_newer_request_of_a_session_supersedes_the_older(engine: Engine) -> None:
    old = replace(SAMPLED, session="main.py", max_tokens=900)

    async def supersede() -> tuple[list[CompletionDelta], list[CompletionDelta]]:
        older = asyncio.create_task(read(engine, old))
        await asyncio.sleep(0.02)
        return await read(engine, replace(REQUEST, session="main.py")), await older

    newer, older = asyncio.run(supersede())
    assert older[-1].finish_reason == "cancelled"
    assert newer[-1].finish_reason != "cancelled"
    assert text_of(newer) == engine.complete_blocking(REQUEST).text


async def type_and_cancel(engine: Engine, dice: random.Random, rounds: int) -> None:
    """Open streams of a few sessions and drop each one at a random moment."""

    async def one_request() -> None:
        request = replace(
            REQUEST,
            prefix=PREFIX + "values"[: dice.randrange(7)],
            session=dice.choice(["a", "b", "c", None]),
            order=dice.choice(list(Order)),
            max_tokens=dice.choice([0, 3, 40]),
        )
        task = asyncio.create_task(read(engine, request))
        if dice.random() < 0.8:
            await asyncio.sleep(dice.choice([0.0, 0.001, 0.01]))
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for _ in range(rounds):
        await asyncio.gather(*(one_request() for _ in range(dice.randrange(1, 5))))
    await wait_until_idle(engine)


def test_random_cancels_leave_no_session_locked_and_every_cache_whole(engine: Engine) -> None:
    asyncio.run(type_and_cancel(engine, random.Random(1), rounds=60))
    engine.check_integrity()
    for session in ["a", "b", "c"]:
        cached = engine.complete_blocking(replace(REQUEST, session=session))
        assert cached.usage.cached_tokens > 0
        assert cached.text == engine.complete_blocking(REQUEST).text


# --- failures ------------------------------------------------------------------------------------


async def read_both(
    engine: Engine, bad: CompletionRequest
) -> tuple[list[CompletionDelta] | BaseException, list[CompletionDelta] | BaseException]:
    """Read a request that fails and one that does not, at the same time."""
    failed, good = await asyncio.gather(
        read(engine, bad), read(engine, SAMPLED), return_exceptions=True
    )
    return failed, good


def test_an_exception_fails_only_its_own_request(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = text_of(stream(engine, SAMPLED))
    accept = Generation.accept

    def accept_or_raise(self: Generation, token_id: int, scores: Tensor) -> bool:
        if self.limits.max_tokens == 13:
            raise RuntimeError("as asked")
        return accept(self, token_id, scores)

    monkeypatch.setattr(Generation, "accept", accept_or_raise)
    failed, good = asyncio.run(read_both(engine, replace(REQUEST, max_tokens=13)))
    assert isinstance(failed, RuntimeError)
    assert not isinstance(good, BaseException)
    assert text_of(good) == expected


def test_a_step_that_one_request_makes_fail_is_done_again_without_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = text_of(stream(engine, SAMPLED))
    run = Runner.run

    def run_or_raise(self: Runner, items: list[WorkItem], slots: list[int]) -> Tensor:
        if any(item.sequence.max_tokens == 13 for item in items):
            raise RuntimeError("as asked")
        return run(self, items, slots)

    monkeypatch.setattr(Runner, "run", run_or_raise)
    failed, good = asyncio.run(read_both(engine, replace(REQUEST, max_tokens=13)))
    assert isinstance(failed, RuntimeError)
    assert not isinstance(good, BaseException)
    assert text_of(good) == expected
    assert engine.stats().num_restarts == 0


def test_a_loop_that_dies_is_replaced_and_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = text_of(stream(engine, SAMPLED))
    with monkeypatch.context() as patch:
        patch.setattr(EngineLoop, "_end_overdue", lambda self: 1 / 0)
        with pytest.raises(BrokenEngine, match="start anew"):
            stream(engine, SAMPLED)
    assert engine.stats().num_restarts == 1
    assert engine.stats().is_alive
    assert text_of(stream(engine, SAMPLED)) == expected


def test_a_lost_device_ends_the_engine_and_not_request_by_request(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_device(self: Runner, items: list[WorkItem], slots: list[int]) -> Tensor:
        raise torch.AcceleratorError("as asked")

    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(Runner, "run", lose_device)
    with Engine(tiny_model) as engine:
        for _ in range(MAX_RESTARTS + 1):
            with pytest.raises(BrokenEngine):
                engine.complete_blocking(REQUEST)
        with pytest.raises(EngineClosed):
            engine.complete_blocking(REQUEST)
    assert not engine.stats().is_alive


def test_an_unknown_adapter_is_refused(engine: Engine) -> None:
    with pytest.raises(AdapterNotFound, match="adapter is 'nobody'; loaded are: none"):
        engine.complete_blocking(replace(REQUEST, adapter="nobody"))
    with pytest.raises(AdapterNotFound, match="no adapter directory"):
        engine.load_adapter("nobody")


def test_a_memory_too_small_for_one_block_is_refused(tiny_model: LoadedModel) -> None:
    with pytest.raises(ValueError, match="kv_memory_mib is 1; one block of"):
        Engine(tiny_model, EngineSettings(kv_memory_mib=1, block_tokens=1 << 20))


def test_a_directory_of_adapters_that_is_not_there_is_refused(
    tiny_model: LoadedModel, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"adapters is .*none; that is no directory"):
        Engine(tiny_model, EngineSettings(adapters=tmp_path / "none"))


def test_draining_lets_the_running_end_and_refuses_the_new(tiny_model: LoadedModel) -> None:
    with Engine(tiny_model) as engine:

        async def drain_while_reading() -> list[CompletionDelta]:
            task = asyncio.create_task(read(engine, replace(SAMPLED, max_tokens=200)))
            await asyncio.sleep(0.02)
            assert await asyncio.to_thread(engine.drain, 20.0)
            with pytest.raises(EngineClosed):
                await read(engine, REQUEST)
            return await task

        assert asyncio.run(drain_while_reading())[-1].finish_reason == "length"


def test_a_closed_engine_refuses(tiny_model: LoadedModel) -> None:
    engine = Engine(tiny_model)
    asyncio.run(engine.aclose())
    asyncio.run(engine.aclose())
    with pytest.raises(EngineClosed, match="closed"):
        engine.complete_blocking(REQUEST)


def test_closing_ends_what_runs(tiny_model: LoadedModel) -> None:
    engine = Engine(tiny_model)

    async def close_while_reading() -> list[CompletionDelta]:
        task = asyncio.create_task(read(engine, replace(SAMPLED, max_tokens=900)))
        await asyncio.sleep(0.02)
        await engine.aclose()
        return await task

    assert asyncio.run(close_while_reading())[-1].finish_reason == "cancelled"


def test_a_loop_that_is_gone_does_not_stop_the_engine(engine: Engine) -> None:
    async def abandon() -> None:
        await anext(engine.open(replace(SAMPLED, max_tokens=900)))

    asyncio.run(abandon())
    assert engine.complete_blocking(REQUEST).finish_reason is not None


def test_the_integrity_of_a_busy_engine_is_not_checked(engine: Engine) -> None:
    async def check_while_busy() -> None:
        async with aclosing(engine.open(replace(SAMPLED, max_tokens=900))) as deltas:
            await anext(deltas)
            with pytest.raises(BrokenEngine, match="1 requests are unfinished"):
                engine.check_integrity()
        await wait_until_idle(engine)

    asyncio.run(check_while_busy())


# --- bad input -----------------------------------------------------------------------------------

ODD_TEXTS = {
    "nothing": "",
    "white space": " \t\n\n\t ",
    "lone surrogates": "a\ud800b\udfffc",
    "NUL": "a\x00b\x00",
    "binary": "".join(map(chr, range(256))),
    "CRLF": "a = 1\r\nb = 2\r\n",
    "half a CRLF": "a\r",
    "tabs": "\tif x:\n\t\t",
    "half a grapheme": "e\u0301 👩\u200d",
    "markers": "<|fim_prefix|><|fim_middle|><|endoftext|><|file_sep|>",
    "one megabyte": "x = [1, 2, 3]\n" * 75_000,
    "one megabyte on one line": "x" * 1_048_576,
}


@pytest.mark.parametrize("suffix", ["nothing", "as the prefix", "none"])
@pytest.mark.parametrize("prefix", ODD_TEXTS)
def test_odd_text_is_completed_like_any_other(engine: Engine, prefix: str, suffix: str) -> None:
    text = ODD_TEXTS[prefix]
    request = CompletionRequest(
        prefix=text,
        suffix={"nothing": "", "as the prefix": text, "none": None}[suffix],
        path=text[:50],
        snippets=(Snippet(text[:50], text[:1000]),),
        max_tokens=3,
        session="main.py",
    )
    completion = engine.complete_blocking(request)
    assert completion.finish_reason in {"stop", "length"}
    assert completion.usage.prompt_tokens <= 1021
    again = engine.complete_blocking(request)
    assert again.text == completion.text
    assert again.usage.cached_tokens == completion.usage.prompt_tokens - 1


def test_a_crlf_document_gets_crlf_back(engine: Engine) -> None:
    request = replace(SAMPLED, max_tokens=300, multiline=True, temperature=3.0)
    lf = engine.complete_blocking(request)
    crlf = engine.complete_blocking(
        replace(request, prefix=PREFIX.replace("\n", "\r\n"), suffix=SUFFIX.replace("\n", "\r\n"))
    )
    assert "\n" in lf.text
    assert crlf.text == lf.text.replace("\n", "\r\n")


def test_an_order_unknown_to_the_model_is_refused_through_the_stream(
    tiny_model: LoadedModel,
) -> None:
    with Engine(replace(tiny_model, orders=("psm",), default_order=None)) as engine:
        with pytest.raises(InvalidRequest, match="order is 'spm'"):
            stream(engine, replace(REQUEST, order=Order.SPM))
        assert engine.complete_blocking(replace(REQUEST, order=Order.PSM)).usage.prompt_tokens


# --- tokens --------------------------------------------------------------------------------------


def test_ids_of_a_text_are_that_text_again(engine: Engine) -> None:
    text = "def größe(x):\n    return '<|fim_prefix|>' + x\n"
    token_ids = engine.tokenise(text)
    assert engine.detokenise(token_ids) == text
    assert b"".join(map(engine.token_bytes, token_ids)) == text.encode()


def test_ids_of_markers_are_spelt_by_name(engine: Engine) -> None:
    assert engine.detokenise([1, 3, 2]) == "<|fim_prefix|><|fim_suffix|><|fim_middle|>"
    assert engine.token_bytes(1) == b""


@pytest.mark.parametrize("token_id", [-1, 1_000_000])
def test_an_id_that_no_token_has_is_refused(engine: Engine, token_id: int) -> None:
    with pytest.raises(InvalidRequest, match=f"token id is {token_id}; use 0 to"):
        engine.detokenise([token_id])


# --- loading -------------------------------------------------------------------------------------


def test_an_engine_is_loaded_by_name(tiny_directory: Path) -> None:
    with Engine.load(str(tiny_directory), device="cpu") as engine:
        assert engine.model_name == "tiny"
        assert engine.max_context_tokens == 1024
        assert engine.complete_blocking(REQUEST).usage.completion_tokens > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_writes_what_the_cpu_writes(engine: Engine, tiny_directory: Path) -> None:
    with Engine.load(str(tiny_directory), device="cuda", dtype="fp32") as on_gpu:
        for request in (REQUEST, SAMPLED):
            assert on_gpu.complete_blocking(request).text == engine.complete_blocking(request).text
