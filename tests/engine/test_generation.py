"""One completion by hand: which tokens may come, when it ends, what is told at the end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fimserve.engine.generation import Generation, GenerationLimits
from fimserve.engine.healing import Healer, HealingIndex
from fimserve.engine.sampler import Sampler, SamplingParams
from fimserve.engine.text_stream import TextStream

END = 0
TOKENS = [b"<end>", b"a", b"b", b"\n", b"ab"]


def make(removed: bytes = b"", stops: tuple[str, ...] = (), **limits: object) -> Generation:
    usual: dict[str, object] = {
        "max_tokens": 4, "room_tokens": 100, "min_tokens": 0, "ignore_eos": False,
        "stop_token_ids": frozenset({END}), "has_own_stops": False, "num_logprobs": None,
    }  # fmt: skip
    index = HealingIndex(TOKENS.__getitem__, len(TOKENS), frozenset({END}))
    return Generation(
        index=0,
        limits=GenerationLimits(**(usual | limits)),  # type: ignore[arg-type]
        sampler=Sampler(SamplingParams(), 0),
        healer=Healer(index, TOKENS.__getitem__, removed),
        text=TextStream(TOKENS.__getitem__, stops, trim=False, num_skipped_bytes=len(removed)),
        token_bytes=TOKENS.__getitem__,
        drafts=None,
    )


def scores_for(token_id: int, second: int = 1) -> Tensor:
    scores = torch.zeros(len(TOKENS))
    scores[second] = 1.0
    scores[token_id] = 2.0
    return scores


def write(generation: Generation, token_ids: list[int]) -> list[int]:
    """Offer each token as the likeliest; return those that were chosen."""
    chosen: list[int] = []
    for token_id in token_ids:
        scores = scores_for(token_id)
        chosen.append(generation.choose(scores, token_id))
        generation.accept(chosen[-1], scores)
        if generation.finish is not None:
            break
    return chosen


def test_an_end_token_ends_it_and_is_no_part_of_it() -> None:
    generation = make()
    assert write(generation, [1, 2, END, 1]) == [1, 2, END]
    delta = generation.take_delta()
    assert (delta.text, delta.token_ids, delta.finish_reason) == ("ab", (1, 2), "stop")


def test_no_end_token_before_the_least_length() -> None:
    generation = make(min_tokens=2)
    assert write(generation, [END, END, END]) == [1, 1, END]
    assert generation.take_delta().text == "aa"


def test_no_end_token_at_all() -> None:
    generation = make(ignore_eos=True)
    assert write(generation, [END] * 9) == [1, 1, 1, 1]
    assert generation.take_delta().finish_reason == "length"


@pytest.mark.parametrize(("max_tokens", "room_tokens"), [(3, 100), (100, 3)])
def test_the_smaller_limit_ends_it(max_tokens: int, room_tokens: int) -> None:
    generation = make(max_tokens=max_tokens, room_tokens=room_tokens)
    assert write(generation, [1] * 9) == [1, 1, 1]
    assert generation.take_delta().finish_reason == "length"


def test_what_heals_is_written_but_is_not_new() -> None:
    generation = make(removed=b"a", max_tokens=1)
    assert generation.is_healing
    # "b" does not agree with what was taken back; "a" alone spells it, and is not new.
    assert write(generation, [2, 2]) == [1, 2]
    assert (generation.num_written, generation.num_new) == (2, 1)
    assert generation.take_delta().text == "b"


def test_a_token_that_heals_and_goes_on_is_new() -> None:
    generation = make(removed=b"a", max_tokens=1)
    assert write(generation, [4]) == [4]
    assert generation.take_delta().text == "b"


def test_a_stop_text_at_the_limit_is_a_stop() -> None:
    generation = make(stops=("ba",), max_tokens=2)
    assert write(generation, [2, 1]) == [2, 1]
    delta = generation.take_delta()
    assert (delta.text, delta.finish_reason) == ("", "stop")


def test_what_is_held_back_is_given_up_when_cancelled_and_told_when_ended() -> None:
    for reason, text in (("cancelled", ""), ("length", "b")):
        generation = make(stops=("ba",))
        write(generation, [2])
        assert not generation.has_news()
        generation.end(reason)  # type: ignore[arg-type]
        delta = generation.take_delta()
        assert (delta.text, delta.finish_reason) == (text, reason)


def test_an_end_from_outside_changes_no_end_from_inside() -> None:
    generation = make()
    write(generation, [END])
    generation.end("cancelled")
    assert generation.take_delta().finish_reason == "stop"


def test_a_late_answer_is_cut_to_whole_lines() -> None:
    generation = make(max_tokens=9)
    write(generation, [1, 3, 2, 3, 1])
    generation.end("length", at_line_end=True)
    assert generation.take_delta().text == "a\nb"


def test_a_late_answer_without_a_whole_line_is_kept() -> None:
    generation = make(max_tokens=9)
    write(generation, [1, 2])
    generation.end("length", at_line_end=True)
    assert generation.take_delta().text == "ab"


def test_log_probabilities_say_where_in_the_text_their_token_starts() -> None:
    generation = make(removed=b"a", num_logprobs=0, max_tokens=8)
    write(generation, [4, 3, 1, 2])  # "ab", of which "a" stands before the cursor already
    delta = generation.take_delta()
    assert delta.text == "b\nab"
    assert [entry.text_offset for entry in delta.logprobs] == [0, 1, 2, 3]


def test_tokens_that_were_cut_off_start_behind_the_text() -> None:
    generation = make(stops=("\na",), num_logprobs=0)
    write(generation, [2, 3, 1])
    delta = generation.take_delta()
    assert delta.text == "b"
    assert [entry.text_offset for entry in delta.logprobs] == [0, 1, 2]
