"""What an ablation shows: planted gains are found, by kind and by size, and drawn."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fimeval.ablation import describe_primary, main
from fimeval.ablation_analysis import Analyst, correct_by_holm
from fimeval.ablation_results import load_units, score_units
from fimeval.bootstrap import BootstrapSettings
from fimeval.errors import GenerationsError
from fimeval.task import Task
from fimeval.tasks import load_task
from support.held_out import write_held_out

SETTINGS = BootstrapSettings(num_resamples=500)
NUM_ROWS = 40


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return load_task("repo", write_held_out(tmp_path / "dev.jsonl.gz", NUM_ROWS))


def make_unit(task: Task, base: str, regime: str, num_right: int, seed: int = 0) -> dict[str, Any]:
    """Return a unit that answers its first rows right, `own` only."""
    answers = {
        record.key.task_id: record.reference if number < num_right else "wrong"
        for number, record in enumerate(task.records)
    }
    return {
        "unit": f"{base}-{regime}-{seed}",
        "base": base,
        "regime": regime,
        "seed": seed,
        "num_parameters": {"small": 15_000_000, "large": 130_000_000}[base],
        "dev_sha256": task.data_sha256,
        "answers": {"own": answers},
        "metrics": [{"loss": 1.0}],
        "recipe": None if regime == "base" else {"name": regime},
    }


def make_units(task: Task) -> list[dict[str, Any]]:
    return [
        make_unit(task, "small", "base", 2),
        make_unit(task, "small", "random", 8),
        make_unit(task, "small", "random", 12, seed=1),
        make_unit(task, "small", "cmft", 24),
        make_unit(task, "small", "cmft", 28, seed=1),
        make_unit(task, "large", "random", 20),
        make_unit(task, "large", "cmft", 22),
    ]


def write_units(directory: Path, units: list[dict[str, Any]]) -> Path:
    directory.mkdir()
    for base in {unit["base"] for unit in units}:
        text = "".join(json.dumps(unit) + "\n" for unit in units if unit["base"] == base)
        (directory / f"results-{base}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return directory


def test_planted_gains_are_found(task: Task) -> None:
    analysis = Analyst(task, SETTINGS).analyse(score_units(make_units(task), task))
    levels = {(one.base, one.regime): one for one in analysis.levels if one.rule == "stripped"}
    assert levels["small", "random"].value == pytest.approx(10 / NUM_ROWS)  # the mean of its seeds
    assert levels["small", "random"].seed_sd == pytest.approx(0.0707, abs=1e-3)
    assert levels["large", "random"].seed_sd is None
    gains = {
        (one.base, one.regime, one.against): one.gain
        for one in analysis.gains
        if one.rule == "stripped"
    }
    assert gains == {
        ("small", "cmft", "random"): pytest.approx(16 / NUM_ROWS),
        ("small", "random", "base"): pytest.approx(8 / NUM_ROWS),
        ("small", "cmft", "base"): pytest.approx(24 / NUM_ROWS),
        ("large", "cmft", "random"): pytest.approx(2 / NUM_ROWS),
    }
    (interaction,) = [one for one in analysis.interactions if one.rule == "stripped"]
    assert (interaction.small, interaction.large) == ("small", "large")
    assert interaction.difference == pytest.approx(14 / NUM_ROWS)
    assert analysis.primary is not None
    assert (analysis.primary.base, analysis.primary.rule) == ("small", "stripped")
    assert analysis.primary.ci_low is not None
    assert analysis.primary.ci_low > 0
    assert "cmft is better than random on small: exact match +40.00 points" in describe_primary(
        analysis
    )


def test_gains_by_kind_and_lines_add_up(task: Task) -> None:
    analysis = Analyst(task, SETTINGS).analyse(score_units(make_units(task), task))
    small = [one for one in analysis.by_slice if (one.base, one.rule) == ("small", "stripped")]
    assert [one.slice for one in small] == ["kind call", "kind loop", "lines 1"]
    kinds = small[:2]
    assert sum(one.gain * one.num_rows for one in kinds) == pytest.approx(16)
    for one in kinds:
        assert one.p_holm is not None
        assert one.p_value is not None
        assert one.p_value <= one.p_holm <= 2 * one.p_value


def test_no_difference_is_called_none(task: Task) -> None:
    units = [make_unit(task, "small", "random", 9), make_unit(task, "small", "cmft", 9)]
    analysis = Analyst(task, SETTINGS).analyse(score_units(units, task))
    assert "neither better nor worse" in describe_primary(analysis)
    nothing = Analyst(task, SETTINGS).analyse(score_units(units[:1], task))
    assert "has not been run yet" in describe_primary(nothing)


def test_holm_is_step_down_and_never_falls() -> None:
    assert correct_by_holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert correct_by_holm([0.9, 0.8]) == [1.0, 1.0]


def test_answers_of_another_file_or_missing_ones_are_refused(task: Task) -> None:
    other = make_unit(task, "small", "cmft", 3) | {"dev_sha256": "other"}
    with pytest.raises(GenerationsError, match="give the one it was made from"):
        score_units([other], task)
    torn = make_unit(task, "small", "cmft", 3)
    torn["answers"]["own"].popitem()
    with pytest.raises(GenerationsError, match="has no answer to"):
        score_units([torn], task)


def test_tables_a_picture_and_a_line(
    task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    directory = write_units(tmp_path / "results", make_units(task))
    main([
        str(directory), "--data", str(task.data_path), "--figure", "f.svg", "--output", "a.jsonl",
    ])  # fmt: skip
    out = capsys.readouterr().out
    assert "cmft - random" in out
    assert "…" not in out
    line = json.loads(out.splitlines()[-1])
    assert json.loads(Path("a.jsonl").read_text()) == line
    assert len(line["units"]) == 7
    assert not any("answers" in unit for unit in line["units"])
    assert Path("f.svg").stat().st_size > 1000
    with pytest.raises(SystemExit, match="holds no results"):
        main([str(tmp_path), "--data", str(task.data_path)])
    (directory / "results-small.jsonl.gz").write_bytes(b"torn")
    with pytest.raises(GenerationsError, match="is damaged"):
        load_units(directory)
