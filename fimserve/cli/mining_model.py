"""The model that says how hard spans are, in this process: it answers, and weighs the true middle.

One forward pass over prompt, middle and end token gives the likelihood, and whether greedy decoding
would write just that: each token has to be the likeliest. Where text is wanted the engine writes
it, untrimmed.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from fimcurriculum.errors import ScoringError
from fimcurriculum.hardness.http_answerer import answer_tokens
from fimcurriculum.hardness.scoring import Answer, Answerer, Question
from fimserve.cli.failure import Failure
from fimserve.prompt import Order, PromptParts, Renderer

if TYPE_CHECKING:
    from fimserve.models import CausalModel, KvPool, LoadedModel

__all__ = ["LocalModel", "open_local_model"]

BLOCK_TOKENS = 32
TENANT = "mine"


class LocalModel:
    """A model's name, precision and how to ask it.

    Args:
        name: Its name.
        dtype: Its precision.
        order: Order of its prompts.
        answer: Answers one question.
    """

    def __init__(self, name: str, dtype: str, order: Order, answer: Answerer) -> None:
        self.name = name
        self.dtype = dtype
        self.order = order
        self.answer = answer


@contextmanager
def open_local_model(
    name: str, dtype: str, max_prompt_tokens: int, writes: bool
) -> Iterator[LocalModel]:
    """Load a model into this process.

    Args:
        name: embedded, a directory or a hub id.
        dtype: auto, bf16, fp32 or int8-dynamic.
        max_prompt_tokens: What prefix and suffix may take.
        writes: Whether the engine writes each answer; otherwise one forward pass tells whether it
            would be exact.

    Yields:
        LocalModel: The model.

    Raises:
        Failure: If it cannot be loaded.
    """
    from fimserve.engine import Engine, make_renderer
    from fimserve.models import ModelError, load_model

    try:
        loaded = load_model(name, "auto", dtype)
        renderer = make_renderer(loaded)
        engine = Engine(loaded)
    except ModelError as error:
        raise Failure(str(error)) from None
    order = _served_order(loaded, renderer)
    weigh = _Weigher(loaded.model, renderer, order, max_prompt_tokens)

    def answer(question: Question) -> Answer:
        from fimserve.engine import CompletionRequest, EngineError

        weighed = weigh(question)
        if not writes:
            return weighed
        request = CompletionRequest(
            prefix=question.prefix[-_chars(max_prompt_tokens, 3) :],
            suffix=question.suffix[: _chars(max_prompt_tokens, 1)],
            language=question.language,
            path=question.path,
            max_tokens=answer_tokens(question.middle),
            multiline=True,
            temperature=0.0,
            tenant=TENANT,
            trim=False,
            priority="background",
        )
        try:
            text = engine.complete_blocking(request).text
        except EngineError as error:
            raise ScoringError(str(error)) from error
        return replace(weighed, text=text)

    with engine:
        yield LocalModel(loaded.name, loaded.model.precision, order, answer)


def _served_order(loaded: "LoadedModel", renderer: Renderer) -> Order:
    """Return the order that the engine takes where several lines may be written.

    In another one a model can run on behind the middle: its checkpoint says where it knows to stop.
    """
    order = loaded.multiline_order or loaded.default_order
    return Order(order or renderer.format.default_order)


def _chars(max_prompt_tokens: int, quarters: int) -> int:
    """Return the characters that fill some quarters of a budget, at three to a token."""
    return max_prompt_tokens * 3 * quarters // 4


class _Weigher:
    """Weighs middles by one forward pass each; threads have a memory of their own."""

    def __init__(
        self, model: "CausalModel", renderer: Renderer, order: Order, max_prompt_tokens: int
    ) -> None:
        self._model = model
        self._renderer = renderer
        self._order = order
        self._max_prompt_tokens = max_prompt_tokens
        self._local = threading.local()

    def __call__(self, question: Question) -> Answer:
        """Return how likely the middle and the end token are, and whether they would be written."""
        import torch

        from fimserve.models import ForwardBatch, Piece

        limit = self._max_prompt_tokens
        parts = PromptParts(
            question.prefix[-_chars(limit, 3) :],
            question.suffix[: _chars(limit, 1)],
            path=question.path,
            language=question.language,
        )
        prompt = list(self._renderer.render(parts, self._order, limit).token_ids)
        middle = self._renderer.encoder.encode_continuation(question.middle)
        wanted = [*middle, self._renderer.end_token_id]
        if len(prompt) + len(wanted) > self._model.config.max_context_tokens:
            return Answer(None)
        pool = self._find_pool()
        piece = Piece((prompt + wanted)[:-1], 0, range(pool.num_blocks))
        with torch.inference_mode():
            batch = ForwardBatch.make([piece], BLOCK_TOKENS, self._model.device)
            hidden = self._model(batch, pool)
            scores = self._model.logits(hidden[len(prompt) - 1 :]).float()
            targets = torch.tensor(wanted, device=scores.device)
            nll = torch.nn.functional.cross_entropy(scores, targets).item()
            return Answer(None, nll, torch.equal(scores.argmax(-1), targets))

    def _find_pool(self) -> "KvPool":
        if not hasattr(self._local, "pool"):
            num_blocks = -(-self._model.config.max_context_tokens // BLOCK_TOKENS)
            self._local.pool = self._model.make_pool(num_blocks, BLOCK_TOKENS)
        pool: KvPool = self._local.pool
        return pool
