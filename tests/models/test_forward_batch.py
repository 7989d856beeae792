"""A batch is its pieces laid end to end, each token with its place and its slot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fimserve.models import ForwardBatch, Piece

PIECES = st.lists(
    st.builds(
        lambda num_tokens, num_context, adapter, order: Piece(
            list(range(num_tokens)), num_context, order, adapter
        ),
        st.integers(1, 9),
        st.integers(0, 9),
        st.integers(0, 2),
        st.permutations(range(9)),
    ),
    min_size=1,
    max_size=4,
)


@given(PIECES, st.sampled_from([2, 3, 16]))
def test_every_token_has_its_place_slot_and_adapter(pieces: list[Piece], block_tokens: int) -> None:
    batch = ForwardBatch.make(pieces, block_tokens, "cpu")
    columns = (batch.token_ids, batch.positions, batch.slots)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    expected = [
        (token_id, place, piece.blocks[place // block_tokens] * block_tokens + place % block_tokens)
        for piece in pieces
        for place, token_id in enumerate(piece.token_ids, piece.num_context)
    ]
    assert rows == expected
    adapters = [piece.adapter for piece in pieces for _ in piece.token_ids]
    assert (batch.adapters is None) == (not any(adapters))
    assert batch.adapters is None or batch.adapters.tolist() == adapters
    from_runs = [0] * len(adapters)
    for slot, start, end in batch.adapter_rows:
        from_runs[start:end] = [slot] * (end - start)
    assert from_runs == adapters


@given(PIECES)
def test_segments_say_which_rows_are_whose(pieces: list[Piece]) -> None:
    batch = ForwardBatch.make(pieces, 16, "cpu")
    start = 0
    for piece, segment in zip(pieces, batch.segments, strict=True):
        assert (segment.start, segment.num_tokens) == (start, len(piece.token_ids))
        assert (segment.num_context, segment.blocks) == (piece.num_context, piece.blocks)
        start += segment.num_tokens
    assert start == len(batch.token_ids)


def test_what_makes_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one piece"):
        ForwardBatch.make([], 16, "cpu")
    with pytest.raises(ValueError, match="at least one token"):
        ForwardBatch.make([Piece([], 3, [0])], 16, "cpu")
    with pytest.raises(ValueError, match="2 blocks of 4 tokens do not hold 9 tokens"):
        ForwardBatch.make([Piece([1, 2], 7, [0, 1])], 4, "cpu")
