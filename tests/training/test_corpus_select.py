"""The first of two copies stays, caps hold, and the choice is the same on every run."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fimcurriculum.sources.sketch import make_sketch
from fimtraining.corpus.recipe import CorpusRecipe
from fimtraining.corpus.select import Candidate, choose
from support.source_texts import make_go, make_python

SEED = 20


def make_recipe(**settings: Any) -> CorpusRecipe:
    return CorpusRecipe(
        name="tiny", repositories="list.toml", languages=("python", "go"), seed=SEED, **settings
    )


@cache
def sketch_of(seed: int) -> Any:
    return make_sketch(make_python(seed), SEED)


def candidate(
    path: str, repository: str = "acme/a", language: str = "python", size: int = 100, sha: str = ""
) -> Candidate:
    key = f"{repository}:{path}"
    return Candidate(key, repository, language, size, sha or key)


def texts_as_documents(texts: Sequence[str]) -> list[tuple[Candidate, Any]]:
    """Return candidates in order, all of one repository, each of its own hash."""
    return [(candidate(f"{n}.py"), make_sketch(text, SEED)) for n, text in enumerate(texts)]


def test_copy_with_the_same_hash_is_an_exact_duplicate() -> None:
    first = candidate("a.py", sha="same")
    second = candidate("b.py", repository="acme/b", sha="same")
    chosen = choose([(first, sketch_of(1)), (second, sketch_of(2))], make_recipe())
    assert chosen.kept == {first.key}
    assert chosen.dropped == Counter({"python/exact_duplicate": 1})


def test_order_decides_which_copy_stays() -> None:
    documents = texts_as_documents([make_python(1), make_python(1) + "\nvalue = 1\n"])
    assert choose(documents, make_recipe()).kept == {"acme/a:0.py"}
    assert choose(documents[::-1], make_recipe()).kept == {"acme/a:1.py"}


def test_slightly_changed_copy_is_a_near_duplicate() -> None:
    text = make_python(5, num_functions=20)
    changed = text.replace("return [", "return list[", 1) + "\nextra = 1\n"
    chosen = choose(texts_as_documents([text, make_python(6), changed]), make_recipe())
    assert chosen.kept == {"acme/a:0.py", "acme/a:1.py"}
    assert chosen.dropped == Counter({"python/near_duplicate": 1})


def test_text_that_shares_half_is_no_near_duplicate() -> None:
    shared = make_python(7, num_functions=10)
    texts = [shared + make_python(seed, num_functions=10) for seed in (8, 9)]
    assert len(choose(texts_as_documents(texts), make_recipe()).kept) == 2


def test_threshold_is_the_recipe_s() -> None:
    text = make_python(7, num_functions=20)
    documents = texts_as_documents([text, f"{text}\n{make_python(8, num_functions=1)}"])
    assert len(choose(documents, make_recipe()).kept) == 1
    assert len(choose(documents, make_recipe(near_duplicate_threshold=0.99)).kept) == 2


def test_copy_of_a_near_duplicate_is_an_exact_duplicate() -> None:
    text = make_python(5, num_functions=20)
    near = candidate("near.py", sha="near")
    again = candidate("again.py", sha="near")
    documents = [
        (candidate("first.py"), make_sketch(text, SEED)),
        (near, make_sketch(text + "\nextra = 1\n", SEED)),
        (again, make_sketch(text + "\nextra = 1\n", SEED)),
    ]
    chosen = choose(documents, make_recipe())
    assert chosen.dropped == Counter({"python/near_duplicate": 1, "python/exact_duplicate": 1})


def test_different_files_all_stay() -> None:
    texts = [make_python(seed) for seed in range(40)] + [make_go(seed) for seed in range(40)]
    chosen = choose(texts_as_documents(texts), make_recipe())
    assert len(chosen.kept) == 80
    assert not chosen.dropped


def test_texts_too_short_for_a_shingle_are_told_apart() -> None:
    texts = ["a = 1", "b = 2", "a = 1"]
    assert len(choose(texts_as_documents(texts), make_recipe()).kept) == 2


def test_repository_cap_counts_each_language_by_itself() -> None:
    documents = [(candidate(f"{n}.py"), sketch_of(n)) for n in range(10)]
    documents += [(candidate(f"{n}.go", language="go"), sketch_of(10 + n)) for n in range(10)]
    chosen = choose(documents, make_recipe(max_repository_bytes=350))
    assert chosen.dropped == Counter({"python/over_cap": 7, "go/over_cap": 7})


CANDIDATES = st.lists(
    st.tuples(
        st.sampled_from(["acme/a", "acme/b", "acme/c"]),
        st.sampled_from(["python", "go"]),
        st.integers(1, 300),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(CANDIDATES, st.integers(0, 1000), st.integers(0, 2000))
def test_caps_hold_and_nobody_is_lost(
    drawn: list[tuple[str, str, int]], repository_cap: int, language_cap: int
) -> None:
    documents = [
        (candidate(f"{n}", repository, language, size), sketch_of(n))
        for n, (repository, language, size) in enumerate(drawn)
    ]
    recipe = make_recipe(max_repository_bytes=repository_cap, max_bytes={"python": language_cap})
    chosen = choose(documents, recipe)
    kept = [c for c, _ in documents if c.key in chosen.kept]
    by_source: Counter[tuple[str, str]] = Counter()
    for c in kept:
        by_source[c.repository, c.language] += c.num_bytes
    assert max(by_source.values(), default=0) <= repository_cap
    assert sum(c.num_bytes for c in kept if c.language == "python") <= language_cap
    assert len(kept) + chosen.dropped.total() == len(documents)
    assert set(chosen.dropped) <= {"python/over_cap", "go/over_cap"}
    assert choose(documents, recipe) == chosen


def test_language_without_a_cap_keeps_everything() -> None:
    documents = [(candidate(f"{n}", language="go"), sketch_of(n)) for n in range(20)]
    chosen = choose(documents, make_recipe(max_bytes={"python": 0}))
    assert len(chosen.kept) == 20


def test_choice_below_the_cap_follows_the_seed() -> None:
    def kept(seed: int) -> frozenset[str]:
        recipe = CorpusRecipe("t", "list.toml", ("python",), max_repository_bytes=1000, seed=seed)
        documents = [(candidate(f"{n}"), make_sketch(make_python(n), seed)) for n in range(30)]
        return choose(documents, recipe).kept

    assert len(kept(1)) == 10
    assert kept(1) == kept(1)
    assert kept(1) != kept(2)
