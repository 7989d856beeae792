"""The prompts of the benches: how long, how distinct, and what typing does to them."""

import functools
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fimeval.bench.editors import Documents, Move, TypingHabits, plan_arrivals
from fimeval.bench.question import CursorText
from fimeval.bench.scenarios import (
    Scenario,
    ScenarioKind,
    ScenarioPlan,
    hash_prompts,
    plan_scenarios,
)
from fimeval.bench.source_text import SourceFile, join_text, load_source_files, rotate
from fimeval.bench.text_supply import PromptSize, TextSupply
from fimeval.bench.token_prompts import load_token_prompts
from fimeval.bench.token_ruler import TokenRuler, find_embedded_tokenizer, load_ruler
from fimeval.errors import EvalError
from fimserve.prompt import Order

SIZE = PromptSize(128, 0.25)
TEXT = "".join(f"value_{number} = compute(value_{number - 1})\n" for number in range(4000))
PLAN = ScenarioPlan(tuple(ScenarioKind), 4, 8, "run1")


@pytest.fixture(scope="module")
def ruler() -> TokenRuler:
    """The embedded model's tokenizer."""
    return load_shared_ruler()


@functools.cache
def load_shared_ruler() -> TokenRuler:
    """Return the embedded model's tokenizer, read once."""
    return load_ruler()


def plan(ruler: TokenRuler, text: str = TEXT) -> dict[tuple[str, Order | None], Scenario]:
    """Return the scenarios of one size by kind and order."""
    scenarios = plan_scenarios(PLAN, [SIZE], (Order.PSM, Order.SPM), TextSupply(text, ruler))
    return {(scenario.kind, scenario.order): scenario for scenario in scenarios}


@settings(max_examples=25)
@given(text=st.text(st.characters(codec="utf-8"), max_size=300), num_tokens=st.integers(0, 40))
def test_a_ruler_cuts_to_at_most_so_many_tokens_of_either_end(text: str, num_tokens: int) -> None:
    measure = load_shared_ruler()
    assert text.startswith(measure.head(text, num_tokens))
    assert text.endswith(measure.tail(text, num_tokens))


def test_a_prompt_is_as_long_as_asked(ruler: TokenRuler) -> None:
    place = TextSupply(TEXT, ruler).take(SIZE, num_chars=10)
    typed = place.typed(10)
    num_tokens = ruler.count(typed.prefix) + ruler.count(typed.suffix)
    assert SIZE.tokens - 14 <= num_tokens <= SIZE.tokens
    assert abs(ruler.count(typed.suffix) - SIZE.suffix_tokens) <= 2


def test_places_share_no_text_and_begin_a_line(ruler: TokenRuler) -> None:
    supply = TextSupply(TEXT, ruler)
    end = 0
    for _ in range(10):
        place = supply.take(SIZE, num_lines=2)
        assert place.prefix.endswith("\n")
        assert place.ahead.count("\n") == 2
        start = TEXT.index(place.prefix + place.ahead)
        assert start >= end
        end = TEXT.index(place.suffix, start) + len(place.suffix)


def test_a_text_that_ends_too_soon_is_refused_with_the_remedy(ruler: TokenRuler) -> None:
    supply = TextSupply(TEXT[:1000], ruler)
    supply.take(SIZE)
    with pytest.raises(EvalError, match=r"1000 characters.*lower --n or --tokens"):
        supply.take(SIZE)


def test_typing_more_than_the_prompt_holds_is_refused(ruler: TokenRuler) -> None:
    with pytest.raises(EvalError, match="leave no prefix"):
        TextSupply(TEXT, ruler).take(SIZE, num_lines=60)


def test_every_scenario_asks_what_its_name_says(ruler: TokenRuler) -> None:
    found = plan(ruler)
    assert [kind for kind, order in found if order is None] == list(ScenarioKind)
    assert {order for kind, order in found if kind == "keystroke"} == {None, Order.PSM, Order.SPM}
    assert all(len(scenario.questions) == 4 for scenario in found.values())

    def cursors(kind: str, order: Order | None = None) -> list[CursorText]:
        return [question.cursor for question in found[kind, order].questions]

    assert len({cursor.prefix for cursor in cursors("cold")}) == 4
    for before, after in pairwise(cursors("keystroke", Order.SPM)):
        assert after.prefix[:-1] == before.prefix
        assert after.suffix == before.suffix
    for before, after in pairwise(cursors("newline")):
        assert after.prefix.startswith(before.prefix)
        assert after.prefix.removeprefix(before.prefix).count("\n") == 1
    assert len({cursor.prefix + cursor.suffix for cursor in cursors("jump")}) == 1
    assert len({cursor.prefix for cursor in cursors("jump")}) > 1
    assert len(set(cursors("repeat"))) == len(set(cursors("accept"))) == 1
    assert found["accept", None].accepts
    after_cancel = found["after-cancel", None]
    for left, asked in zip(after_cancel.left, after_cancel.questions, strict=True):
        assert asked.cursor.prefix[:-1] == left.cursor.prefix
    assert after_cancel.num_requests == 8


def test_each_scenario_has_a_session_of_its_own_and_cold_prompts_have_none(
    ruler: TokenRuler,
) -> None:
    found = plan(ruler)
    sessions = [{q.session for q in (*s.questions, *s.left)} for s in found.values()]
    assert sessions[0] == {None}
    assert all(len(names) == 1 for names in sessions)
    assert len({name for names in sessions for name in names}) == len(sessions)
    places = [s.questions[0].cursor for s in found.values()]
    assert len(set(places)) == len(places)


def test_the_hash_tells_prompts_apart(ruler: TokenRuler) -> None:
    first, again = (hash_prompts(list(plan(ruler).values())) for _ in range(2))
    assert first == again
    assert hash_prompts(list(plan(ruler, rotate(TEXT, 500)).values())) != first


def test_the_sources_are_long_enough_for_a_default_run(ruler: TokenRuler) -> None:
    text = join_text(load_source_files())
    sizes = [PromptSize(tokens, 0.25) for tokens in (1024, 2048)]
    default = ScenarioPlan(tuple(ScenarioKind), 23, 32, "run1")
    scenarios = plan_scenarios(default, sizes, tuple(Order), TextSupply(text, ruler))
    assert len(scenarios) == 2 * 10


def test_files_of_a_directory_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.py").write_bytes(b"x = 1\r\n")
    (tmp_path / "a.ts").write_text("let y\n")
    (tmp_path / "notes.txt").write_text("no code\n")
    (tmp_path / "empty.py").write_text(" \n")
    assert load_source_files(tmp_path) == (
        SourceFile("a.ts", "let y\n"),
        SourceFile("b/one.py", "x = 1\n"),
    )
    (tmp_path / "none").mkdir()
    with pytest.raises(EvalError, match="holds no source file"):
        load_source_files(tmp_path / "none")


def test_token_prompts_are_those_of_the_family() -> None:
    prompts = load_token_prompts(find_embedded_tokenizer(), None)
    cursor = CursorText("a = ", "\nb\n")
    psm, spm = (prompts.encode(cursor, order) for order in prompts.orders)
    assert sorted(psm) == sorted(spm)
    assert psm != spm
    assert prompts.encode(cursor, None) == spm


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(EvalError, match=r"as a tokenizer.*see --tokenizer"):
        load_ruler(broken)
    with pytest.raises(EvalError, match="cannot read"):
        load_token_prompts(tmp_path / "absent.json", None)


HABITS = TypingHabits(requests_per_s=2.0, size=SIZE, seed=3)


def test_editors_do_the_same_for_the_same_seed(ruler: TokenRuler) -> None:
    documents = Documents([SourceFile("a.py", TEXT)], ruler)
    first, again = (list(plan_arrivals(HABITS, 3, 20, documents, "r")) for _ in range(2))
    assert first == again
    assert first != list(plan_arrivals(TypingHabits(2.0, size=SIZE), 3, 20, documents, "r"))
    assert [one.at_ms for one in first] == sorted(one.at_ms for one in first)
    assert all(0 < one.at_ms < 20_000 for one in first)
    assert {one.editor for one in first} == {0, 1, 2}


def test_an_editor_types_in_one_document_until_it_opens_another(ruler: TokenRuler) -> None:
    documents = Documents([SourceFile("a.py", TEXT)], ruler)
    arrivals = list(plan_arrivals(HABITS, 1, 400, documents, "r"))
    assert arrivals[0].move is Move.COLD
    assert {one.move for one in arrivals} == set(Move)
    for before, after in pairwise(arrivals):
        old, new = before.question, after.question
        if after.move is Move.COLD:
            assert new.session != old.session
            continue
        assert new.session == old.session
        assert new.cursor.suffix == old.cursor.suffix
        if after.move is Move.JUMP:
            assert old.cursor.prefix.startswith(new.cursor.prefix)
        else:
            assert new.cursor.prefix.startswith(old.cursor.prefix)
            typed = new.cursor.prefix.removeprefix(old.cursor.prefix)
            assert len(typed) == 1 if after.move is Move.KEY else typed


def test_files_too_short_to_type_in_are_refused(ruler: TokenRuler) -> None:
    with pytest.raises(EvalError, match="no source file has 1500 characters"):
        Documents([SourceFile("a.py", "x = 1\n")], ruler)
