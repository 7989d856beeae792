"""Who is in what: sticky, as often as shares say, and one layer knowing nothing of another."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from fimserve.telemetry.experiments import Arm, Catalogue
from fimserve.telemetry.experiments.bucket import NUM_BUCKETS, find_bucket
from support.experiments import make_plan, make_running

NUM_USERS = 4_000
LEAST_P = 1e-6
"""Users are fixed, so a test passes always or never; chance decides once, when it is written."""

user_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
salts = st.text("0123456789abcdef", min_size=1, max_size=32)


def hash_users(num: int = NUM_USERS) -> list[str]:
    """Return hashes of different users."""
    return [hashlib.sha256(f"user {i}".encode()).hexdigest()[:32] for i in range(num)]


def split(*shares: float) -> tuple[Arm, ...]:
    """Return arms of these shares."""
    return tuple(Arm(f"arm{i}", share) for i, share in enumerate(shares))


@given(salts, user_names)
def test_a_user_has_one_bucket_for_ever(salt: str, user: str) -> None:
    bucket = find_bucket(salt, user)
    assert 0 <= bucket < NUM_BUCKETS
    assert find_bucket(salt, user) == bucket


def test_the_bucket_of_a_known_user_does_not_change_with_the_code() -> None:
    # HMAC-SHA-256 of "user" under "salt", computed by openssl: users must not move by an upgrade.
    digest = "48cee8d8b352a2221a8993ac5fafd739ef877013a7576e582ac1363b92995782"
    assert find_bucket("salt", "user") == int(digest[:16], 16) % NUM_BUCKETS


@given(salts, salts, st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5))
def test_a_user_keeps_the_arm_while_others_come_and_go(
    secret: str, salt: str, weights: list[float]
) -> None:
    total = sum(weights)
    arms = split(*(int(1000 * weight / total) / 1000 or 0.001 for weight in weights[:-1]), 0.001)
    plan = make_plan(arms=arms)
    one = make_running(plan, salt)
    neighbour = make_running(make_plan("other", split(1.0), layer="other"), "other")
    alone, beside = Catalogue(secret, [one]), Catalogue(secret, [neighbour, one])
    for user in hash_users(30):
        first = alone.assign(user, "local", None, None)
        again = beside.assign(user, "local", None, None)
        assert again is not None  # the neighbour takes everybody
        mine = [one.arm for one in again.memberships if one.experiment == plan.name]
        assert mine == ([one.arm for one in first.memberships] if first else [])


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 0.2, 0.7), (0.98, 0.02), (0.25, 0.25)])
def test_arms_get_their_shares(shares: tuple[float, ...]) -> None:
    catalogue = Catalogue("secret", [make_running(make_plan(arms=split(*shares)))])
    counts = [0] * (len(shares) + 1)
    for user in hash_users():
        found = catalogue.assign(user, "local", None, None)
        counts[-1 if found is None else int(found.assigned_arm[-1])] += 1
    expected = [*shares, 1 - sum(shares)]
    if expected[-1] < 1e-9:
        assert counts.pop() == 0
        expected.pop()
    assert chisquare(counts, [share * NUM_USERS for share in expected]).pvalue > LEAST_P


@given(st.integers(0, 10**9))
def test_buckets_under_different_salts_are_independent(seed: int) -> None:
    table = [[0, 0], [0, 0]]
    for user in hash_users(400):
        one, other = (find_bucket(f"{seed}{salt}", user) for salt in "ab")
        table[one // 5000][other // 5000] += 1
    # Each cell is binomial with n = 400, p = 1/4: more than 7 standard errors is no chance.
    assert all(abs(cell - 100) < 7 * 8.66 for row in table for cell in row)


def test_layers_and_arms_are_independent_of_each_other() -> None:
    first = make_running(make_plan("one", split(0.5, 0.5), layer="one", share=0.5), "s1", 5_000)
    second = make_running(make_plan("two", split(0.5, 0.5), layer="two"), "s2")
    catalogue = Catalogue("secret", [first, second])
    cells = {(a, b): 0 for a in ("-", "arm0", "arm1") for b in ("arm0", "arm1")}
    for user in hash_users():
        found = catalogue.assign(user, "local", None, None)
        assert found is not None
        *one, two = found.assigned_arm.split("+")
        cells[one[0] if one else "-", two] += 1
    expected = [NUM_USERS * (0.5 if a == "-" else 0.25) * 0.5 for a, _ in cells]
    assert chisquare(list(cells.values()), expected).pvalue > LEAST_P


def test_experiments_of_one_layer_exclude_each_other() -> None:
    low = make_running(make_plan("low", split(1.0), share=0.5), "a", 5_000)
    high = make_running(make_plan("high", split(1.0), share=0.5), "b", 5_000)
    high = high.from_json(high.to_json() | {"buckets": [[5_000, 10_000]]})
    catalogue = Catalogue("secret", [low, high])
    names = [catalogue.assign(user, "local", None, None) for user in hash_users(500)]
    found = {name.experiment for name in names if name is not None}
    assert found == {"low", "high"}
    assert None not in names


def test_the_holdout_is_the_same_whatever_runs_and_grows_by_itself() -> None:
    held_out = []
    for share, salt in ((0.1, "a"), (0.1, "b"), (0.3, "c")):
        catalogue = Catalogue("secret", [make_running(make_plan(), salt)], holdout=share)
        found = {user: catalogue.assign(user, "local", None, None) for user in hash_users(2_000)}
        held_out.append({u for u, one in found.items() if one and one.experiment == "holdout"})
    assert held_out[0] == held_out[1]
    assert held_out[0] < held_out[2]
    assert 130 < len(held_out[0]) < 270


def test_targets_let_only_those_in_whom_they_name() -> None:
    plan = make_plan(arms=split(1.0), tenants=("ours",), languages=("go", "c"), editors=("vim",))
    catalogue = Catalogue("secret", [make_running(plan)])
    user = hash_users(1)[0]
    assert catalogue.assign(user, "ours", "go", "vim") is not None
    for who in [("them", "go", "vim"), ("ours", "java", "vim"), ("ours", None, "vim")]:
        assert catalogue.assign(user, *who) is None
    assert catalogue.assign(user, "ours", "c", "code") is None


def test_a_user_is_hashed_by_tenant_unless_he_is_a_hash() -> None:
    catalogue = Catalogue("secret", [make_running(make_plan())])
    hashes = {
        catalogue.hash_user("one", "ann"),
        catalogue.hash_user("two", "ann"),
        Catalogue("other").hash_user("one", "ann"),
    }
    assert len(hashes) == 3
    assert all(len(one) == 32 for one in hashes)
    assert catalogue.hash_user("one", "0123456789abcdef") == "0123456789abcdef"


def test_shares_that_grow_move_nobody_out() -> None:
    # The buckets of a layer are given away from the lowest on: 10 % is a part of 20 %.
    sizes = [1_000, 2_000, 10_000]
    members = []
    for buckets in sizes:
        one = make_running(make_plan(arms=split(1.0), share=buckets / 10_000), "s", buckets)
        catalogue = Catalogue("secret", [one])
        members.append({u for u in hash_users(800) if catalogue.assign(u, "local", None, None)})
    assert all(less < more for less, more in pairwise(members))
