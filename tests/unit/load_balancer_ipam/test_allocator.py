"""Which Service has which address, and why one has none."""

from collections.abc import Iterable
from typing import Any

import pytest
from tests.unit.load_balancer_ipam.objects import SHARING, pool, request

from ciliate.api.load_balancer_ip_pool import CiliumLoadBalancerIPPool
from ciliate.load_balancer_ipam.allocator import Allocator
from ciliate.load_balancer_ipam.pools import read_pool
from ciliate.load_balancer_ipam.requests import Request
from ciliate.net.address import ip_address

IPS = "lbipam.cilium.io/ips"


def allocator(*pools: CiliumLoadBalancerIPPool) -> Allocator:
    made = Allocator()
    made.load([read_pool(each) for each in pools], {})
    return made


def put(book: Allocator, name: str = "web", *, has: Iterable[str] = (), **parts: Any) -> Request:
    made = request(name, **parts)
    book.put(made, [ip_address(each) for each in has])
    return made


def has(book: Allocator, name: str = "web", namespace: str = "default") -> list[str]:
    found = book.outcome((namespace, name))
    assert found is not None
    return [str(each) for each in found.addresses]


def lacks(book: Allocator, name: str = "web", namespace: str = "default") -> str:
    """The reason, empty for one that is satisfied."""
    found = book.outcome((namespace, name))
    assert found is not None
    assert bool(found.lack.message) == bool(found.lack.reason)
    return "" if found.is_satisfied else found.lack.reason


def message(book: Allocator, name: str = "web") -> str:
    found = book.outcome(("default", name))
    assert found is not None
    return found.lack.message


def set_pools(book: Allocator, *pools: CiliumLoadBalancerIPPool) -> set[str]:
    return {name for _, name in book.set_pools([read_pool(each) for each in pools])}


def test_service_gets_one_address_of_each_family_it_asks_for() -> None:
    book = allocator(pool("192.0.2.0/24", "2001:db8::/64"))
    dual = {"ip_family_policy": "RequireDualStack", "ip_families": ("IPv6", "IPv4")}

    put(book, "one")
    put(book, "two", **dual)

    assert has(book, "one") == ["192.0.2.0"]
    assert has(book, "two") == ["192.0.2.1", "2001:db8::"]
    assert (lacks(book, "one"), lacks(book, "two")) == ("", "")


def test_first_and_last_address_of_a_prefix_are_kept_back_where_the_pool_says_so() -> None:
    book = allocator(pool("192.0.2.0/30", ends="No"))

    for number in range(3):
        put(book, f"s{number}")

    assert [has(book, f"s{number}") for number in range(3)] == [["192.0.2.1"], ["192.0.2.2"], []]
    put(book, "first", annotations={IPS: "192.0.2.0"})
    assert lacks(book, "first") == "already_allocated"
    assert "192.0.2.0/30, which pool blue keeps back" in message(book, "first")


def test_freed_address_is_given_again_last() -> None:
    book = allocator(pool("192.0.2.0/30"))
    for number in range(3):
        put(book, f"s{number}")

    book.remove(("default", "s0"))
    put(book, "next")
    put(book, "last")

    assert (has(book, "next"), has(book, "last")) == (["192.0.2.3"], ["192.0.2.0"])


def test_older_service_gets_what_becomes_free() -> None:
    book = allocator(pool("192.0.2.0/32"))
    put(book, "holder", second=9)
    put(book, "young", second=8)
    put(book, "old", second=2)
    assert (lacks(book, "young"), lacks(book, "old")) == ("out_of_ips", "out_of_ips")
    assert book.unsatisfied == 2

    touched = book.remove(("default", "holder"))

    assert touched == {("default", "holder"), ("default", "old")}
    assert has(book, "old") == ["192.0.2.0"]
    assert lacks(book, "young") == "out_of_ips"


def test_selector_of_the_pool_decides_who_may_have_its_addresses() -> None:
    red = pool("192.0.2.0/24", name="red", selector={"color": "red"}, second=1)
    shop = pool(
        *("198.51.100.0/24",),
        name="shop",
        second=2,
        selector={
            "io.kubernetes.service.namespace": "shop",
            "io.kubernetes.service.name": "web",
        },
    )
    book = allocator(red, shop)

    put(book, "a", labels={"color": "red"})
    put(book, "web", namespace="shop")
    put(book, "b")

    assert has(book, "a") == ["192.0.2.0"]
    assert has(book, "web", "shop") == ["198.51.100.0"]
    assert lacks(book, "b") == "no_pool"
    assert message(book, "b").startswith(
        "There are no enabled CiliumLoadBalancerIPPools that match this service"
    )

    put(book, "a", labels={"color": "blue"})
    put(book, "b", labels={"color": "red"})

    assert (has(book, "a"), lacks(book, "a")) == ([], "no_pool")
    assert has(book, "b") == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("asked", "reason", "told"),
    [
        ("192.0.2.7", "", ""),
        ("203.0.113.1", "no_pool", "no CiliumLoadBalancerIPPool has a block with 203.0.113.1"),
        ("198.51.100.1", "pool_selector_mismatch", "pool red, whose serviceSelector leaves this"),
        ("192.0.2.128", "no_pool", "192.0.2.128 is of pool off, which is disabled"),
        ("192.0.2.0", "already_allocated", "Service default/first has it, and does not share it"),
        ("192.0.2.x", "invalid_ip", 'lbipam.cilium.io/ips: "192.0.2.x" is no address'),
        ("192.0.2.7,203.0.113.1", "no_pool", "203.0.113.1"),
    ],
)
def test_address_that_is_asked_for_is_given_or_it_is_said_why_not(
    asked: str, reason: str, told: str
) -> None:
    book = allocator(
        pool("192.0.2.0/25"),
        pool("198.51.100.0/24", name="red", selector={"color": "red"}),
        pool("192.0.2.128/25", name="off", disabled=True),
    )
    put(book, "first")

    put(book, annotations={IPS: asked})

    assert lacks(book) == reason
    assert told in message(book)
    assert has(book) == [ip for ip in asked.split(",") if ip == "192.0.2.7"]


def test_service_whose_wish_cannot_be_read_gets_no_other_address_and_keeps_what_it_has() -> None:
    book = allocator(pool("192.0.2.0/24"))
    put(book, "new", annotations={IPS: "nonsense"})
    put(book, "old")

    put(book, "old", annotations={IPS: "nonsense"})

    assert (has(book, "new"), lacks(book, "new")) == ([], "invalid_ip")
    assert (has(book, "old"), lacks(book, "old")) == (["192.0.2.0"], "invalid_ip")


def test_former_field_and_annotation_ask_for_both_addresses() -> None:
    book = allocator(pool("192.0.2.0/24"))

    put(book, load_balancer_ip="192.0.2.9", annotations={IPS: "192.0.2.8"})

    assert (has(book), lacks(book)) == (["192.0.2.9", "192.0.2.8"], "")


def test_service_that_asks_for_no_addresses_any_more_keeps_one_of_them() -> None:
    book = allocator(pool("192.0.2.0/24"))
    put(book, annotations={IPS: "192.0.2.9,192.0.2.8"})

    put(book)

    assert has(book) == ["192.0.2.9"]


def test_one_family_is_enough_where_two_are_preferred_and_not_where_they_are_required() -> None:
    book = allocator(pool("192.0.2.0/24"))
    families = ("IPv4", "IPv6")

    put(book, "prefers", ip_family_policy="PreferDualStack", ip_families=families)
    put(book, "requires", ip_family_policy="RequireDualStack", ip_families=families)

    assert (has(book, "prefers"), lacks(book, "prefers")) == (["192.0.2.0"], "")
    assert "none has IPv6 addresses" in message(book, "prefers")
    assert (has(book, "requires"), lacks(book, "requires")) == (["192.0.2.1"], "no_pool")
    assert book.unsatisfied == 1

    set_pools(book, pool("192.0.2.0/24"), pool("2001:db8::/64", name="six"))

    assert has(book, "prefers") == ["192.0.2.0", "2001:db8::"]
    assert (has(book, "requires")[1], lacks(book, "requires")) == ("2001:db8::1", "")


def test_family_that_is_no_longer_asked_for_is_taken_back() -> None:
    book = allocator(pool("192.0.2.0/24", "2001:db8::/64"))
    put(book, ip_family_policy="RequireDualStack", ip_families=("IPv4", "IPv6"))

    put(book, ip_family_policy="SingleStack", ip_families=("IPv6",))

    assert has(book) == ["2001:db8::"]


def test_services_of_one_sharing_key_have_one_address_until_their_ports_clash() -> None:
    book = allocator(pool("192.0.2.0/24", "2001:db8::/64"))
    key = {SHARING: "k"}
    dual: dict[str, Any] = {"ip_family_policy": "PreferDualStack", "ip_families": ("IPv4", "IPv6")}

    put(book, "http", annotations=key, ports=[(80, "TCP")], **dual)
    put(book, "quic", annotations=key, ports=[(443, "UDP"), (80, "UDP")], **dual)
    put(book, "other", annotations=key, ports=[(80, "TCP")])
    put(book, "alone", ports=[(8080, "TCP")])

    assert has(book, "http") == has(book, "quic") == ["192.0.2.0", "2001:db8::"]
    assert has(book, "other") == ["192.0.2.1"]
    assert has(book, "alone") == ["192.0.2.2"]
    assert book.used(book.pools[0]) == (4, 256 + 2**64 - 4)

    # A port that clashes from now on: who changed goes, to the other address of the key.
    put(book, "quic", annotations=key, ports=[(80, "TCP"), (443, "UDP")])
    assert has(book, "http") == ["192.0.2.0", "2001:db8::"]
    assert has(book, "quic") == ["192.0.2.3"]


def test_address_is_free_when_the_last_that_shares_it_is_gone() -> None:
    book = allocator(pool("192.0.2.0/32"))
    put(book, "one", annotations={SHARING: "k"}, ports=[(80, "TCP")])
    put(book, "two", annotations={SHARING: "k"}, ports=[(81, "TCP")])
    put(book, "waits")

    book.remove(("default", "one"))
    assert (has(book, "two"), lacks(book, "waits")) == (["192.0.2.0"], "out_of_ips")
    book.remove(("default", "two"))
    assert has(book, "waits") == ["192.0.2.0"]


def test_who_waits_for_an_address_to_share_gets_it_from_whoever_comes() -> None:
    book = allocator(pool("192.0.2.0/32"))
    put(book, "holder", annotations={SHARING: "a"}, ports=[(80, "TCP")])
    put(book, "waits", annotations={SHARING: "b"}, ports=[(81, "TCP")])
    assert lacks(book, "waits") == "out_of_ips"

    put(book, "holder", annotations={SHARING: "b"}, ports=[(80, "TCP")])

    assert has(book, "holder") == has(book, "waits") == ["192.0.2.0"]


def test_why_the_address_of_the_key_cannot_be_had_is_said() -> None:
    book = allocator(pool("192.0.2.0/32"))
    put(book, "one", annotations={SHARING: "k"})
    put(book, "two", annotations={SHARING: "k"})
    put(book, "asks", annotations={SHARING: "k", IPS: "192.0.2.0"})

    assert lacks(book, "two") == "out_of_ips"
    assert "192.0.2.0: Service default/one has it, and cannot share it: both have" in message(
        book, "two"
    )
    assert lacks(book, "asks") == "already_allocated_incompatible_service"


def test_restart_gives_every_service_what_it_has_before_it_gives_anything() -> None:
    book = Allocator()
    found = {
        made.key: (made, [ip_address(each) for each in held])
        for made, held in (
            (request("lacks", second=1), []),
            (request("young", second=3), ["192.0.2.0"]),
            (request("twice", second=4), ["192.0.2.0"]),
            (request("foreign", second=5), ["203.0.113.1"]),
        )
    }

    book.load([read_pool(pool("192.0.2.0/30"))], found)

    assert has(book, "young") == ["192.0.2.0"]
    assert has(book, "lacks") == ["192.0.2.1"]
    assert has(book, "twice") == ["192.0.2.2"]
    assert has(book, "foreign") == ["192.0.2.3"]


def test_service_that_comes_with_an_address_of_a_pool_keeps_it() -> None:
    """As one that was restored from a backup, or made by another load balancer."""
    book = allocator(pool("192.0.2.0/24"))

    put(book, has=["192.0.2.77", "192.0.2.78"])

    assert has(book) == ["192.0.2.77"]


@pytest.mark.parametrize("restarted", [False, True])
def test_pool_that_is_disabled_or_in_conflict_or_wrong_keeps_what_it_gave(
    *, restarted: bool
) -> None:
    book = allocator(pool("192.0.2.0/30", second=5))
    made = put(book)
    for changed in (
        [pool("192.0.2.0/30", second=5, disabled=True)],
        [pool("192.0.2.0/30", second=5), pool("192.0.2.0/24", name="older", selector={"a": "b"})],
        [pool("192.0.2.0/30", "192.0.2.9/40", second=5)],
        [pool("192.0.2.0/99", second=5)],
    ):
        if restarted:
            book = Allocator()
            read = [read_pool(each) for each in changed]
            book.load(read, {made.key: (made, [ip_address("192.0.2.0")])})
        else:
            assert set_pools(book, *changed) <= {"next"}
        put(book, "next")

        assert (has(book), lacks(book)) == (["192.0.2.0"], "")
        assert lacks(book, "next") == "no_pool"


def test_block_that_is_gone_takes_its_addresses_back_and_others_replace_them() -> None:
    book = allocator(pool("192.0.2.0/30", "198.51.100.0/30"))
    for number in range(5):
        put(book, f"s{number}")
    assert has(book, "s4") == ["198.51.100.0"]

    touched = set_pools(book, pool("198.51.100.0/30"))

    assert touched == {"s0", "s1", "s2", "s3"}
    assert [has(book, f"s{number}") for number in range(5)] == [
        ["198.51.100.1"], ["198.51.100.2"], ["198.51.100.3"], [], ["198.51.100.0"],
    ]  # fmt: skip
    assert lacks(book, "s3") == "out_of_ips"


def test_pool_that_grows_changes_no_address() -> None:
    book = allocator(pool("192.0.2.4/30"))
    for number in range(4):
        put(book, f"s{number}")

    assert set_pools(book, pool("192.0.2.0/24")) == set()
    assert has(book, "s3") == ["192.0.2.7"]


def test_pool_that_comes_back_gives_the_same_addresses_again() -> None:
    """As `kubectl replace --force` does."""
    book = allocator(pool("192.0.2.0/30"))
    put(book, "gone")
    put(book)
    book.remove(("default", "gone"))

    assert set_pools(book) == {"web"}
    assert (has(book), lacks(book)) == ([], "no_pool")
    assert set_pools(book, pool("192.0.2.0/30")) == {"web"}
    assert has(book) == ["192.0.2.1"]


def test_numbers_of_a_pool_are_of_what_can_be_given() -> None:
    book = allocator(pool("192.0.2.0/29"))
    put(book)
    assert book.used(book.pools[0]) == (1, 7)

    set_pools(book, pool("192.0.2.0/29", ends="No"))

    # The first is not given any more, and still had.
    assert has(book) == ["192.0.2.0"]
    assert book.used(book.pools[0]) == (1, 6)


def test_what_is_as_it_was_changes_nothing() -> None:
    book = allocator(pool("192.0.2.0/30"))
    made = put(book)

    assert book.put(made, []) == set()
    assert book.remove(("default", "nobody")) == set()
