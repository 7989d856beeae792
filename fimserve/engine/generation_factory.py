"""Makes the parts of a completion from a request and its plan: sampler, healer, text rules, drafts.

Holds what they share of the model's tokenizer. Knows nothing of scheduling.
"""

from __future__ import annotations

from fimserve.engine.generation import Generation, GenerationLimits
from fimserve.engine.healing import Healer, HealingIndex, rest_of_word
from fimserve.engine.planner import PromptPlan
from fimserve.engine.request import CompletionRequest
from fimserve.engine.sampler import Sampler, SamplingParams
from fimserve.engine.session_book import Session
from fimserve.engine.speculation import DraftSource
from fimserve.engine.text_stream import TextStream
from fimserve.prompt import TextEncoder


class GenerationFactory:
    """Makes completions in progress.

    Args:
        encoder: The model's tokenizer.
        num_candidates: Ids from this one on are never chosen.
        excluded_ids: Ids that spell no text: markers and end tokens.
    """

    def __init__(
        self, encoder: TextEncoder, num_candidates: int, excluded_ids: frozenset[int]
    ) -> None:
        self._token_bytes = encoder.token_bytes
        self.healing = HealingIndex(encoder.token_bytes, num_candidates, excluded_ids)
        """The tokens that may be chosen, by their bytes."""

    @property
    def can_heal(self) -> bool:
        """Whether every text can be spelt byte by byte."""
        return self.healing.is_complete

    def make(
        self, request: CompletionRequest, plan: PromptPlan, session: Session, index: int
    ) -> Generation:
        """Return a completion that has not begun.

        Args:
            request: What is asked.
            plan: Its prompt.
            session: What is known of its session.
            index: Which of the request's completions it is.

        Returns:
            The completion.
        """
        params = SamplingParams(
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=request.min_p,
            logit_bias=request.logit_bias,
        )
        return Generation(
            index=index,
            limits=GenerationLimits(
                max_tokens=request.max_tokens,
                room_tokens=plan.room_tokens,
                min_tokens=request.min_tokens,
                ignore_eos=request.ignore_eos,
                stop_token_ids=plan.stop_token_ids,
                has_own_stops=bool(request.stop_token_ids),
                num_logprobs=request.logprobs,
            ),
            sampler=Sampler(params, request.seed, index),
            healer=Healer(
                self.healing,
                self._token_bytes,
                plan.removed,
                rest_of_word(request.prefix, request.suffix or ""),
            ),
            text=self._make_text(request, plan, session),
            token_bytes=self._token_bytes,
            drafts=DraftSource(session.history) if request.speculate else None,
        )

    def _make_text(
        self, request: CompletionRequest, plan: PromptPlan, session: Session
    ) -> TextStream:
        # A length that is asked for is kept: no rule but the request's own stop texts ends it.
        is_free = request.ignore_eos or request.min_tokens > 0
        return TextStream(
            self._token_bytes,
            stops=plan.stop_strings,
            prefix=request.prefix,
            suffix=request.suffix or "",
            language=request.language,
            path=request.path,
            single_line=not plan.is_multiline and not is_free,
            trim=request.trim and not is_free,
            num_skipped_bytes=len(plan.removed),
            kept=session.scans,
        )
