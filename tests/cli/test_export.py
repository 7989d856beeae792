"""`fimserve export`: a directory that other tools load, never written over something else."""

import json
from pathlib import Path

from safetensors import safe_open

from support.cli import CommandLine


def test_exported_directory_is_plain_bf16(fimserve: CommandLine, tiny_model: Path) -> None:
    outcome = fimserve("export", "out", "--model", tiny_model)
    assert (outcome.exit_code, outcome.stdout) == (0, "wrote out\n")
    assert json.loads(Path("out/config.json").read_text())["dtype"] == "bfloat16"
    with safe_open("out/model.safetensors", "pt") as weights:
        assert weights.get_slice("model.norm.weight").get_dtype() == "BF16"
    again = fimserve("complete", "out/config.json:1:1", "--no-server", "--model", "out")
    assert again.exit_code == 0


def test_directory_with_something_in_it_is_left_alone(
    fimserve: CommandLine, tiny_model: Path
) -> None:
    Path("out").mkdir()
    Path("out/mine").write_text("x")
    for target in ("out", "out/mine"):
        outcome = fimserve("export", target, "--model", tiny_model)
        assert outcome.exit_code == 2
        assert "not empty" in outcome.stderr
    assert [path.name for path in Path("out").iterdir()] == ["mine"]


def test_unknown_model_is_explained(fimserve: CommandLine) -> None:
    outcome = fimserve("export", "out", "--model", "no-such-model")
    assert outcome.exit_code == 1
    assert "no-such-model" in outcome.stderr
    assert not Path("out").exists()
