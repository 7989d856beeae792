"""config.json decides the family; one that is not served is refused with those that are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fimserve.models import LlamaConfig, Starcoder2Config
from fimserve.models.errors import UnsupportedModel
from fimserve.models.families import make_model, read_model_config
from support.tiny_checkpoint import write_tiny_checkpoint
from support.tiny_starcoder2 import write_tiny_starcoder2


def test_config_and_modules_are_those_of_the_family(tmp_path: Path) -> None:
    llama = read_model_config(write_tiny_checkpoint(tmp_path / "llama") / "config.json")
    starcoder2 = read_model_config(write_tiny_starcoder2(tmp_path / "star") / "config.json")
    assert isinstance(llama, LlamaConfig)
    assert isinstance(starcoder2, Starcoder2Config)
    assert len(make_model(llama).parts.blocks) == 2
    assert make_model(starcoder2).config is starcoder2


@pytest.mark.parametrize("model_type", ["qwen3_next", None, ["llama"], 3])
def test_an_unknown_family_is_refused_with_those_that_are_served(
    model_type: object, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    keys = {"model_type": model_type, "architectures": ["SomeForCausalLM"]}
    path.write_text(json.dumps(keys), encoding="utf-8")
    with pytest.raises(UnsupportedModel) as caught:
        read_model_config(path)
    assert f"model_type is {model_type!r}, architectures is ['SomeFor" in str(caught.value)
    supported = "llama, qwen2, starcoder2, gpt_bigcode"
    assert str(caught.value).endswith(f"supported model types: {supported}")
