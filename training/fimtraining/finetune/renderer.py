"""The prompt format of a base model: its checkpoint's own word, or what its tokenizer tells."""

from pathlib import Path

from fimserve.models.checkpoint_directory import read_fim_metadata
from fimserve.prompt import Order, PromptError, Renderer, TextEncoder, detect_format, load_format
from fimtraining.finetune.recipe import RecipeError


def make_renderer(directory: Path) -> Renderer:
    """Return what writes the prompts of a checkpoint.

    Args:
        directory: Checkpoint directory with a tokenizer.json.

    Returns:
        The renderer of its family with its own tokenizer.

    Raises:
        RecipeError: If neither checkpoint nor tokenizer tells a family.
    """
    try:
        encoder = TextEncoder.from_file(directory / "tokenizer.json")
        family = read_fim_metadata(directory).family
        found = (
            load_format(family)
            if family
            else detect_format(lambda token: encoder.token_id(token) is not None)
        )
        if found is None:
            raise RecipeError(
                f"{directory} tells no FIM family and its tokenizer has no known FIM markers; "
                'write fim.json beside config.json: {"family": ...}'
            )
        return Renderer(found, encoder)
    except (OSError, PromptError) as error:
        raise RecipeError(f"{directory}: {error}") from error


def read_orders(directory: Path, renderer: Renderer) -> tuple[Order, ...]:
    """Return the orders that a checkpoint was trained for, its preferred one first."""
    metadata = read_fim_metadata(directory)
    orders = [Order(name) for name in metadata.orders] or sorted(renderer.format.trained_orders)
    first = Order(metadata.default_order or renderer.format.default_order)
    return (*(order for order in orders if order == first), *(o for o in orders if o != first))
