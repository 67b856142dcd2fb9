"""`ipam/errors.py`: each error carries its facts, and names them to whoever reads it."""

from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, ip_network
from typing import Any

import pytest

from ciliate.ipam import errors

BLOCK, NEXT = ip_network("10.0.0.0/24"), ip_network("10.0.1.0/24")
CHOICE = {"where": "the pod", "key": "ipam.cilium.io/ip-pool"}

FACTS: list[tuple[Callable[[], errors.IPAMError], dict[str, Any], list[str]]] = [
    (partial(errors.BlockExhaustedError, BLOCK, 254), {"cidr": BLOCK, "usable": 254}, []),
    (
        partial(errors.AddressTakenError, IPv4Address("10.0.0.7"), "default/a"),
        {"address": IPv4Address("10.0.0.7"), "owner": "default/a"},
        [],
    ),
    (
        partial(errors.AddressOutOfRangeError, IPv4Address("10.0.9.7"), BLOCK, NEXT),
        {"address": IPv4Address("10.0.9.7"), "cidrs": (BLOCK, NEXT)},
        ["10.0.0.0/24 10.0.1.0/24"],
    ),
    (
        partial(errors.AddressOutOfRangeError, IPv4Address("10.0.9.7")),
        {"address": IPv4Address("10.0.9.7"), "cidrs": ()},
        ["is empty"],
    ),
    (partial(errors.PoolNotReadyError, "blue", 6), {"pool": "blue", "version": 6}, ["ipv6"]),
    (
        partial(errors.PoolExhaustedError, "blue", 4, (BLOCK, NEXT)),
        {"pool": "blue", "version": 4},
        ["ipv4", "10.0.0.0/24, 10.0.1.0/24"],
    ),
    (
        partial(errors.ObjectUnknownError, "shop/web-1", "Pod", "shop/web-1"),
        {"owner": "shop/web-1", "kind": "Pod", "name": "shop/web-1"},
        ['resource Pod "shop/web-1" not found'],
    ),
    (partial(errors.PoolsNotSyncedError, "shop/web-1"), {"owner": "shop/web-1"}, []),
    (
        partial(
            errors.PoolNameError,
            "shop/web-1",
            **CHOICE,
            value="Blue",
            problem="is no name",
            nearest="blue",
        ),
        CHOICE | {"owner": "shop/web-1", "value": "Blue", "nearest": "blue"},
        ["'Blue', which is no name; nearest: 'blue': "],
    ),
    (
        partial(errors.PoolUnknownError, "shop/web-1", **CHOICE, pool="blu", nearest="blue"),
        CHOICE | {"owner": "shop/web-1", "pool": "blu", "nearest": "blue"},
        ["nearest: 'blue': "],
    ),
    (
        partial(errors.PoolUnknownError, "shop/web-1", **CHOICE, pool="blu", nearest=None),
        CHOICE | {"owner": "shop/web-1", "pool": "blu", "nearest": None},
        ["does not exist (yet): create"],
    ),
    (
        partial(errors.PoolFamilyError, "shop/web-1", **CHOICE, pool="blue", version=6),
        CHOICE | {"owner": "shop/web-1", "pool": "blue", "version": 6},
        ["ipam.cilium.io/ipv6-pool", "spec.ipv6"],
    ),
    (
        partial(errors.PoolAmbiguousError, "shop/web-1", 4, ["blue", "red"]),
        {"owner": "shop/web-1", "version": 4, "pools": ("blue", "red")},
        ["[blue red]", "family=ipv4", "ipam.cilium.io/ipv4-pool"],
    ),
    (
        partial(errors.PoolRequiredError, "shop/web-1", 6, "namespace"),
        {"owner": "shop/web-1", "version": 6, "where": "namespace"},
        ["set on namespace: ", "family=ipv6", "ipam.cilium.io/ipv6-pool"],
    ),
]


@pytest.mark.parametrize(("make", "facts", "words"), FACTS)
def test_error_carries_its_facts_and_names_them(
    make: Callable[[], errors.IPAMError], facts: dict[str, Any], words: list[str]
) -> None:
    error = make()

    assert {name: getattr(error, name) for name in facts} == facts
    for fact in facts.values():
        if isinstance(fact, str | int | IPv4Address):
            assert str(fact) in str(error)
    for word in words:
        assert word in str(error)


def test_value_that_is_long_is_cut_and_counted() -> None:
    assert errors.shown("a" * 64) == repr("a" * 64)
    assert errors.shown("a" * 65) == f"{'a' * 64!r}… (65 characters)"
    assert "\n" not in errors.shown("two\nlines")


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "[p0]"), (8, "[p0 p1 p2 p3 p4 p5 p6 p7]"), (10, "[p0 p1 p2 p3 p4 p5 p6 p7 and 2 more]")],
)
def test_names_that_are_many_end_in_their_count(count: int, text: str) -> None:
    assert errors.shown_names([f"p{number}" for number in range(count)]) == text
