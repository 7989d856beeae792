"""Generating: raw answers by key, resuming after any interruption, no mixing of settings."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fimeval.completer import Completion, EvalPrompt
from fimeval.errors import GenerationsError, SettingsMismatch
from fimeval.generate import ModelIdentity, generate
from fimeval.generations import load_generations
from fimeval.records import RowKey
from fimeval.task import Task, take_first_rows
from fimeval.tasks import load_task
from fimserve.prompt import Order
from support.fim_rows import KnownAnswers, santacoder_row, write_rows

MODEL = ModelIdentity(name="m", weights_sha256="w" * 64, order=Order.SPM, dtype="bf16")


class Interrupted(KnownAnswers):
    """Answers some prompts, then is stopped by Ctrl+C."""

    def __init__(self, answers: dict[str, str], num_answers: int) -> None:
        super().__init__(answers)
        self.num_answers = num_answers

    def __call__(self, prompt: EvalPrompt) -> Completion:
        if len(self.prompts) == self.num_answers:
            raise KeyboardInterrupt
        return super().__call__(prompt)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    rows = [
        santacoder_row(f"p{problem}", 1, language, f"x = {problem}")
        for problem in range(4)
        for language in ("py", "js")
    ]
    return load_task("santacoder-fim", write_rows(tmp_path / "data.jsonl", rows))


@pytest.fixture
def answers(task: Task) -> dict[str, str]:
    return {record.prefix: record.reference for record in task.records}


def test_a_generation_holds_the_raw_answer_and_how_it_came_about(
    task: Task, answers: dict[str, str], tmp_path: Path
) -> None:
    raw = "\nx = 0\u2028<|endoftext|>\ud800 and more\r\n"
    completer = KnownAnswers(answers | {task.records[0].prefix: raw})
    times = iter(range(100))
    path = tmp_path / "run" / "generations.jsonl"
    found = generate(task, MODEL, completer, path, clock_s=lambda: next(times) / 4)
    row = found.rows[RowKey("humaneval-p0.json-L1", "python")]
    assert row.text == raw
    assert row.finish_reason == "stop"
    assert row.latency_ms == 250
    assert (row.num_prompt_tokens, row.num_completion_tokens) == (7, 3)
    assert row.prompt_sha256 == completer.prompts[0].sha256()
    assert completer.prompts[0] == EvalPrompt(task.records[0].prefix, "}", "python", Order.SPM, 64)
    assert len(found.rows) == 8
    assert found.settings.temperature == 0
    assert found.settings.data_sha256 == task.data_sha256


def test_an_interrupted_run_asks_only_for_what_is_missing(
    task: Task, answers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "generations.jsonl"
    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        generate(task, MODEL, Interrupted(answers, 3), path)
    rest = KnownAnswers(answers)
    found = generate(task, MODEL, rest, path, on_progress=seen.append)
    assert [prompt.prefix for prompt in rest.prompts] == [r.prefix for r in task.records[3:]]
    assert seen == [3, 4, 5, 6, 7, 8]
    assert [found.rows[record.key].text for record in task.records] == list(answers.values())
    assert len(found.sessions) == 2


def test_a_finished_file_is_left_as_it_is(
    task: Task, answers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "generations.jsonl"
    generate(task, MODEL, KnownAnswers(answers), path)
    before = path.read_bytes()
    again = KnownAnswers(answers)
    generate(task, MODEL, again, path)
    assert again.prompts == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("num_kept", [1, 7, 60])
def test_a_line_torn_by_a_kill_is_made_again(
    task: Task, answers: dict[str, str], tmp_path: Path, num_kept: int
) -> None:
    path = tmp_path / "generations.jsonl"
    generate(task, MODEL, KnownAnswers(answers), path)
    content = path.read_bytes()
    last_line = content.rindex(b"\n", 0, -1) + 1
    path.write_bytes(content[: last_line + num_kept])
    rest = KnownAnswers(answers)
    assert len(generate(task, MODEL, rest, path).rows) == 8
    assert [prompt.prefix for prompt in rest.prompts] == [task.records[-1].prefix]


def test_a_run_killed_before_its_first_whole_line_starts_anew(
    task: Task, answers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "generations.jsonl"
    path.write_text('{"record": "sett')
    assert len(generate(task, MODEL, KnownAnswers(answers), path).rows) == 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (replace(MODEL, name="n"), "model was 'm' and is now 'n'"),
        (replace(MODEL, weights_sha256="v" * 64), "weights_sha256"),
        (replace(MODEL, order=Order.PSM), "order was 'spm' and is now 'psm'"),
        (replace(MODEL, dtype="fp32"), "dtype"),
        (replace(MODEL, url="http://h"), "url"),
    ],
)
def test_a_run_with_another_model_refuses_to_mix(
    task: Task, answers: dict[str, str], tmp_path: Path, changed: ModelIdentity, message: str
) -> None:
    path = tmp_path / "generations.jsonl"
    with pytest.raises(KeyboardInterrupt):
        generate(task, MODEL, Interrupted(answers, 3), path)
    before = path.read_bytes()
    with pytest.raises(SettingsMismatch, match=message):
        generate(task, changed, KnownAnswers(answers), path)
    assert path.read_bytes() == before


def test_a_run_over_other_data_refuses_to_mix(
    task: Task, answers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "generations.jsonl"
    generate(task, MODEL, KnownAnswers(answers), path)
    with pytest.raises(SettingsMismatch, match="limit was None and is now 2"):
        generate(take_first_rows(task, 2), MODEL, KnownAnswers(answers), path)
    with pytest.raises(SettingsMismatch, match="data_sha256"):
        generate(replace(task, data_sha256="0" * 64), MODEL, KnownAnswers(answers), path)
    with pytest.raises(SettingsMismatch, match="max_tokens was 64 and is now 32"):
        generate(replace(task, max_tokens=32), MODEL, KnownAnswers(answers), path)


def test_prompts_with_equal_inputs_hash_equal_and_others_do_not() -> None:
    prompt = EvalPrompt("a", "b", "python", Order.SPM, 64)
    assert prompt.sha256() == replace(prompt).sha256()
    others = [
        replace(prompt, prefix="ab", suffix=""),
        replace(prompt, order=Order.PSM),
        replace(prompt, order=None),
        replace(prompt, language="java"),
    ]
    assert len({prompt.sha256(), *(other.sha256() for other in others)}) == 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[1:], "does not begin with settings"),
        (lambda lines: [*lines, lines[-1]], "line 11: humaneval-p3.json-L1 javascript is answered"),
        (lambda lines: [*lines, "{"], "line 11: not JSON"),
        (lambda lines: [*lines, "[]"], "line 11: not a JSON object"),
        (lambda lines: [*lines, '{"record": "x"}'], "record 'x' is unknown"),
        (lambda lines: [*lines, '{"record": "generation", "text": 1}'], "missing"),
        (lambda lines: [*lines, '{"record": "session"}'], "not a session"),
        (
            lambda lines: [json.dumps(json.loads(lines[0]) | {"format": 0}), *lines[1:]],
            "format 0, this version reads 1",
        ),
    ],
)
def test_a_damaged_file_is_refused(
    task: Task, answers: dict[str, str], tmp_path: Path, spoil: object, message: str
) -> None:
    path = tmp_path / "generations.jsonl"
    generate(task, MODEL, KnownAnswers(answers), path)
    assert callable(spoil)
    path.write_text("".join(line + "\n" for line in spoil(path.read_text().splitlines())))
    with pytest.raises(GenerationsError, match=message):
        load_generations(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GenerationsError, match="cannot be read"):
        load_generations(tmp_path / "none.jsonl")
