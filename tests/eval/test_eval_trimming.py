"""Answers trimmed afterwards are those that the engine would have trimmed while it wrote them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fimeval.bootstrap import BootstrapSettings
from fimeval.completer import Completion, EvalPrompt, Stopping
from fimeval.errors import GenerationsError
from fimeval.generate import ModelIdentity, generate
from fimeval.generations import load_generations
from fimeval.run import score_file
from fimeval.tasks import load_task
from fimserve.cli.eval_model import Serving, open_engine
from fimserve.cli.eval_trimming import trim_run
from fimserve.prompt import Order
from support.fim_rows import single_line_row, write_rows
from support.tiny_checkpoint import write_tiny_checkpoint

NAME = "humaneval-infilling"
RULE = "own-stop-stripped"
HEAD = "def f(x):\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        single_line_row(0, 0, "    return x\n") | {"suffix": "\n\nprint(f(1))\n"},
        single_line_row(1, 0, "    y = x\n") | {"suffix": "    return y\n"},
        single_line_row(2, 0, "    return x\n"),
    ]
    return write_rows(tmp_path / "d.jsonl", rows)


ANSWERS = ["    return x\n\n\ndef g(x):\n", "    y = x\n    return y\n\n", "    return x + 1\n"]


def write_run(
    data: Path, directory: Path, *, trim: bool | None = False, stopping: Stopping = "own"
) -> Path:
    task = load_task(NAME, data)
    answers: Mapping[str, str] = dict(
        zip((record.prefix for record in task.records), ANSWERS, strict=True)
    )
    model = ModelIdentity("made up", stopping=stopping, heal=True, trim=trim)
    path = directory / "generations.jsonl"
    generate(task, model, lambda prompt: Completion(answers[prompt.prefix], "stop"), path)
    return path


def score_of(path: Path, data: Path) -> float:
    scores = score_file(path, data, BootstrapSettings(num_resamples=10)).scores
    return next(score.estimate.value for score in scores if score.rule == RULE)


def test_answers_that_ran_on_become_right(data: Path, tmp_path: Path) -> None:
    path = write_run(data, tmp_path / "a")
    trimmed = trim_run(path, data, tmp_path / "b")
    found = load_generations(trimmed)
    assert [row.text for row in found.rows.values()] == [
        "    return x",
        "    y = x",
        "    return x + 1",
    ]
    assert found.settings.trim is True
    assert found.settings.stopping == "own"
    assert [session.data_path for session in found.sessions] == [str(data)]
    assert score_of(path, data) == 0
    assert score_of(trimmed, data) == pytest.approx(2 / 3)
    assert trim_run(path, data, tmp_path / "b") == trimmed
    assert load_generations(trimmed).rows == found.rows


@pytest.mark.parametrize("trim", [True, None])
def test_answers_that_are_trimmed_already_or_may_be_are_refused(
    data: Path, tmp_path: Path, trim: bool | None
) -> None:
    path = write_run(data, tmp_path / "a", trim=trim)
    with pytest.raises(GenerationsError, match="was not made with --no-trim"):
        trim_run(path, data, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_served_run_trimmed_afterwards_is_the_one_trimmed_while_served(tmp_path: Path) -> None:
    """A model of nonsense, asked both ways, in the line mode that each place has."""
    model = str(write_tiny_checkpoint(tmp_path / "tiny", endless=True))
    places = [(HEAD, "\n"), (HEAD + "    return x", "\n"), (HEAD + "    y = (", ")\n")]
    rows = [
        single_line_row(i, 0) | {"prompt": prefix + f"  # {i}\n", "suffix": suffix}
        for i, (prefix, suffix) in enumerate(places)
    ]
    task = load_task(NAME, write_rows(tmp_path / "d.jsonl", rows))
    paths = []
    for trim in (False, True):
        with open_engine(model, Order.SPM, "cpu", "fp32", Serving("served", trim=trim)) as opened:
            path = tmp_path / str(trim) / "generations.jsonl"
            generate(task, opened.identity, opened.completer, path)
            paths.append(path)
    afterwards = trim_run(paths[0], task.data_path, tmp_path / "after")
    texts = [
        [row.text for row in load_generations(path).rows.values()]
        for path in (afterwards, paths[1])
    ]
    assert texts[0] == texts[1]


def test_healing_is_switched_off_for_a_run(tmp_path: Path) -> None:
    model = str(write_tiny_checkpoint(tmp_path / "tiny"))
    prompt = EvalPrompt(HEAD + "    ret", "\n", "python", Order.SPM, 4)
    with open_engine(model, None, "cpu", "fp32", Serving(heal=False)) as unhealed:
        assert unhealed.identity.heal is False
        num_tokens = unhealed.completer(prompt).num_prompt_tokens
        hashed = unhealed.hash_rendered(prompt)
    with open_engine(model, None, "cpu", "fp32") as healed:
        assert healed.identity.heal is True
        assert healed.hash_rendered(prompt) != hashed
        assert healed.completer(prompt).num_prompt_tokens != num_tokens
