"""What `fimserve eval` asks of an engine in this process, and what it says of the prompts."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from fimeval.completer import Completion, EvalPrompt
from fimeval.provenance import hash_weights
from fimserve.cli.eval_model import open_engine
from fimserve.cli.failure import Failure
from fimserve.engine import CompletionRequest, Engine, make_renderer
from fimserve.engine.healing import HealingIndex, cut
from fimserve.models import load_model
from fimserve.prompt import Order, PromptParts
from support.tiny_adapter import TARGETS, write_tiny_adapter
from support.tiny_checkpoint import write_tiny_checkpoint

PROMPT = EvalPrompt("def f(x):\n", "\nprint(f(1))\n", "python", Order.PSM, 8)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_tiny_checkpoint(tmp_path / "tiny", max_context_tokens=256)


def test_questions_are_greedy_and_end_by_the_models_own_token(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[CompletionRequest] = []
    answer = Engine.complete_blocking

    def listen(engine: Engine, request: CompletionRequest) -> object:
        asked.append(request)
        return answer(engine, request)

    monkeypatch.setattr(Engine, "complete_blocking", listen)
    with open_engine(str(directory), None, "cpu", "fp32") as model:
        assert model.identity.order is Order.SPM
        completion = model.completer(PROMPT)
    assert isinstance(completion, Completion)
    assert completion.num_completion_tokens is not None
    assert completion.num_completion_tokens <= 8
    expected = CompletionRequest(
        PROMPT.prefix, PROMPT.suffix, "python", max_tokens=8, multiline=True, stop=(),
        temperature=0.0, session=None, tenant="eval", order=Order.PSM, trim=False,
        priority="background",
    )  # fmt: skip
    assert asked == [expected]


def test_an_adapter_answers_instead_of_the_model_and_is_named(
    directory: Path, tmp_path: Path
) -> None:
    adapter = write_tiny_adapter(tmp_path / "ours", directory, TARGETS["llama"])
    texts = {}
    for asked in (None, adapter):
        with open_engine(str(directory), None, "cpu", "fp32", adapter=asked) as model:
            texts[asked] = model.completer(PROMPT).text
            names = model.identity.adapter, model.identity.adapter_sha256
            assert names == ((None, None) if asked is None else ("ours", hash_weights(adapter)))
    assert texts[None] != texts[adapter]


def test_a_directory_without_adapter_is_refused(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with (
        pytest.raises(Failure, match="--adapter: "),
        open_engine(str(directory), None, "cpu", "fp32", adapter=tmp_path / "none"),
    ):
        pass


@pytest.mark.parametrize("order", list(Order))
def test_hashed_prompts_are_those_that_the_engine_reads(directory: Path, order: Order) -> None:
    renderer = make_renderer(load_model(str(directory), "cpu", "fp32"))
    encoder = renderer.encoder
    index = HealingIndex(encoder.token_bytes, encoder.vocab_size, encoder.special_ids)
    kept, removed, _ = cut(PROMPT.prefix, encoder, index)
    assert removed, "the engine heals the last token, so its prompt ends before that"
    parts = PromptParts(kept, PROMPT.suffix, language="python")
    ids = renderer.render(parts, order).token_ids
    with open_engine(str(directory), order, "cpu", "fp32") as model:
        prompt = replace(PROMPT, order=order)
        found = model.hash_rendered(prompt)
        assert model.completer(prompt).num_prompt_tokens == len(ids)
    assert found == hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()


def test_a_prompt_that_the_engine_must_cut_has_no_hash(directory: Path) -> None:
    prompt = replace(PROMPT, prefix="x = 1\n" * 200)
    with open_engine(str(directory), None, "cpu", "fp32") as model:
        assert model.hash_rendered(PROMPT) is not None
        assert model.hash_rendered(prompt) is None
        num_prompt_tokens = model.completer(prompt).num_prompt_tokens
    assert num_prompt_tokens is not None
    assert num_prompt_tokens <= 256 - 8
