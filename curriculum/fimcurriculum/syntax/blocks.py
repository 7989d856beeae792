"""Runs of statements that stand one after the other in a block."""

from tree_sitter import Node

from fimcurriculum.syntax.draw import draw

__all__ = ["MAX_STATEMENTS", "statement_run"]

MAX_STATEMENTS = 6


def statement_run(container: Node, seed: int, path: str) -> tuple[Node, Node] | None:
    """Return the first and last of two to six neighbouring statements, or None.

    Args:
        container: Node whose children are statements.
        seed: Decides, with the place, which statements.
        path: The file.

    Returns:
        The borders of the run; None where the block has fewer than three statements, since a run
        that is the whole body is another kind.
    """
    statements = [node for node in container.named_children if "comment" not in node.type]
    if len(statements) < 3:
        return None
    place = (path, container.start_byte, container.end_byte)
    longest = min(MAX_STATEMENTS, len(statements) - 1)
    length = 2 + int(draw(seed, "length", *place) * (longest - 1))
    first = int(draw(seed, "first", *place) * (len(statements) - length + 1))
    return statements[first], statements[first + length - 1]
