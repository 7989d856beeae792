"""Count the steps of a request, and those that began only when the one before had been read.

    python kernels/bench/count_steps.py --n 30
    python kernels/bench/count_steps.py --n 30 --shape deepseek-coder-1.3b

Counts, not times: the same on a CPU as on a GPU, where each step that is waited for costs what the
host takes between two. The prompts and scenarios are those of `run_http.py`: 1536 + 512 tokens, 32
new ones, cold and keystroke, end tokens ignored, through the engine's loop without a server, on the
path that a GPU takes. --shape takes a narrow model of random weights instead of the embedded one:
what such a model writes cannot be guessed. A table of means, then one JSON line.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from environment import describe_environment
from model_shapes import SHAPES, write_random_checkpoint

from fimeval.bench.question import Question
from fimeval.bench.scenarios import ScenarioKind, ScenarioPlan, plan_scenarios
from fimeval.bench.source_text import join_text, load_source_files
from fimeval.bench.text_supply import PromptSize, TextSupply
from fimeval.bench.token_ruler import load_ruler
from fimserve.engine import CompletionDelta, CompletionRequest, EngineSettings
from fimserve.engine.assembly import Assembly
from fimserve.engine.launched import Launched
from fimserve.engine.loop import EngineLoop
from fimserve.engine.next_line import find_lead
from fimserve.engine.step_plan import WorkItem
from fimserve.engine.ticket import Delivery, Ticket
from fimserve.models import LoadedModel, load_model
from fimserve.prompt import Order

NUM_WARM_UP = 2
NUM_NEW_TOKENS = 32
GPU_STEP_TOKENS = 2048
"""Tokens of a step on a GPU."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Holds the steps of one request."""

    waited: int
    """Begun when nothing was on its way."""
    ahead: int
    """Begun behind another one, which nobody had read."""
    waited_before_text: int
    """Of the first kind, those until there was text."""
    rows: int
    """Tokens computed, those of the prompt that were not cached and wrong guesses included."""


class CountingRunner:
    """Counts what is launched, and does what the runner does.

    Args:
        runner: The loop's own.
    """

    launches_ahead = True

    def __init__(self, runner: object) -> None:
        self._runner = runner
        self.waited = self.ahead = self.rows = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._runner, name)

    def launch(self, items: Sequence[WorkItem], slots: Sequence[int]) -> Launched:
        """Count a step that was waited for."""
        self.waited += 1
        self.rows += sum(len(item.token_ids) for item in items)
        launched: Launched = self._runner.launch(items, slots)  # type: ignore[attr-defined]
        return launched

    def launch_behind(
        self, before: Launched, items: Sequence[WorkItem], slots: Sequence[int]
    ) -> Launched | None:
        """Count a step launched ahead."""
        launched: Launched | None = self._runner.launch_behind(  # type: ignore[attr-defined]
            before, items, slots
        )
        if launched is not None:
            self.ahead += 1
            self.rows += len(items)
        return launched


class CountingLoop:
    """Answers one request after the other and counts its steps.

    Args:
        loaded: The model.
        max_drafts: Most tokens guessed ahead at once.
    """

    def __init__(self, loaded: LoadedModel, max_drafts: int) -> None:
        settings = EngineSettings(
            kv_memory_mib=512,
            max_step_tokens=GPU_STEP_TOKENS,
            gpu_path="graphs",
            max_drafts=max_drafts,
        )
        loop = Assembly(loaded, settings, now_ms).make_loop()
        self._runner = CountingRunner(loop.parts.runner)
        self._loop = EngineLoop(replace(loop.parts, runner=self._runner))  # type: ignore[arg-type]

    def count(self, question: Question) -> Counts:
        """Answer a question."""
        request = CompletionRequest(
            question.cursor.prefix,
            question.cursor.suffix,
            max_tokens=question.max_tokens,
            multiline=True,
            ignore_eos=True,
            order=question.order,
            session=question.session,
        )
        if lead := find_lead(request):
            request = replace(request, prefix=request.prefix + lead)
        delivered: list[Delivery] = []
        runner = self._runner
        before = (runner.waited, runner.ahead, runner.rows)
        self._loop.submit(Ticket(request, now_ms(), delivered.append))
        until_text: int | None = None
        while not self._loop.is_idle:
            self._loop.step()
            if until_text is None and any(map(_has_text, delivered)):
                until_text = runner.waited - before[0]
        waited, ahead, rows = (
            now - then
            for now, then in zip((runner.waited, runner.ahead, runner.rows), before, strict=True)
        )
        return Counts(waited, ahead, waited if until_text is None else until_text, rows)


def now_ms() -> float:
    """Return the time of a clock that stands still: what guesses cost is then taken as usual."""
    return 0.0


def _has_text(item: Delivery) -> bool:
    if isinstance(item, Exception):
        raise item
    return isinstance(item, CompletionDelta) and bool(item.text)


def plan_questions(
    count: int, tokens: int, corpus: Path | None
) -> Iterator[tuple[str, list[Question]]]:
    """Yield the scenarios of `run_http.py` by name."""
    supply = TextSupply(join_text(load_source_files(corpus)), load_ruler(None))
    kinds = (ScenarioKind.COLD, ScenarioKind.KEYSTROKE)
    plan = ScenarioPlan(kinds, NUM_WARM_UP + count, NUM_NEW_TOKENS, "count")
    sizes = [PromptSize(tokens, 0.25)]
    for scenario in plan_scenarios(plan, sizes, (Order.SPM, Order.MIDDLE_INCREMENT), supply):
        if scenario.kind is ScenarioKind.KEYSTROKE and scenario.order is None:
            continue  # the server's choice, which is one of the others
        order = scenario.order or Order.SPM
        yield scenario.label, [replace(one, order=order) for one in scenario.questions]


def load(shape: str | None, directory: str) -> LoadedModel:
    """Return the model to count with."""
    if shape is None:
        return load_model("embedded", "cpu", "fp32")
    narrow = replace(
        SHAPES[shape], hidden_size=256, intermediate_size=512, num_layers=1, num_heads=2,
        num_kv_heads=2, vocab_size=16640,
    )  # fmt: skip
    path = write_random_checkpoint(narrow, Path(directory) / shape)
    return load_model(str(path), "cpu", "fp32")


def main() -> None:
    """Parse the command line, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--shape", choices=sorted(SHAPES))
    parser.add_argument("--max-drafts", type=int, default=EngineSettings().max_drafts)
    parser.add_argument("--corpus", type=Path, help="source files; this project's own when absent")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        loop = CountingLoop(load(arguments.shape, directory), arguments.max_drafts)
    means: list[dict[str, object]] = []
    names = ("waited_before_text", "waited", "ahead", "rows")
    print(f"{'mean of each request':<28}" + "".join(f"{name:>20}" for name in names))
    for name, questions in plan_questions(arguments.n, arguments.tokens, arguments.corpus):
        counted = [asdict(loop.count(question)) for question in questions][NUM_WARM_UP:]
        mean = {key: round(statistics.mean(one[key] for one in counted), 2) for key in names}
        means.append({"name": name, **mean})
        print(f"{name:<28}" + "".join(f"{mean[key]:>20.2f}" for key in names))
    line = {"bench": "count-steps", "n": arguments.n, "tokens": arguments.tokens}
    line |= {"shape": arguments.shape or "embedded", "max_drafts": arguments.max_drafts}
    print(json.dumps(line | describe_environment() | {"means": means}))


if __name__ == "__main__":
    main()
