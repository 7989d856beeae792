"""A run's validation is fixed, of held-out files, and of the same middles for every recipe."""

from dataclasses import replace
from pathlib import Path

import torch

from fimtraining.packing import Corpus
from fimtraining.recipe import PretrainRecipe
from fimtraining.validation import make_validation


def test_validation_is_fixed_and_only_of_held_out_files(
    recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    tokenizer = tokenizer_dir / "tokenizer.json"
    first, second = (
        make_validation(recipe, corpus_dir, tokenizer, ["go", "python", "rust"]) for _ in range(2)
    )
    assert list(first) == ["go", "python"]
    for language, batch in first.items():
        assert torch.equal(batch.token_ids, second[language].token_ids)
        assert len(batch.token_ids) == recipe.rows_per_pass * recipe.row_tokens
    assert len(Corpus(corpus_dir, "validation", "go")) == 1


def test_weighted_recipe_is_validated_by_order_on_middles_alone(
    recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    tokenizer = tokenizer_dir / "tokenizer.json"
    weighted = replace(recipe, middle_weight=5.0, row_tokens=3000)
    batches = make_validation(weighted, corpus_dir, tokenizer, ["python"])
    assert list(batches) == ["python", "middle-psm", "middle-spm", "middle-middle-increment"]
    plain = make_validation(replace(recipe, row_tokens=3000), corpus_dir, tokenizer, ["python"])
    assert torch.equal(plain["python"].token_ids, batches["python"].token_ids)
    assert set(batches["python"].weights.tolist()) == {0.0, 1.0}
    for order in ("psm", "spm"):
        weights = batches[f"middle-{order}"].weights
        assert 0 < float(weights.mean()) < 0.6


def test_recipes_of_other_mixes_seeds_and_passes_are_asked_for_the_same_middles(
    recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    tokenizer = tokenizer_dir / "tokenizer.json"
    one = replace(recipe, middle_weight=5.0)
    other = replace(
        one,
        mix=replace(one.mix, fim_rate=0.2, spans={"tail": 1.0}, orders={"psm": 1.0}, tree_rate=0.9),
        late_share=0.5,
        late_mix=replace(one.mix, spans={"short": 1.0}),
        late_middle_weight=3.0,
        rows_per_pass=4,
        max_examples_per_pass=9,
        seed=77,
    )
    first, second = (make_validation(r, corpus_dir, tokenizer, ["python"]) for r in (one, other))
    assert list(first) == list(second)
    for order in ("psm", "spm", "middle-increment"):
        pair = first[f"middle-{order}"], second[f"middle-{order}"]
        for left, right in zip(pair[0][:6], pair[1][:6], strict=True):
            assert torch.equal(left, right)


def test_recipe_that_weighs_no_middles_has_none_in_its_validation(
    recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path
) -> None:
    late = replace(recipe, middle_weight=5.0, late_share=0.5, late_middle_weight=1.0)
    for plain in (recipe, late):
        batches = make_validation(
            plain, corpus_dir, tokenizer_dir / "tokenizer.json", ["go", "python"]
        )
        assert list(batches) == ["go", "python"]
