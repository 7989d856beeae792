"""A piece of work that ends its process, as a fault inside a grammar would."""

import os

from fimcurriculum.mining.piece import Piece, PieceResult, mine_piece

__all__ = ["DEADLY", "mine_or_die"]

DEADLY = "src/deadly.py"


def mine_or_die(piece: Piece) -> PieceResult:
    """Mine a piece, and end the process where one of its files is called DEADLY."""
    if any(file.path == DEADLY for file in piece.files):
        os._exit(1)
    return mine_piece(piece)
