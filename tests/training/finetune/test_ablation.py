"""The ablation: which units in which order, equal tokens, small files that go on elsewhere."""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from fimserve.prompt import Order
from fimtraining.finetune import ablation
from fimtraining.finetune.ablation import AblationRun, run_ablation
from fimtraining.finetune.ablation_plan import HeldOut, list_units, load_plan
from fimtraining.finetune.base import open_base
from fimtraining.finetune.held_out import fill_holes, load_holes
from fimtraining.finetune.recipe import RecipeError
from fimtraining.finetune.unit_results import UnitResults
from support.held_out import write_held_out
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_spans import write_tiny_spans

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "training" / "recipes" / "ablation.toml"

PLAN = f"""
name = "t"
recipes = "{ROOT / "training/recipes/lora"}"
regimes = ["base", "random", "cmft"]
[set]
steps = 2
row_tokens = 256
max_middle_tokens = 64
rows_per_step = 2
rows_per_pass = 1
validation_rows = 2
[[bases]]
name = "small"
seeds = [0, 1]
[[bases]]
name = "large"
[bases.set]
rows_per_pass = 2
[held_out]
prompt_tokens = 128
max_new_tokens = 8
batch_tokens = 600
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


@pytest.fixture
def run(tmp_path: Path) -> AblationRun:
    return AblationRun(
        data=write_tiny_spans(tmp_path / "spans"),
        dev=write_held_out(tmp_path / "dev.jsonl.gz"),
        models={
            "small": str(write_tiny_checkpoint(tmp_path / "m" / "small")),
            "large": str(write_tiny_checkpoint(tmp_path / "m" / "large", num_hidden_layers=3)),
        },
        out=tmp_path / "out",
        work=tmp_path / "work",
    )


def read(path: Path) -> list[dict[str, Any]]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [json.loads(line) for line in lines]


def test_what_comes_first_is_every_regime_on_every_base(plan: Path) -> None:
    units = list_units(load_plan(plan), plan, {"small": "s", "large": "l"})
    assert [unit.name for unit in units] == [
        "small-base-0", "small-random-0", "small-cmft-0",
        "large-base-0", "large-random-0", "large-cmft-0",
        "small-random-1", "small-cmft-1",
    ]  # fmt: skip
    assert {unit.recipe.seed for unit in units if unit.recipe} == {0, 1}
    only = list_units(load_plan(plan), plan, {"large": "l"})
    assert {unit.base for unit in only} == {"large"}
    with pytest.raises(RecipeError, match="no base is called huge"):
        list_units(load_plan(plan), plan, {"huge": "h"})


def test_unequal_tokens_are_refused(plan: Path) -> None:
    plan.write_text(PLAN.replace("rows_per_pass = 2", "steps = 3"))
    with pytest.raises(RecipeError, match="do not see equal tokens"):
        list_units(load_plan(plan), plan, {"small": "s", "large": "l"})
    plan.write_text(PLAN.replace("rows_per_pass = 2", "walrus = 3"))
    with pytest.raises(RecipeError, match="walrus: Extra inputs"):
        list_units(load_plan(plan), plan, {"small": "s", "large": "l"})


def test_the_published_plan_has_seven_regimes_and_three_seeds_of_the_smallest() -> None:
    plan = load_plan(PUBLISHED)
    assert len(plan.regimes) == 7
    assert [len(base.seeds) for base in plan.bases] == [3, 1, 1]
    units = list_units(plan, PUBLISHED, {base.name: "m" for base in plan.bases})
    assert len([unit for unit in units if unit.recipe]) == 30
    assert len([unit for unit in units if unit.recipe is None]) == 3


def test_an_ablation_stops_in_time_and_goes_on_elsewhere(
    plan: Path, run: AblationRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    do_unit = ablation._do_unit

    def stop_after_three(unit: Any, *rest: Any) -> dict[str, Any]:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(unit.name)
        return do_unit(unit, *rest)

    monkeypatch.setattr(ablation, "_do_unit", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(plan, run, lambda text: None)
    shutil.rmtree(run.work)  # another machine
    monkeypatch.setattr(ablation, "_do_unit", do_unit)
    assert run_ablation(plan, run, lambda text: None) == 0
    files = sorted(path.name for path in run.out.iterdir())
    assert files == ["results-large.jsonl.gz", "results-small.jsonl.gz"]
    small, large = (read(run.out / f"results-{name}.jsonl.gz") for name in ("small", "large"))
    assert [line["unit"] for line in small][:3] == done
    assert (len(small), len(large)) == (5, 3)
    holes = load_holes(run.dev)
    for line in (*small, *large):
        assert set(line["answers"]) == {"own", "none"}
        assert list(line["answers"]["own"]) == [hole.task_id for hole in holes.rows]
        assert line["dev_sha256"] == holes.sha256
        assert str(tmp_path) not in json.dumps(line)
    trained = [line for line in (*small, *large) if line["recipe"]]
    assert len({line["provenance"]["train"]["num_rows"] for line in trained}) == 1
    assert small[0]["recipe"] is None
    assert large[0]["num_parameters"] > small[0]["num_parameters"]
    assert any("loss" in metric for metric in trained[0]["metrics"])
    again = run_ablation(plan, run, lambda text: None)  # nothing is done twice
    assert again == 0


def test_no_unit_is_begun_that_has_no_time(plan: Path, run: AblationRun) -> None:
    results = UnitResults(run.out, {"plan": "t"})
    assert results.seconds_of("small") == []
    said: list[str] = []
    timed = AblationRun(**{**_fields(run), "minutes": 0.0})
    assert run_ablation(plan, timed, said.append) == 8
    assert "no time for small-base-0" in said[-1]
    assert list(run.out.iterdir()) == []


def test_results_of_another_ablation_are_refused(plan: Path, run: AblationRun) -> None:
    results = UnitResults(run.out, {"dev_sha256": "other"})
    results.add({"base": "small", "unit": "small-base-0", "recipe": None, "seconds": 1.0})
    with pytest.raises(RecipeError, match="give another --out"):
        run_ablation(plan, run, lambda text: None)


def test_holes_are_filled_as_one_by_one(tmp_path: Path) -> None:
    directory = write_tiny_checkpoint(tmp_path / "m")
    base = open_base(str(directory), tmp_path)
    holes = load_holes(write_held_out(tmp_path / "dev.jsonl")).rows
    model = AutoModelForCausalLM.from_pretrained(directory).eval()

    def fill(batch_tokens: int, context: Any = "own") -> dict[str, str]:
        settings = HeldOut(prompt_tokens=128, max_new_tokens=12, batch_tokens=batch_tokens)
        return fill_holes(model, base.renderer, Order.SPM, holes, context, settings)

    assert fill(64) == fill(100_000)
    assert fill(64) != fill(64, "none")
    settings = HeldOut(prompt_tokens=128, max_new_tokens=12)
    ids = base.renderer.render(_parts(holes[0]), Order.SPM, settings.prompt_tokens).token_ids
    written = []
    for _ in range(settings.max_new_tokens):  # the slow way
        logits = model(torch.tensor([[*ids, *written]])).logits[0, -1]
        if int(logits.argmax()) in base.renderer.stop_token_ids:
            break
        written.append(int(logits.argmax()))
    text = b"".join(base.renderer.encoder.token_bytes(one) for one in written)
    assert fill(64)[holes[0].task_id] == text.decode("utf-8", "replace")


@pytest.mark.parametrize("content", ["", "{", '{"task_id": 3}\n', "[]\n"])
def test_other_files_are_no_held_out_holes(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dev.jsonl"
    path.write_text(content)
    with pytest.raises(RecipeError, match="no file of held-out spans"):
        load_holes(path)


def test_training_needs_neither_web_framework_nor_parser() -> None:
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        absent = {"fastapi", "uvicorn", "starlette", "tree_sitter", "alembic", "jedi",
                  "pygls", "bm25s", "rensa", "pydantic_settings", "tea_tasting", "psycopg"}
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import fimtraining.finetune.ablation
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def _fields(run: AblationRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in AblationRun.__dataclass_fields__}


def _parts(hole: Any) -> Any:
    from fimserve.prompt import PromptParts

    return PromptParts(
        prefix=hole.prefix,
        suffix=hole.suffix,
        path=hole.path,
        language=hole.language,
        snippets=hole.snippets,
    )
