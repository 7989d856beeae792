"""A run of a few thousand weights learns, stops, resumes as if it never had, and leaves a model."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from fimserve.models import load_model
from fimtraining import pretrain
from fimtraining.deadline import Deadline
from fimtraining.export import load_weights, save_model
from fimtraining.model import TrainingLlama
from fimtraining.pretrain import train
from fimtraining.process import Process
from fimtraining.recipe import PretrainRecipe, RecipeError, load_recipe
from support.tiny_corpus import write_tiny_corpus

# Python 3.12 warns of forking beside other threads; a worker uses none of their locks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few cores
]

ALONE = Process(0, 1, torch.device("cpu"))

Run = Callable[..., list[tuple[float, float]]]


@pytest.fixture
def run(
    recipe: PretrainRecipe,
    corpus_dir: Path,
    tokenizer_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Train into a directory of tmp_path and return loss and gradient norm of every step."""
    original = pretrain.run_step

    def call(name: str, **settings: Any) -> list[tuple[float, float]]:
        steps: list[tuple[float, float]] = []

        def run_step(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
            loss, norm = original(*arguments)
            steps.append((float(loss), float(norm)))
            return loss, norm

        monkeypatch.setattr(pretrain, "run_step", run_step)
        (tmp_path / name).mkdir(exist_ok=True)
        defaults: dict[str, Any] = {
            "num_workers": 0,
            "resume": False,
            "stop_after_s": 1e9,
            "process": ALONE,
        }
        train(recipe, corpus_dir, tokenizer_dir, tmp_path / name, **(defaults | settings))
        return steps

    return call


def read_metrics(run_dir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


# -------------------------------------------------------------------------------------- training


def test_run_learns_and_leaves_everything(run: Run, tmp_path: Path) -> None:
    steps = run("run")
    assert len(steps) == 60
    assert steps[0][0] == pytest.approx(6.0, abs=0.2)  # log of 400 entries
    assert sum(loss for loss, _ in steps[-5:]) / 5 < steps[0][0] - 1.5
    rows = read_metrics(tmp_path / "run")
    losses = [(row["step"], row["loss"]) for row in rows if "loss" in row]
    assert losses == [(step, pytest.approx(steps[step - 1][0])) for step in (20, 40, 60)]
    held_out = [row for row in rows if "validation/python" in row]
    assert [row["step"] for row in held_out] == [30, 60]
    assert held_out[1]["validation/python"] < held_out[0]["validation/python"]
    assert held_out[1]["validation/go"] < held_out[0]["validation/go"]
    assert [row["tokens"] for row in rows if "tokens" in row] == [
        step * 4 * 64 for step in (20, 40, 60)
    ]
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["model"]["num_layers"] == 1


def test_tensorboard_shows_the_metrics_as_soon_as_the_run_ends(run: Run, tmp_path: Path) -> None:
    run("run", stop_after_s=0)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    shown = {
        (event.step, name): event.value
        for name in events.Tags()["scalars"]
        for event in events.Scalars(name)
    }
    logged = {
        (row["step"], name): pytest.approx(value)
        for row in read_metrics(tmp_path / "run")
        for name, value in row.items()
        if name != "step"
    }
    assert shown == logged
    assert (20, "validation/python") in shown


def test_model_of_a_run_is_served(run: Run, tmp_path: Path) -> None:
    run("run")
    loaded = load_model(str(tmp_path / "run" / "model"), device="cpu")
    assert loaded.family == "fimserve"
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    table = saved["embed_tokens.weight"]
    rows = loaded.model.parts.tokens(torch.arange(len(table)))
    assert torch.equal(rows.float(), table.bfloat16().float())


# A run stops after 40 passes: with three workers, the turn is then not at the first.
@pytest.mark.parametrize("num_workers", [0, 3])
def test_stopped_and_resumed_run_equals_one_that_never_stopped(
    num_workers: int, run: Run, tmp_path: Path
) -> None:
    whole = run("whole", num_workers=num_workers)
    parts = [
        run("parts", num_workers=num_workers, resume=True, stop_after_s=seconds)
        for seconds in (0, 0, 1e9)
    ]
    assert [len(part) for part in parts] == [20, 20, 20]
    assert [step for part in parts for step in part] == [
        (pytest.approx(loss, abs=1e-6), pytest.approx(norm, abs=1e-5)) for loss, norm in whole
    ]
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "parts")
    )
    assert (one["step"], one["positions"]) == (other["step"], other["positions"])
    for name, weight in one["model"].items():
        torch.testing.assert_close(other["model"][name], weight, atol=1e-6, rtol=0)


def test_resume_without_a_checkpoint_starts_at_the_beginning(run: Run) -> None:
    assert run("new", resume=True, stop_after_s=0) == run("plain", stop_after_s=0)


def test_rerun_without_resume_starts_again(run: Run) -> None:
    assert run("run", stop_after_s=0) == run("run", stop_after_s=0)


def test_finished_run_resumes_to_nothing(run: Run) -> None:
    run("run")
    assert run("run", resume=True) == []


def test_rows_that_do_not_divide_are_an_error(
    recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(recipe_file, ["rows_per_step=5"])
    with pytest.raises(RecipeError, match=r"5 is no multiple of rows_per_pass 2 times 1"):
        train(
            recipe, corpus_dir, tokenizer_dir, tmp_path,
            num_workers=0, resume=False, stop_after_s=0, process=ALONE,
        )  # fmt: skip


def test_accumulated_passes_equal_one_large_pass(
    recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    losses = []
    for rows_per_pass in (1, 4):
        recipe = load_recipe(
            recipe_file, [f"rows_per_pass={rows_per_pass}", "schedule.num_steps=20"]
        )
        directory = tmp_path / str(rows_per_pass)
        directory.mkdir()
        train(
            recipe, corpus_dir, tokenizer_dir, directory,
            num_workers=0, resume=False, stop_after_s=1e9, process=ALONE,
        )  # fmt: skip
        losses.append([row["loss"] for row in read_metrics(directory) if "loss" in row])
    # Not equal: the mean of the passes' means weighs tokens by their pass, and bf16 rounds.
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


# ------------------------------------------------------------------------------------ warm start


def test_run_starts_from_a_checkpoint_and_records_which(
    recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    torch.manual_seed(9)
    origin = TrainingLlama(recipe.model)
    save_model(origin, tokenizer_dir, tmp_path / "origin", torch.float32)
    still = replace(
        recipe,
        starts_from="origin",
        optimiser=replace(recipe.optimiser, learning_rate=0.0),
        schedule=replace(recipe.schedule, num_steps=1),
    )
    (tmp_path / "run").mkdir()
    train(
        still, corpus_dir, tokenizer_dir, tmp_path / "run",
        num_workers=0, resume=False, stop_after_s=1e9, process=ALONE, init_dir=tmp_path / "origin",
    )  # fmt: skip
    twin = TrainingLlama(recipe.model)
    load_weights(tmp_path / "run" / "model", twin)
    for name, weight in origin.state_dict().items():
        assert torch.equal(twin.state_dict()[name], weight.bfloat16().float()), name
    saved = json.loads((tmp_path / "run" / "recipe.json").read_text())
    content = (tmp_path / "origin" / "model.safetensors").read_bytes()
    assert saved["starts_from"] == "origin"
    assert saved["init_sha256"] == hashlib.sha256(content).hexdigest()
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] == 0
    assert first["validation/python"] > 0


@pytest.mark.parametrize("name", ["", "origin"])
def test_recipe_and_command_must_agree_on_the_start(
    name: str, recipe: PretrainRecipe, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="both or neither"):
        train(
            replace(recipe, starts_from=name), corpus_dir, tokenizer_dir, tmp_path,
            num_workers=0, resume=False, stop_after_s=1e9, process=ALONE,
            init_dir=None if name else tokenizer_dir,
        )  # fmt: skip


def test_training_needs_held_out_files(
    recipe: PretrainRecipe, tokenizer_dir: Path, tmp_path: Path
) -> None:
    corpus = write_tiny_corpus(tmp_path / "corpus", num_validation=0)
    with pytest.raises(FileNotFoundError, match="validation"):
        train(
            recipe, corpus, tokenizer_dir, tmp_path,
            num_workers=0, resume=False, stop_after_s=0, process=ALONE,
        )  # fmt: skip


# ------------------------------------------------------------------------------------ checkpoint


def test_failed_write_leaves_the_old_checkpoint(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("run", stop_after_s=0)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    before = checkpoint.read_bytes()

    def fail_half_way(_: object, path: Path) -> None:
        path.write_bytes(before[: len(before) // 2])
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail_half_way)
        with pytest.raises(OSError, match="no space"):
            run("run", resume=True, stop_after_s=0)
    assert checkpoint.read_bytes() == before
    assert len(run("run", resume=True)) == 40


# ------------------------------------------------------------------------- phases and deadlines


def test_late_phase_takes_its_own_mix_and_resumes_in_it(
    recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    options = ["late_share=0.5", "late_middle_weight=5.0", "late_mix.fim_rate=1.0"]
    recipe = load_recipe(recipe_file, options)
    for name, stops in (("whole", [1e9]), ("parts", [0, 0, 0])):
        (tmp_path / name).mkdir()
        for stop in stops:
            train(
                recipe, corpus_dir, tokenizer_dir, tmp_path / name,
                num_workers=0, resume=True, stop_after_s=stop, process=ALONE,
            )  # fmt: skip
    one, other = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        for name in ("whole", "parts")
    )
    assert one["late_since"] == other["late_since"] == 30
    assert one["positions"] == other["positions"]
    for name, weight in one["model"].items():
        torch.testing.assert_close(other["model"][name], weight, atol=1e-6, rtol=0)
    rows = read_metrics(tmp_path / "whole")
    assert "validation/middle-spm" in rows[-1]


def test_run_with_minutes_decays_to_nothing_before_its_steps_are_over(
    recipe_file: Path,
    corpus_dir: Path,
    tokenizer_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = load_recipe(recipe_file, ["schedule.num_steps=100000"])
    plan = Deadline.plan

    def plan_at_a_steady_pace(self: Deadline, step: int, num_steps: int, seconds: float) -> int:
        return plan(self, step, num_steps, 0.5 * num_steps)

    monkeypatch.setattr(Deadline, "plan", plan_at_a_steady_pace)
    for minutes_done in (0, 20):
        train(
            recipe, corpus_dir, tokenizer_dir, tmp_path,
            num_workers=0, resume=True, stop_after_s=0 if minutes_done == 0 else 1e9,
            process=ALONE, minutes=0.5,
        )  # fmt: skip
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (saved["step"], saved["end"], saved["spent_s"]) == (60, 60, 30.0)
    rows = [row for row in read_metrics(tmp_path) if "lr_factor" in row]
    assert rows[-1]["lr_factor"] == pytest.approx(1 / 15)


def test_checkpoint_without_optimisers_warms_up_again(run: Run, tmp_path: Path) -> None:
    run("run", stop_after_s=0)
    path = tmp_path / "run" / "checkpoint.pt"
    saved = torch.load(path, weights_only=True)
    torch.save(saved | {"optimisers": None}, path)
    run("run", resume=True)
    rates = {
        row["step"]: row["lr_factor"] for row in read_metrics(tmp_path / "run") if "loss" in row
    }
    assert rates[20] == 1.0
    assert rates[40] == pytest.approx(20 / 50)


# ---------------------------------------------------------------------------------- command line


def test_command_stops_and_resumes(
    recipe_file: Path,
    corpus_dir: Path,
    tokenizer_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")  # what the command sets, undone after
    app = typer.Typer()
    app.command()(pretrain.main)
    out = tmp_path / "run"
    arguments = [str(recipe_file), "--corpus", str(corpus_dir), "--tokenizer", str(tokenizer_dir)]
    arguments += ["--out", str(out), "--workers", "0", "--set", "schedule.num_steps=40"]
    stopped = CliRunner().invoke(app, [*arguments, "--stop-after", "0"])
    assert stopped.exit_code == 0, stopped.output
    assert "step 20 of 40" in stopped.output
    resumed = CliRunner().invoke(app, [*arguments, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert "from step 20" in resumed.output
    assert "step 40 of 40" in resumed.output
    assert (out / "model" / "model.safetensors").exists()


PARALLEL = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from fimtraining.pretrain import train
from fimtraining.process import join_processes
from fimtraining.recipe import load_recipe

recipe_file, corpus, tokenizer, out = map(Path, sys.argv[1:])
torch.set_num_threads(1)
recipe = load_recipe(recipe_file, ["schedule.num_steps=40"])
with join_processes() as process:
    for name, resume, seconds in (("whole", 0, 1e9), ("parts", 0, 0), ("parts", 1, 1e9)):
        train(
            recipe, corpus, tokenizer, out / name,
            num_workers=0, resume=bool(resume), stop_after_s=seconds, process=process,
        )
        torch.distributed.barrier()  # runs of their own would begin when all have ended
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_two_processes_train_one_model_and_resume(
    recipe_file: Path, corpus_dir: Path, tokenizer_dir: Path, tmp_path: Path
) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    run_in_two_processes(PARALLEL, recipe_file, corpus_dir, tokenizer_dir, tmp_path)
    whole, parts = (
        [(row["step"], row["loss"]) for row in read_metrics(tmp_path / name) if "loss" in row]
        for name in ("whole", "parts")
    )
    assert [step for step, _ in whole] == [20, 40]
    assert parts == [(step, pytest.approx(loss, abs=1e-6)) for step, loss in whole]
    saved = torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)
    assert sorted(saved["positions"]) == [0, 1]


def run_in_two_processes(script: str, *arguments: Path) -> None:
    """Run a script as torchrun would, twice at once, and leave no process behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "CUDA_VISIBLE_DEVICES": "",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
    }
    command = [sys.executable, "-c", script, *map(str, arguments)]
    processes = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=170)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in processes:
            process.kill()
            process.wait()
