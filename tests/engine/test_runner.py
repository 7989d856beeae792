"""A step computes with as many threads as its share of the cores says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from fimserve.engine import CompletionRequest, EngineSettings
from fimserve.engine.core_share import CoreShare, CpuTimes
from fimserve.engine.runner import Runner
from fimserve.models import LoadedModel
from support.loops import HandLoop


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_are_given_up_for_others_and_the_answer_is_the_same(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = CompletionRequest("def mean(values):\n    return ", "\n", max_tokens=4)
    settings = EngineSettings(kv_memory_mib=2, block_tokens=8)
    hand = HandLoop(tiny_model, settings)
    expected = hand.complete(request).token_ids
    share = CoreShare(3, 3, lambda: CpuTimes(0.0, 0.0, 0.0))
    looks = iter([2, 1, 1, 1, 1, 1, 1, 1, 1, 1])

    def look(now_s: float) -> int:
        share.num_threads = next(looks)
        return share.num_threads

    monkeypatch.setattr(share, "look", look)
    runner = hand.loop.parts.runner
    assert isinstance(runner, Runner)
    monkeypatch.setattr(runner, "_core_share", share)
    set_to: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    assert hand.complete(request).token_ids == expected
    assert set_to == [2, 1]
