"""What a pool is used for, and which pools are in each other's way."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.load_balancer_ipam.objects import pool

from ciliate.load_balancer_ipam.pools import BLOCKS_MAX, Taken, read_pool, without_conflicts
from ciliate.net.address import IPv4Address, ip_address, ip_network


def conflicts(*pools: object) -> dict[str, str]:
    settled = without_conflicts(read_pool(each) for each in pools)  # type: ignore[arg-type]
    return {each.name: each.conflict for each in settled}


def test_younger_of_two_pools_that_overlap_is_in_conflict() -> None:
    old = pool("192.0.2.0/24", name="old", second=1)
    young = pool("198.51.100.0/24", "192.0.2.250 - 192.0.3.5", name="a-young", second=2)

    assert conflicts(young, old) == {
        "old": "",
        "a-young": "block 192.0.2.250 - 192.0.3.5 overlaps block 192.0.2.0/24 of pool old, which is"
        " older; nothing more is given out of this pool: change one of the blocks",
    }


def test_conflict_names_the_pools_own_block_first_wherever_it_begins() -> None:
    for block in ("192.0.2.4 - 192.0.2.9", "192.0.2.6 - 192.0.2.9"):
        found = conflicts(
            pool("192.0.2.5 - 192.0.2.7", name="old", second=1), pool(block, name="new", second=2)
        )
        assert found["new"].startswith(
            f"block {block} overlaps block 192.0.2.5 - 192.0.2.7 of pool old"
        )


def test_pool_that_overlaps_one_in_conflict_is_used() -> None:
    found = conflicts(
        pool("192.0.2.0/24", name="a", second=1),
        pool("192.0.2.128/25", "198.51.100.0/24", name="b", second=2),
        pool("198.51.100.0/25", name="c", second=3),
    )

    assert [bool(found[name]) for name in "abc"] == [False, True, False]


def test_pool_whose_own_blocks_overlap_is_in_conflict() -> None:
    assert "192.0.2.0/24 and 192.0.2.9" in conflicts(pool("192.0.2.9", "192.0.2.0/24"))["blue"]
    assert conflicts(pool("192.0.2.0/25", "192.0.2.128/25"))["blue"] == ""


def test_families_are_in_nobodys_way() -> None:
    found = conflicts(
        pool("2001:db8::/64", "192.0.2.0/24", name="a"), pool("2001:db9::/64", name="b")
    )

    assert found == {"a": "", "b": ""}


def test_pool_with_a_block_that_cannot_be_read_gives_nothing_and_takes_nothing_back() -> None:
    wrong = read_pool(pool("192.0.2.0/24", "192.0.2.9 - 192.0.2.1"))

    assert not wrong.gives
    assert wrong.problem.startswith('spec.blocks[1]: "192.0.2.9 - 192.0.2.1" ends before')
    assert wrong.has(ip_address("203.0.113.1"))
    assert not wrong.names(ip_address("203.0.113.1"))


def test_pool_of_too_many_blocks_gives_nothing() -> None:
    many = [str(IPv4Address("192.0.2.0") + 2 * number) for number in range(BLOCKS_MAX + 1)]

    assert read_pool(pool(*many[:-1])).gives
    assert (
        read_pool(pool(*many)).problem == "spec.blocks: 1025 blocks, more than 1024: use prefixes"
    )


def test_pool_without_blocks_is_none_that_is_wrong() -> None:
    assert read_pool(pool()).gives


def test_pool_tells_of_the_first_that_has_addresses_of_it() -> None:
    made = read_pool(pool("10.96.8.0/30", "192.0.2.0/24", "2001:db8::/64"))

    def overlap(*networks: str) -> str:
        return made.overlap(Taken(ip_network(each), f"by {each}") for each in networks)

    assert overlap("10.96.8.4/30", "192.0.3.0/24", "2001:db8:1::/64") == ""
    assert overlap("192.0.3.0/24", "10.96.0.0/16").startswith(
        "block 10.96.8.0/30 has addresses of 10.96.0.0/16, by 10.96.0.0/16: a Service that"
    )
    assert "block 192.0.2.0/24 has addresses of 192.0.2.9, by" in overlap("192.0.2.9/32")
    assert "block 2001:db8::/64 has addresses of 2001:db8::/48, by" in overlap("2001:db8::/48")


SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 8)).map(lambda span: (span[0], sum(span))),
    max_size=5,
)


@given(SPANS, SPANS)
def test_conflict_is_an_address_that_two_blocks_have(
    mine: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    def texts(spans: list[tuple[int, int]]) -> list[str]:
        return [f"192.0.2.{low} - 192.0.2.{high}" for low, high in spans]

    def numbers(spans: list[tuple[int, int]]) -> list[int]:
        return [number for low, high in spans for number in range(low, high + 1)]

    found = conflicts(
        pool(*texts(others), name="a", second=1), pool(*texts(mine), name="b", second=2)
    )

    own = {name: len(set(taken)) < len(taken) for name, taken in
           (("a", numbers(others)), ("b", numbers(mine)))}  # fmt: skip
    shared = bool(set(numbers(mine)) & set(numbers(others)))
    assert bool(found["a"]) == own["a"]
    assert bool(found["b"]) == (own["b"] or (shared and not own["a"]))
    one = read_pool(pool(*texts(mine)))
    for number in range(60):
        address = IPv4Address("192.0.2.0") + number
        assert one.names(address) == (number in numbers(mine))
