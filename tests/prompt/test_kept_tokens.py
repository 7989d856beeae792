"""What was shown lately is found again, within a bound."""

from hypothesis import given
from hypothesis import strategies as st

from fimserve.prompt import KeptTokens

PIECES = st.lists(st.text(alphabet="abc", min_size=1, max_size=3), max_size=200)


def test_ids_are_found_again() -> None:
    kept = KeptTokens()
    assert kept.find("x = 1\n") is None
    assert kept.keep("x = 1\n", [7, 8]) == (7, 8)
    assert kept.find("x = 1\n") == (7, 8)


def test_many_are_found_as_one_by_one() -> None:
    kept = KeptTokens(max_generation_bytes=600)
    for number in range(6):  # some are of the old generation by now, some forgotten
        kept.keep(f"piece {number}", [number])
    pieces = [f"piece {number}" for number in range(7)]
    expected = [kept.find(piece) for piece in pieces]
    assert kept.find_all(pieces) == expected
    assert kept.find_all(pieces[5:6]) == [(5,)]
    assert None in expected


def test_a_session_has_its_own() -> None:
    KeptTokens().keep("secret", [1])
    assert KeptTokens().find("secret") is None


def test_what_is_used_outlives_what_is_not() -> None:
    kept = KeptTokens(max_generation_bytes=2000)
    kept.keep("used", [1])
    kept.keep("unused", [2])
    for number in range(40):
        kept.keep(f"piece {number}", [number])
        assert kept.find("used") == (1,)
    assert kept.find("unused") is None


def test_a_piece_larger_than_a_generation_is_not_kept() -> None:
    kept = KeptTokens(max_generation_bytes=1000)
    kept.keep("x", [1])
    assert kept.keep("y" * 2000, [2]) == (2,)
    assert kept.find("y" * 2000) is None
    assert kept.find("x") == (1,)


@given(PIECES)
def test_no_order_of_pieces_exceeds_two_generations(pieces: list[str]) -> None:
    kept = KeptTokens(max_generation_bytes=1500)
    for piece in pieces:
        if kept.find(piece) is None:
            kept.keep(piece, list(map(ord, piece)))
        assert kept.find(piece) == tuple(map(ord, piece))
        assert kept.num_bytes <= 3000
    assert kept.num_bytes >= 100 * len(kept)
