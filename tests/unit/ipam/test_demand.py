"""`ipam/demand.py`: what a node asks for and what it may give back agree."""

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.demand import (
    PENDING_LIFE_S,
    PENDING_MAX,
    CIDRUse,
    Pending,
    needed,
    releasable,
)
from ciliate.net.address import IPNetwork


@pytest.mark.parametrize(
    ("used", "pre_allocation", "expected"),
    [
        (0, 8, 8),
        (1, 8, 16),
        (8, 8, 16),
        (9, 8, 24),
        (16, 8, 24),
        (0, 16, 16),
        (16, 16, 32),
        (17, 16, 48),
        (0, 0, 0),
        (5, 0, 5),
        (5, 1, 6),
    ],
)
def test_demand_is_that_of_the_reference(used: int, pre_allocation: int, expected: int) -> None:
    assert needed(used, pre_allocation) == expected


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_demand_always_leaves_the_reserve_and_less_than_two(used: int, reserve: int) -> None:
    asked = needed(used, reserve)

    assert asked % reserve == 0
    assert reserve <= asked - used < 2 * reserve


def test_waiting_owner_counts_once_per_pool_and_family() -> None:
    pending = Pending()

    assert pending.add("blue", 4, "default/a", 0.0)
    assert not pending.add("blue", 4, "default/a", 1.0)
    pending.add("blue", 6, "default/a", 1.0)
    pending.add("blue", 4, "default/b", 1.0)

    assert pending.counts() == {("blue", 4): 2, ("blue", 6): 1}


def test_waiting_ends_with_success() -> None:
    pending = Pending()
    pending.add("blue", 4, "default/a", 0.0)

    assert pending.clear("blue", 4, "default/a")
    assert not pending.clear("blue", 4, "default/a")
    assert pending.counts() == {}


def test_waiting_ends_everywhere_with_the_pod() -> None:
    pending = Pending()
    pending.add("blue", 4, "default/a", 0.0)
    pending.add("red", 6, "default/a", 0.0)
    pending.add("red", 6, "default/b", 0.0)

    assert pending.clear_owner("default/a")

    assert pending.counts() == {("red", 6): 1}


def test_silent_owner_expires_five_minutes_after_the_last_attempt() -> None:
    pending = Pending()
    pending.add("blue", 4, "default/a", 0.0)
    pending.add("blue", 4, "default/b", 0.0)
    pending.add("blue", 4, "default/a", 200.0)

    assert not pending.expire(299.9)
    assert pending.expire(300.0)
    assert pending.count("blue", 4) == 1
    assert not pending.expire(499.9)
    assert pending.expire(500.0)
    assert pending.count("blue", 4) == 0


def test_owner_expires_though_the_clock_went_back() -> None:
    pending = Pending()
    pending.add("blue", 4, "default/a", 1_000_000.0)

    assert not pending.expire(10.0)
    assert not pending.expire(309.9)
    assert pending.expire(310.0)


def test_no_more_wait_than_the_bound_and_the_longest_silent_goes() -> None:
    pending = Pending()
    for number in range(PENDING_MAX + 1):
        pending.add("blue", 4, f"default/{number}", float(number))

    assert len(pending) == pending.count("blue", 4) == PENDING_MAX
    assert not pending.clear("blue", 4, "default/0")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "clear", "gone", "expire"]),
            st.sampled_from(["blue", "red"]),
            st.sampled_from([4, 6]),
            st.sampled_from("abc"),
            st.integers(-200, 400),
        )
    )
)
def test_counts_are_those_of_the_entries(
    steps: list[tuple[str, str, int, str, int]],
) -> None:
    """Against a plain dictionary, on a clock that also jumps back."""
    pending, model, now = Pending(), dict[tuple[str, int, str], float](), 0.0
    for action, pool, version, owner, later in steps:
        now += later
        if action == "add":
            pending.add(pool, version, owner, now)
            model[pool, version, owner] = now
        elif action == "clear":
            pending.clear(pool, version, owner)
            model.pop((pool, version, owner), None)
        elif action == "gone":
            pending.clear_owner(owner)
            model = {key: at for key, at in model.items() if key[2] != owner}
        else:
            pending.expire(now)
            model = {key: min(at, now) for key, at in model.items() if now - at < PENDING_LIFE_S}

    assert len(pending) == len(model)
    for pool in ("blue", "red"):
        for version in (4, 6):
            expected = sum(key[:2] == (pool, version) for key in model)
            assert pending.count(pool, version) == expected


def _cidr(number: int) -> IPNetwork:
    return IPv4Network((0x0A000000 + number * 16, 28))


def test_unused_cidrs_go_last_to_first_as_far_as_the_others_suffice() -> None:
    held = [CIDRUse(_cidr(0), 3, 14), CIDRUse(_cidr(1), 0, 14), CIDRUse(_cidr(2), 0, 14)]

    assert releasable(held, needed(3, 4)) == (_cidr(2), _cidr(1))
    assert releasable(held, needed(3, 8)) == (_cidr(2),)


def test_cidr_in_use_stays() -> None:
    held = [CIDRUse(_cidr(0), 0, 14), CIDRUse(_cidr(1), 1, 14)]

    assert releasable(held, 1) == (_cidr(0),)


def test_pool_nobody_needs_is_given_back_whole() -> None:
    held = [CIDRUse(IPv6Network("fd00::/120"), 0, 254)]

    assert releasable(held, 0) == (IPv6Network("fd00::/120"),)


@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(1, 14)), max_size=8),
    st.integers(0, 30),
    st.integers(0, 20),
)
def test_what_is_left_covers_the_demand_and_nothing_more_could_go(
    shape: list[tuple[int, int]], pending: int, reserve: int
) -> None:
    """Else the node would ask for a CIDR again in the moment it gave one back."""
    held = [CIDRUse(_cidr(n), min(used, size), size) for n, (used, size) in enumerate(shape)]
    in_use = sum(each.used for each in held)
    asked = needed(in_use + pending, reserve)

    released = releasable(held, asked)

    left = [each for each in held if each.cidr not in released]
    assert all(each.used == 0 for each in held if each.cidr in released)
    if sum(each.usable for each in held) >= asked:
        assert sum(each.usable for each in left) >= asked
    else:
        assert released == ()
    assert releasable(left, asked) == ()


def test_addresses_in_use_are_no_spare_ones() -> None:
    """Ten are needed and ten in use: the empty CIDR is not needed for them."""
    busy = CIDRUse(IPv4Network("10.0.0.0/28"), used=10, usable=10)
    empty = CIDRUse(IPv4Network("10.0.1.0/28"), used=0, usable=14)

    assert releasable([busy, empty], 10) == (empty.cidr,)
    assert releasable([busy, empty], 11) == ()


def test_expiry_says_whether_anybody_was_silent_for_long() -> None:
    pending = Pending()
    assert pending.expire(1_000.0) is False
    pending.add("blue", 4, "default/a", 1_000.0)

    assert pending.expire(1_000.0) is False
    assert pending.expire(10_000.0) is True
