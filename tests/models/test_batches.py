"""Sequences of unlike length, prompts and single tokens, in one step: each as if it were alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fimserve.models import CausalModel, Piece
from support.parity import compute_their_logits, load_both, make_ids, make_pool, run
from support.tiny_families import FAMILIES, write_tiny_family

BLOCK_TOKENS = 4
LENGTHS = (1, 3, 17, 40, 64)
"""Tokens of each sequence; the window of StarCoder2 is 16."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model of ours, and what transformers says to each sequence alone."""

    model: CausalModel
    token_ids: tuple[list[int], ...]
    expected: tuple[Tensor, ...]


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    directory = write_tiny_family(tmp_path_factory.mktemp(request.param), request.param, seed=3)
    model, theirs = load_both(directory, torch.float32)
    sequences = [make_ids(seed)[:length] for seed, length in enumerate(LENGTHS)]
    with torch.inference_mode():
        expected = tuple(compute_their_logits(theirs, ids, len(ids)) for ids in sequences)
    return Case(model, tuple(ids.tolist() for ids in sequences), expected)


def compute_in_steps(case: Case, blocks: list[list[int]], steps: list[list[int]]) -> list[Tensor]:
    """Return the logits of each sequence; a step says how many tokens of each it computes."""
    num_done = [0] * len(LENGTHS)
    rows: list[list[Tensor]] = [[] for _ in LENGTHS]
    pool = make_pool(case.model, sum(map(len, blocks)) * BLOCK_TOKENS, BLOCK_TOKENS)
    with torch.inference_mode():
        for step in steps:
            pieces, owners = [], []
            for index, num_tokens in enumerate(step):
                first = num_done[index]
                ids = case.token_ids[index][first : first + num_tokens]
                if ids:
                    pieces.append(Piece(ids, first, blocks[index]))
                    owners.append(index)
                    num_done[index] += len(ids)
            if pieces:
                logits = run(case.model, pool, *pieces)
                parts = logits.split([len(piece.token_ids) for piece in pieces])
                for owner, part in zip(owners, parts, strict=True):
                    rows[owner].append(part)
    return [torch.cat(parts) for parts in rows]


def share_out_blocks(seed: int | None) -> list[list[int]]:
    """Return a block table for each sequence: neighbours, or scattered at random."""
    counts = [-(-length // BLOCK_TOKENS) for length in LENGTHS]
    numbers = list(range(sum(counts)))
    if seed is not None:
        random.Random(seed).shuffle(numbers)
    return [[numbers.pop(0) for _ in range(count)] for count in counts]


def check(case: Case, blocks: list[list[int]], steps: list[list[int]]) -> None:
    for mine, expected in zip(compute_in_steps(case, blocks, steps), case.expected, strict=True):
        assert (mine - expected).abs().max() < 1e-4


@pytest.mark.parametrize("seed", [None, 1], ids=["neighbouring blocks", "scattered blocks"])
def test_whole_prompts_in_one_step(case: Case, seed: int | None) -> None:
    check(case, share_out_blocks(seed), [list(LENGTHS)])


@pytest.mark.parametrize("seed", [None, 1], ids=["neighbouring blocks", "scattered blocks"])
def test_all_of_them_token_by_token(case: Case, seed: int | None) -> None:
    check(case, share_out_blocks(seed), [[1] * len(LENGTHS)] * max(LENGTHS))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 99),
    st.lists(st.lists(st.integers(0, 20), min_size=5, max_size=5), max_size=6),
)
def test_prompts_beside_single_tokens(case: Case, seed: int, steps: list[list[int]]) -> None:
    check(case, share_out_blocks(seed), [*steps, list(LENGTHS)])
