"""Puts the engine's parts together for one model.

The one place that knows them all. A loop can be made more than once: one that died is replaced by
a fresh one on the same weights.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

import torch

from fimserve.engine.adapters import Adapters
from fimserve.engine.core_share import CoreShare
from fimserve.engine.cpu_clock import find_cores, read_clocks
from fimserve.engine.device_fit import fit_settings
from fimserve.engine.generation_factory import GenerationFactory
from fimserve.engine.graph_runner import GraphRunner
from fimserve.engine.kv_manager import KvManager
from fimserve.engine.loop import EngineLoop, LoopParts
from fimserve.engine.model_card import ModelCard
from fimserve.engine.planner import ModelFacts, Planner
from fimserve.engine.policy import DeadlinePolicy
from fimserve.engine.runner import Runner
from fimserve.engine.scheduler import Scheduler, SchedulerSettings
from fimserve.engine.session_book import SessionBook
from fimserve.engine.settings import MIB, EngineSettings, EngineSettingsError
from fimserve.engine.step_buckets import MAX_SEQUENCES
from fimserve.models import (
    BrokenCheckpoint,
    KvPool,
    LoadedModel,
    LoraMemory,
    UnsupportedModel,
    run_aside,
)
from fimserve.prompt import (
    FimFormat,
    Order,
    PromptError,
    Renderer,
    TextEncoder,
    detect_format,
    load_format,
)

logger = logging.getLogger(__name__)

USUAL_NEW_TOKENS = 1024
"""Tokens that few completions exceed."""


def now_ms() -> float:
    """Return the engine's clock, in milliseconds."""
    return time.perf_counter() * 1000


class Assembly:
    """Holds a model and what is made of it once.

    Args:
        loaded: The model.
        settings: Limits.
        clock: Returns milliseconds.

    Raises:
        EngineSettingsError: If the memory for keys and values holds no block, or the directory of
            adapters is none.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        settings: EngineSettings,
        clock: Callable[[], float] = now_ms,
    ) -> None:
        if settings.adapters is not None and not settings.adapters.is_dir():
            raise EngineSettingsError(f"adapters is {settings.adapters}; that is no directory")
        self._clock = clock
        self.loaded = loaded
        self._may_fall_back = settings.gpu_path == "auto"
        settings = fit_settings(settings, loaded.model.device)
        self.settings = settings
        self._renderer = make_renderer(loaded)
        encoder = self._renderer.encoder
        # Embeddings are often padded beyond the tokenizer; those rows mean nothing.
        self._num_candidates = min(encoder.vocab_size, loaded.config.vocab_size)
        excluded = encoder.special_ids | self._renderer.stop_token_ids | loaded.eos_token_ids
        self._factory = GenerationFactory(encoder, self._num_candidates, excluded)
        # Cache keys of tenants: nobody outside this process can make one.
        self._secret = secrets.token_bytes(32)
        each_bytes = KvPool.block_bytes(loaded.config, settings.block_tokens, loaded.model.dtype)
        self._num_blocks = settings.kv_memory_mib * MIB // each_bytes
        if self._num_blocks < 1:
            raise EngineSettingsError(
                f"kv_memory_mib is {settings.kv_memory_mib}; one block of {settings.block_tokens} "
                f"tokens takes {each_bytes} bytes"
            )
        self._pool = run_aside(
            lambda: loaded.model.make_pool(self._num_blocks, settings.block_tokens)
        )
        self._adapters = Adapters(loaded.model, settings.adapters)
        self._core_share: CoreShare | None = None
        if loaded.model.device.type == "cpu":
            self._core_share = CoreShare(torch.get_num_threads(), len(find_cores()), read_clocks)

    @property
    def card(self) -> ModelCard:
        """What clients may know of the model."""
        loaded, fim_format = self.loaded, self._renderer.format
        return ModelCard(
            architecture=loaded.config.model_type,
            fim_family=fim_format.family,
            order=Order(loaded.default_order or fim_format.default_order),
            num_parameters=loaded.model.num_parameters,
            num_bytes=loaded.model.num_bytes,
            precision=loaded.model.precision,
            max_context_tokens=self._max_context_tokens,
        )

    @property
    def _max_context_tokens(self) -> int:
        """Tokens of one request for which there are positions and memory."""
        num_slots = self._num_blocks * self.settings.block_tokens
        return min(self.loaded.config.max_context_tokens, num_slots)

    @property
    def renderer(self) -> Renderer:
        """What writes the model's prompts, with its tokenizer."""
        return self._renderer

    def _make_runner(self) -> Runner | GraphRunner:
        loaded, settings = self.loaded, self.settings
        if settings.gpu_path == "eager":
            return Runner(loaded.model, self._pool, self._num_candidates, self._core_share)
        lora: LoraMemory | None = None
        if settings.adapters is not None:
            lora = loaded.model.keep_adapters(settings.graph_adapters, settings.graph_adapter_rank)
            logger.info("memory for adapters: %d MiB", lora.num_bytes // MIB)
        try:
            runner = GraphRunner(
                loaded.model,
                self._pool,
                self._num_candidates,
                self._max_context_tokens,
                settings.max_sequences,
                settings.max_step_tokens,
                self._renderer.stop_token_ids | loaded.eos_token_ids,
                lora,
            )
        except UnsupportedModel as error:
            if not self._may_fall_back:
                raise
            logger.warning("steps are launched one operation after the other: %s", error)
            return Runner(loaded.model, self._pool, self._num_candidates)
        if loaded.model.device.type == "cuda":
            runner.warm_up(settings.max_prompt_tokens + USUAL_NEW_TOKENS, _report_warm_up)
        return runner

    def make_loop(self) -> EngineLoop:
        """Return a loop on which no request was ever worked."""
        loaded, settings = self.loaded, self.settings
        kv = KvManager(self._num_blocks, settings.block_tokens, self._secret, settings.tenant_share)
        self._adapters.serve(kv.drop_adapter)
        facts = ModelFacts(
            name=loaded.name,
            orders=loaded.orders,
            default_order=loaded.default_order,
            multiline_order=loaded.multiline_order,
            max_context_tokens=self._max_context_tokens,
            eos_token_ids=loaded.eos_token_ids,
            can_heal=self._factory.can_heal,
        )
        runner = self._make_runner()
        scheduler_settings = SchedulerSettings(
            max_step_tokens=settings.max_step_tokens,
            max_sequences=settings.max_sequences,
            max_waiting=settings.max_waiting,
            max_scores=MAX_SEQUENCES if runner.launches_ahead else settings.max_step_tokens,
        )
        return EngineLoop(
            LoopParts(
                planner=Planner(
                    facts, self._renderer, settings.max_prompt_tokens, self._factory.healing
                ),
                factory=self._factory,
                kv=kv,
                scheduler=Scheduler(scheduler_settings, kv, DeadlinePolicy()),
                runner=runner,
                adapters=self._adapters,
                sessions=SessionBook(settings.session_memory_mib * MIB),
                max_drafts=settings.max_drafts,
                now_ms=self._clock,
            )
        )


def _report_warm_up(num_done: int, num_all: int) -> None:
    if num_done % 10 == 0 or num_done == num_all:
        logger.info("recording steps: %d of %d sizes", num_done, num_all)


def make_renderer(loaded: LoadedModel) -> Renderer:
    """Return what writes the prompts of a model.

    Fails with UnsupportedModel where neither checkpoint nor tokenizer tells the family.

    Args:
        loaded: The model.

    Returns:
        The renderer of its family with its own tokenizer.

    Raises:
        BrokenCheckpoint: If the checkpoint's family or orders do not exist or do not fit.
    """
    try:
        encoder = TextEncoder.from_file(loaded.encoder_path)
        renderer = Renderer(_find_format(loaded, encoder), encoder)
        for order in (
            *loaded.orders,
            *filter(None, [loaded.default_order, loaded.multiline_order]),
        ):
            renderer.format.template(Order(order))
    except (PromptError, ValueError) as error:
        raise BrokenCheckpoint(f"{loaded.encoder_path.parent}: {error}") from error
    return renderer


def _find_format(loaded: LoadedModel, encoder: TextEncoder) -> FimFormat:
    if loaded.family is not None:
        return load_format(loaded.family)
    detected = detect_format(lambda token: encoder.token_id(token) is not None)
    if detected is None:
        raise UnsupportedModel(
            f"{loaded.name} tells no FIM family and its tokenizer has no known FIM markers; "
            'write fim.json beside config.json: {"family": ...}'
        )
    return detected
