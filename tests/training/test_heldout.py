"""A hole counts as filled exactly where greedy decoding would have written it."""

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from fimtraining import heldout
from fimtraining.examples import Example
from fimtraining.export import save_model
from fimtraining.heldout import fill
from fimtraining.model import TrainingLlama
from fimtraining.packing import Corpus
from fimtraining.recipe import load_recipe
from support.own_family import own_renderer

NUM_ANSWER = 4


@pytest.fixture
def model(recipe_file: Path) -> TrainingLlama:
    torch.manual_seed(3)
    return TrainingLlama(load_recipe(recipe_file, []).model)


@torch.no_grad()
def continue_greedily(model: TrainingLlama, prompt: list[int]) -> list[int]:
    ids = list(prompt)
    for _ in range(NUM_ANSWER):
        tokens = torch.tensor(ids)
        borders = torch.tensor([0, len(ids)], dtype=torch.int32)
        hidden = model.hidden(tokens, torch.arange(len(ids)), borders)
        ids.append(int((hidden[-1] @ model.embed_tokens.weight.T).argmax()))
    return ids


def make_examples(model: TrainingLlama, wrong_at: int | None = None) -> list[Example]:
    examples = []
    for start in range(5, 45, 2):  # more than one pass holds
        ids = continue_greedily(model, list(range(start, start + 6)))
        if wrong_at is not None:
            ids[wrong_at] = (ids[wrong_at] + 1) % 64
        examples.append(Example(ids, NUM_ANSWER))
    return examples


def test_what_the_model_writes_itself_is_exact(model: TrainingLlama) -> None:
    filled = fill(model, make_examples(model))
    assert (filled.exact, filled.stopped) == (1.0, 1.0)


def test_wrong_end_token_leaves_the_text_exact(model: TrainingLlama) -> None:
    filled = fill(model, make_examples(model, wrong_at=-1))
    assert (filled.exact, filled.stopped) == (1.0, 0.0)


def test_one_wrong_token_is_not_exact(model: TrainingLlama) -> None:
    filled = fill(model, make_examples(model, wrong_at=-2))
    assert (filled.exact, filled.stopped) == (0.0, 0.0)


def test_loss_is_that_of_the_answers_alone(model: TrainingLlama) -> None:
    examples = make_examples(model, wrong_at=-2)[:3]
    losses = []
    for ids, num_answer in examples:
        borders = torch.tensor([0, len(ids)], dtype=torch.int32)
        with torch.no_grad():
            hidden = model.hidden(torch.tensor(ids), torch.arange(len(ids)), borders)
        log_p = (hidden @ model.embed_tokens.weight.T).log_softmax(-1).tolist()
        losses += [-log_p[i - 1][ids[i]] for i in range(len(ids) - num_answer, len(ids))]
    assert fill(model, examples).nats_per_token == pytest.approx(sum(losses) / len(losses))


def test_command_prints_languages_and_their_mean(
    recipe_file: Path,
    corpus_dir: Path,
    tokenizer_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heldout, "MAX_TOKENS", 100_000)
    recipe_file.write_text(recipe_file.read_text().replace("max_tokens = 64", "max_tokens = 8192"))
    model = TrainingLlama(load_recipe(recipe_file, []).model)
    save_model(model, tokenizer_dir, tmp_path / "model", torch.float32)
    app = typer.Typer()
    app.command()(heldout.main)
    arguments = ["--corpus", str(corpus_dir), "--recipe", str(recipe_file), "--holes", "10"]
    result = CliRunner().invoke(app, [str(tmp_path / "model"), *arguments])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.output.splitlines()[-1])
    assert set(printed) == {"model", "order", "span", "go", "python", "mean"}
    mean = 0.6 * printed["python"]["nats_per_token"] + 0.4 * printed["go"]["nats_per_token"]
    assert printed["mean"]["nats_per_token"] == pytest.approx(mean)


def test_files_that_are_all_too_long_are_an_error(
    recipe_file: Path, corpus_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heldout, "MAX_TOKENS", 3)
    mix = load_recipe(recipe_file, []).mix
    with pytest.raises(ValueError, match="only 0 are short enough"):
        heldout.draw_examples(Corpus(corpus_dir, "validation"), mix, own_renderer(), 2, 0)
