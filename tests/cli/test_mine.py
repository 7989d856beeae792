"""`fimserve mine` as a user calls it: mine, look, score, rank; and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from fimcurriculum.hardness.scoring import Question
from fimserve.cli.mining_model import open_local_model
from fimserve.prompt import Order
from support.cli import CommandLine
from support.completions_server import openai_body, serve_completions
from support.mined import MineDesk


@pytest.fixture
def desk(tmp_path: Path) -> MineDesk:
    return MineDesk(tmp_path)


def test_clones_become_a_data_set_that_hugging_face_reads(
    fimserve: CommandLine, desk: MineDesk, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('kinds = ["call", "return"]\nmax_snippet_tokens = 200\n')
    done = fimserve("mine", *desk.clones, "--out", desk.out, "--recipe", recipe, "--jobs", 1)
    assert done.exit_code == 0
    assert "9 of 9 files mined, 3 of 3 repositories written" in done.stdout
    loaded = load_dataset(str(desk.out), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation"}
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == len(desk.rows())
    assert {row["kind"] for row in rows} == {"call", "return"}
    assert set(rows[0]["snippets"][0]) == {"path", "text", "reason"}
    card = (desk.out / "README.md").read_text(encoding="utf-8")
    assert f"| call | {sum(row['kind'] == 'call' for row in rows)} |" in card
    assert "NOT kept out" in card
    assert (desk.out / "plots" / "kinds.svg").stat().st_size > 1000
    again = fimserve("mine", *desk.clones, "--out", desk.out, "--recipe", recipe, "--json")
    assert json.loads(again.stdout)["num_files_mined"] == 0


def test_options_may_stand_first_and_languages_are_chosen(
    fimserve: CommandLine, desk: MineDesk
) -> None:
    done = fimserve("mine", "--out", desk.out, "--jobs", 1, "--languages", "go", desk.clones[0])
    assert done.exit_code == 0
    assert "0 of 0 files mined" in done.stdout
    wrong = fimserve("mine", desk.clones[0], "--out", desk.out, "--languages", "cobol")
    assert wrong.exit_code == 1
    assert "languages has cobol; use python, " in wrong.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("max_lines = 0", "max_lines is 0; it must be at least 1"),
        ("max_line = 3", "unknown keys max_line; known are "),
        ('kinds = "call"', "kinds is 'call'; write it like "),
        ("validation_share = 1.5", "validation_share is 1.5; it must be between 0 and 1"),
        ("kinds = [", "is no recipe"),
    ],
)
def test_a_wrong_recipe_is_told(
    fimserve: CommandLine, desk: MineDesk, tmp_path: Path, line: str, message: str
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(line + "\n")
    done = fimserve("mine", desk.clones[0], "--out", desk.out, "--recipe", recipe)
    assert done.exit_code == 1
    assert message in done.stderr


def test_stats_and_show_look_into_it(fimserve: CommandLine, desk: MineDesk) -> None:
    desk.mine()
    shown = fimserve("mine", "show", desk.out, "--kind", "call", "-n", 2)
    assert shown.exit_code == 0
    assert shown.stdout.count("call · ") == 2
    assert "hardness 0." in shown.stdout
    assert shown.stdout.count("⟦") == shown.stdout.count("⟧") == 2  # no colour shows the hole here
    hardest = max(r["hardness"] for r in desk.rows() if r["kind"] == "call")
    one = fimserve("mine", "show", desk.out, "--kind", "call", "--hardest", "-n", 1)
    assert f"hardness {hardest:.2f}" in one.stdout
    stats = fimserve("mine", "stats", desk.out)
    assert stats.exit_code == 0
    assert "places not taken" in stats.stdout
    cells = [line.split("│") for line in stats.stdout.splitlines() if line.count("│") == 3]
    totals = {name.strip(): number.strip() for _, name, number, _ in cells}
    num_train = sum(row["split"] == "train" for row in desk.rows())
    assert totals["examples, train"] == str(num_train)
    assert totals["files searched"] == "9"
    report = json.loads(fimserve("mine", "stats", desk.out, "--json").stdout)
    assert report["files"] == {"python": 9}
    nothing = fimserve("mine", "show", desk.out, "--kind", "decorator")
    assert nothing.exit_code == 1
    assert "has no such example" in nothing.stderr
    assert "holds no mined data set" in fimserve("mine", "stats", desk.root).stderr


def test_a_server_is_asked_once_for_each_span_and_kinds_are_ranked(
    fimserve: CommandLine, desk: MineDesk
) -> None:
    desk.mine()
    middles = {(r["prefix"], r["suffix"]): r for r in desk.rows()}

    def answer(body: dict[str, Any]) -> tuple[int, Any]:
        row = middles[body["prompt"], body["suffix"]]
        reply = openai_body(row["middle"] if row["kind"] == "return" else "wrong")
        reply["choices"][0]["logprobs"] = {"token_logprobs": [-0.5, -0.1]}
        return 200, reply

    with serve_completions(answer) as server:
        options = ("mine", "score", desk.out, "--url", server.url, "--model", "m", "--per-kind", 5)
        assert fimserve(*options).exit_code == 0
        num_asked = len(server.bodies)
        assert fimserve(*options).exit_code == 0
        assert len(server.bodies) == num_asked > 20
        assert {body["temperature"] for body in server.bodies} == {0}
    scored = [row for row in desk.rows() if row["exact_match"] is not None]
    assert len(scored) == num_asked
    for row in scored:
        is_right = row["kind"] == "return"
        assert row["exact_match"] == float(is_right)
        assert row["mean_nll"] == (pytest.approx(0.3) if is_right else None)
        assert (row["hardness_model"] < 0.1) == is_right
    results = desk.root / "ranking.jsonl"
    ranked = fimserve("mine", "rank", desk.out, "--json", "--results", results)
    line = json.loads(ranked.stdout)
    assert json.loads(results.read_text()) == line
    kinds = {rank["kind"]: rank["failure"] for rank in line["kinds"]}
    assert kinds["return"] == 0.0
    assert kinds["call"] == 1.0
    assert line["num_spans"] == num_asked
    only = fimserve("mine", "rank", desk.out, "--json", "--repositories", "bob/beta,no/such")
    assert json.loads(only.stdout)["repositories"] == ["bob/beta"]
    none = fimserve("mine", "rank", desk.out, "--repositories", "no/such")
    assert "in these repositories has a score" in none.stderr
    # A later run of the miner keeps what the model said.
    desk.mine()
    assert sum(row["exact_match"] is not None for row in desk.rows()) == num_asked


def test_a_server_that_is_away_is_told(fimserve: CommandLine, desk: MineDesk) -> None:
    desk.mine()
    done = fimserve("mine", "score", desk.out, "--url", "http://127.0.0.1:1", "--model", "m")
    assert done.exit_code == 1
    assert "no answer from http://127.0.0.1:1/v1/completions" in done.stderr
    wrong = fimserve("mine", "score", desk.out, "--url", "localhost:1", "--model", "m")
    assert "must begin with http:// or https://" in wrong.stderr
    assert "no example of" in fimserve("mine", "rank", desk.out).stderr


def test_a_model_in_this_process_writes_and_weighs(
    fimserve: CommandLine, desk: MineDesk, tiny_model: Path
) -> None:
    desk.mine(desk.clones[0])
    done = fimserve(
        *("mine", "score", desk.out, "--model", tiny_model, "--per-kind", 1),
        *("--max-prompt-tokens", 64, "--dtype", "fp32"),
    )
    assert done.exit_code == 0, done.stderr
    scored = [row for row in desk.rows() if row["exact_match"] is not None]
    assert len(scored) >= 6
    assert all(row["edit_similarity"] < 1 for row in scored)
    assert any(row["mean_nll"] is not None and row["mean_nll"] > 1 for row in scored)


def test_what_is_weighed_as_exact_is_written_and_ended() -> None:
    prefix = "public class A {\n    private int size;\n\n    public int getSize() {\n        return"
    suffix = "\n    }\n\n    public void setSize(int size) {\n        this.size = size;\n    }\n}\n"
    question = Question("a", "java", "A.java", prefix, " size;", suffix)
    with (
        open_local_model("embedded", "fp32", 512, writes=True) as writing,
        open_local_model("embedded", "fp32", 512, writes=False) as weighing,
    ):
        # In the order of single lines the embedded model goes on behind such a middle.
        assert writing.order == Order.PSM
        assert weighing.answer(question).is_exact
        assert writing.answer(question).text == " size;"
