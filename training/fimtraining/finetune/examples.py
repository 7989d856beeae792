"""From a mined span to one training sequence, by the prompt code that serving uses."""

import random
from dataclasses import dataclass

from fimserve.prompt import BudgetTooSmall, Order, PromptParts, Renderer, Snippet
from fimserve.prompt.parts import to_lf
from fimtraining.finetune.recipe import TrainRecipe
from fimtraining.finetune.spans import MinedSpan

MAX_INCREMENT_CHARS = 200
"""Text typed since the anchor, at most, in middle-increment order."""


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """Prompt, middle and end token."""

    token_ids: list[int]
    num_answer_tokens: int
    """Tokens at the end that the model shall write: the middle and the end token."""
    order: Order
    num_snippet_tokens: int


def find_orders(recipe: TrainRecipe, trained: tuple[Order, ...]) -> dict[Order, float]:
    """Return the weight of each order.

    Args:
        recipe: May name them.
        trained: Orders that the base was trained for, its preferred one first.

    Returns:
        The recipe's weights, or the trained orders in equal parts.
    """
    if recipe.orders:
        return {Order(name): weight for name, weight in recipe.orders.items() if weight > 0}
    return dict.fromkeys(trained, 1.0)


def make_training_example(
    span: MinedSpan,
    snippets: tuple[Snippet, ...],
    recipe: TrainRecipe,
    orders: dict[Order, float],
    renderer: Renderer,
    rng: random.Random,
) -> TrainingExample | None:
    """Return the sequence of one span.

    Args:
        span: The span.
        snippets: What of other files may be shown; its own, or another's as a control.
        recipe: Rates and limits.
        orders: From find_orders.
        renderer: Writes the prompt in the model's own format.
        rng: Source of every choice.

    Returns:
        The example; None where its middle is longer than `max_middle_tokens`.
    """
    order = rng.choices(list(orders), list(orders.values()))[0]
    shown = () if rng.random() < recipe.context.drop_rate else snippets
    has_path = bool(shown) or rng.random() < recipe.path_rate
    middle, increment = span.middle, ""
    if order is Order.MIDDLE_INCREMENT:
        typed = rng.randint(0, min(len(middle) - 1, MAX_INCREMENT_CHARS)) if middle else 0
        increment, middle = middle[:typed], middle[typed:]
    middle_ids = renderer.encoder.encode_continuation(to_lf(middle))
    if len(middle_ids) > recipe.max_middle_tokens:
        return None
    parts = PromptParts(
        prefix=span.prefix,
        suffix=span.suffix,
        path=span.path if has_path else None,
        language=span.language,
        snippets=shown[: recipe.context.max_snippets],
        increment=increment,
    )
    try:
        prompt = renderer.render(parts, order, recipe.row_tokens - len(middle_ids) - 1)
    except BudgetTooSmall:
        return None
    return TrainingExample(
        token_ids=[*prompt.token_ids, *middle_ids, renderer.end_token_id],
        num_answer_tokens=len(middle_ids) + 1,
        order=order,
        num_snippet_tokens=prompt.num_snippet_tokens,
    )
