"""Whole runs on a tiny model: the adapter is served, a killed run goes on as if it had not been."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from fimserve.models import load_model, read_adapter
from fimtraining.finetune.base import check_packing
from fimtraining.finetune.recipe import RecipeError, TrainRecipe
from fimtraining.finetune.run import train
from fimtraining.finetune.trainer import MARKER, find_checkpoint, mark_checkpoint
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_spans import write_tiny_spans

SIZE: dict[str, Any] = {
    "row_tokens": 256,
    "max_middle_tokens": 64,
    "rows_per_step": 2,
    "rows_per_pass": 1,
    "steps": 6,
    "save_every": 2,
    "validate_every": 3,
    "validation_rows": 2,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_spans(tmp_path_factory.mktemp("spans"))


def make_recipe(base: Path, **changes: Any) -> TrainRecipe:
    return TrainRecipe.model_validate({"name": "t", "base": str(base), **SIZE, **changes})


def read_losses(out: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def test_a_run_leaves_an_adapter_that_is_served_as_it_was_trained(
    base: Path, spans: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(base, optimiser={"learning_rate": 1e-2})
    adapter = train(recipe, spans, tmp_path / "run", merge=True, report_to=())
    names = {path.name for path in adapter.iterdir()}
    assert {"README.md", "curves.png", "provenance.json", "recipe.json"} <= names
    card = (adapter / "README.md").read_text()
    assert f"base_model: {base}" in card
    provenance = json.loads((adapter / "provenance.json").read_text())
    assert provenance["train"]["num_rows"] == 12
    served = load_model(str(base), "cpu", "fp32").model
    served.add_adapter(1, read_adapter(adapter))  # refuses what does not fit

    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])
    plain = AutoModelForCausalLM.from_pretrained(base)
    before = plain(ids).logits
    adapted = PeftModel.from_pretrained(plain, str(adapter))(ids).logits
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "merged")(ids).logits
    assert not torch.allclose(before, adapted, atol=1e-3)
    torch.testing.assert_close(adapted, merged, atol=1e-4, rtol=1e-4)


def test_training_lowers_the_loss_on_held_out_spans(
    base: Path, spans: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(base, steps=16, optimiser={"learning_rate": 1e-2}, save_every=100)
    train(recipe, spans, tmp_path / "run", report_to=())
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [line["eval_loss"] for line in lines if "eval_loss" in line]
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_that_goes_on_has_the_losses_of_one_that_was_not_stopped(
    base: Path, spans: Path, tmp_path: Path
) -> None:
    recipe = make_recipe(base, lora={"dropout": 0.1})
    train(recipe, spans, tmp_path / "whole", report_to=())
    shutil.copytree(tmp_path / "whole", tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "checkpoint-6")
    checkpoint = find_checkpoint(tmp_path / "half")
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-4"
    train(recipe, spans, tmp_path / "half", resume=True, report_to=())
    whole, half = read_losses(tmp_path / "whole"), read_losses(tmp_path / "half")
    assert half == whole
    ours, theirs = (
        (tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ("half", "whole")
    )
    assert ours == theirs


def test_a_directory_with_a_run_is_not_overwritten(base: Path, spans: Path, tmp_path: Path) -> None:
    train(make_recipe(base), spans, tmp_path / "run", report_to=())
    with pytest.raises(RecipeError, match="give --resume, or another --out"):
        train(make_recipe(base), spans, tmp_path / "run", report_to=())
    with pytest.raises(RecipeError, match="a run of another recipe"):
        train(make_recipe(base, seed=1), spans, tmp_path / "run", resume=True, report_to=())


def test_checkpoints_without_their_marker_are_passed_over(tmp_path: Path) -> None:
    for step in (2, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "weights").write_bytes(b"x")
    for step in (2, 10):
        mark_checkpoint(tmp_path / f"checkpoint-{step}")
    found = find_checkpoint(tmp_path)
    assert found == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-12").exists()
    assert (tmp_path / "checkpoint-2" / MARKER).exists()


def test_a_model_that_lets_packed_examples_see_each_other_is_refused(base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="sdpa")
    model.config.use_cache = True  # then transformers takes a row for one that goes on
    with pytest.raises(RecipeError, match="does not keep packed examples apart"):
        check_packing(model)
    model.config.use_cache = False
    check_packing(model)


def test_packed_examples_do_not_see_each_other(base: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="sdpa")
    one, other = torch.arange(5, 25), torch.arange(40, 70)
    alone = [model(ids[None]).logits[0] for ids in (one, other)]
    packed = model(
        input_ids=torch.cat([one, other])[None],
        position_ids=torch.cat([torch.arange(len(one)), torch.arange(len(other))])[None],
        use_cache=False,  # as in training: with a cache transformers takes rows for continued ones
    ).logits[0]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_any_time_and_go_on(base: Path, spans: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    sizes = "\n".join(f"{key} = {value}" for key, value in SIZE.items())
    recipe.write_text(f'name = "t"\nbase = "{base}"\n{sizes}\nlora = {{ dropout = 0.1 }}\n')
    command = [sys.executable, "-m", "fimserve", "train", str(recipe), "--data", str(spans)]

    def start(out: Path) -> subprocess.Popen[bytes]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        words = [*command, "--out", str(out), "--resume"]
        return subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)

    whole = start(tmp_path / "whole")
    assert whole.wait() == 0
    for delay_s in (4.0, 7.0, 8.0, 9.0):
        process = start(tmp_path / "killed")
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = start(tmp_path / "killed")
    assert last.wait() == 0
    assert read_losses(tmp_path / "killed") == read_losses(tmp_path / "whole")
