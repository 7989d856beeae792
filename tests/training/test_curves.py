"""Curves are drawn from the metrics that a run writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from fimtraining.curves import draw_curves, draw_runs

TOKENS_PER_STEP = 500_000


def write_metrics(path: Path) -> Path:
    """Write what a run of 100 steps logs: every 20 steps, and validation twice."""
    rows: list[dict[str, float]] = [
        {"step": step, "tokens": step * TOKENS_PER_STEP, "loss": 3 - step / 100, "lr_factor": 1.0}
        for step in range(20, 101, 20)
    ]
    rows += [
        {"step": step, "validation/python": 2.0 - step / 1000, "validation/go": 1.5}
        for step in (50, 100)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_picture_is_written(tmp_path: Path) -> None:
    draw_curves(write_metrics(tmp_path / "metrics.jsonl"), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_lines_are_those_of_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []

    def keep(figure: Figure, *_: Any, **__: Any) -> None:
        drawn.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    draw_curves(write_metrics(tmp_path / "metrics.jsonl"), tmp_path / "curves.png")
    loss, rate = drawn[0].axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines == {
        "training": [[pytest.approx(s * 5e-4), 3 - s / 100] for s in range(20, 101, 20)],
        "go": [[pytest.approx(0.025), 1.5], [pytest.approx(0.05), 1.5]],
        "python": [[pytest.approx(0.025), 1.95], [pytest.approx(0.05), 1.9]],
    }
    assert rate.lines[0].get_ydata().tolist() == [1.0] * 5


def test_runs_are_drawn_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []

    def keep(figure: Figure, *_: Any, **__: Any) -> None:
        drawn.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
    paths = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        paths.append(write_metrics(tmp_path / name / "metrics.jsonl"))
    with paths[1].open("a") as file:
        file.write(json.dumps({"step": 100, "validation/middle-spm": 3.0}) + "\n")
    draw_runs(paths, tmp_path / "runs.png")
    files, middles = drawn[0].axes
    assert [line.get_label() for line in files.lines] == ["one", "other"]
    assert [line.get_label() for line in middles.lines] == ["other"]
    assert list(files.lines[0].get_xdata()) == [0.025, 0.05]
    assert list(files.lines[0].get_ydata()) == [pytest.approx(1.725), pytest.approx(1.7)]
