import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.cidr_set import Cidr, CidrSet
from ciliate.ipam.claims import ClaimIndex


def cidr_set(text: str, length: int) -> CidrSet:
    return CidrSet(Cidr.parse(text), length)


def test_blocks_are_the_ranges_parts_in_order() -> None:
    blocks = cidr_set("10.0.0.0/22", 24)

    assert [str(blocks.allocate("n")) for _ in range(5)] == [
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.0.2.0/24",
        "10.0.3.0/24",
        "None",
    ]
    assert blocks.used == blocks.blocks == 4


def test_ipv6_is_cut_alike() -> None:
    blocks = cidr_set("fd00::/104", 120)

    assert str(blocks.allocate("n")) == "fd00::/120"
    assert str(blocks.allocate("n")) == "fd00::100/120"


def test_a_use_of_odd_size_occupies_every_block_it_overlaps() -> None:
    blocks = cidr_set("10.0.0.0/22", 24)
    blocks.occupy(Cidr.parse("10.0.0.0/23"), "wide")
    blocks.occupy(Cidr.parse("10.0.2.128/25"), "narrow")

    assert str(blocks.allocate("n")) == "10.0.3.0/24"
    assert blocks.owners(0) == {"wide"}
    assert blocks.owners(2) == {"narrow"}


def test_a_block_with_two_uses_is_free_when_both_have_ended() -> None:
    blocks = cidr_set("10.0.0.0/24", 24)
    blocks.occupy(Cidr.parse("10.0.0.0/25"), "a")
    blocks.occupy(Cidr.parse("10.0.0.0/24"), "b")
    blocks.occupy(Cidr.parse("10.0.0.7/32"), "a")

    assert not blocks.vacate(Cidr.parse("10.0.0.0/25"), "a")
    assert not blocks.vacate(Cidr.parse("10.0.0.0/24"), "b")
    assert blocks.owners(0) == {"a"}
    assert blocks.vacate(Cidr.parse("10.0.0.7/32"), "a")
    assert blocks.used == 0


def test_a_use_wider_than_the_range_covers_it_whole() -> None:
    blocks = cidr_set("10.0.0.0/12", 32)
    blocks.occupy(Cidr.parse("10.0.0.0/8"), "wide")

    assert blocks.allocate("n") is None
    assert blocks.used == blocks.blocks
    assert blocks.vacate(Cidr.parse("10.0.0.0/8"), "wide")
    assert str(blocks.allocate("n")) == "10.0.0.0/32"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "node", "10.0.0.0/24/3", ""])
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cidr.parse(text)


def test_bits_behind_the_prefix_do_not_matter() -> None:
    assert str(Cidr.parse("10.0.0.77/24")) == "10.0.0.0/24"


PREFIXES = st.builds(
    lambda address, length: Cidr(4, address >> (32 - length) << (32 - length), length),
    st.integers(0x0A000000, 0x0A0000FF),
    st.integers(22, 32),
)


@given(st.lists(st.tuples(PREFIXES, st.sampled_from("abc")), unique=True), PREFIXES, st.data())
def test_the_index_finds_what_looking_at_all_finds(
    claims: list[tuple[Cidr, str]], sought: Cidr, data: st.DataObject
) -> None:
    index = ClaimIndex()
    early = data.draw(st.integers(0, len(claims)))
    for cidr, node in claims[:early]:
        index.add(cidr, node)
    list(index.overlapping(sought))  # From now on the order is kept.
    for cidr, node in claims[early:]:
        index.add(cidr, node)
    gone = data.draw(st.sets(st.sampled_from(claims)) if claims else st.just(set()))
    for cidr, node in gone:
        index.remove(cidr, node)

    found = sorted((node, cidr) for _rank, node, cidr in index.overlapping(sought))

    left = [claim for claim in claims if claim not in gone]
    assert found == sorted((node, cidr) for cidr, node in left if cidr.overlaps(sought))


def test_block_is_its_users_until_each_use_of_each_has_ended() -> None:
    blocks = cidr_set("10.0.0.0/24", 24)
    block = Cidr.parse("10.0.0.0/24")
    for owner in ("a", "b", "b", "c"):
        blocks.occupy(block, owner)

    assert not blocks.vacate(block, "b")
    assert blocks.owners(0) == {"a", "b", "c"}
    assert not blocks.vacate(block, "b")
    assert blocks.owners(0) == {"a", "c"}
    assert not blocks.vacate(block, "a")
    assert blocks.owners(0) == {"c"}
    assert blocks.vacate(block, "c")
    assert blocks.owners(0) == set()


@pytest.mark.parametrize("kept", ["10.0.7.0/24", "10.0.0.0/8"], ids=["a block", "the range"])
def test_block_that_is_kept_for_two_reasons_is_free_when_neither_counts(kept: str) -> None:
    blocks = cidr_set("10.0.0.0/12", 24)
    count = 1 if kept == "10.0.7.0/24" else blocks.blocks
    blocks.reserve(Cidr.parse(kept), "address of a")
    blocks.reserve(Cidr.parse(kept), "address of b")
    assert blocks.reserved == blocks.used == count

    assert not blocks.unreserve(Cidr.parse(kept), "address of b")
    assert blocks.owners(7) == {"address of a"}
    assert blocks.reserved == count

    assert blocks.unreserve(Cidr.parse(kept), "address of a")
    assert blocks.reserved == blocks.used == 0


WIDE = st.builds(
    lambda address, length: Cidr(4, address >> (32 - length) << (32 - length), length),
    st.integers(0x0A000000, 0x0A07FFFF),
    st.sampled_from([10, 13, 14, 15, 16, 21, 28, 31, 32]),
)


@given(st.lists(WIDE, max_size=6), st.integers(0, 5))
def test_blocks_in_use_are_those_that_looking_at_all_finds(uses: list[Cidr], ended: int) -> None:
    """Of 2^19 blocks, in many segments: uses of a few and of all, by two owners, some ended."""
    blocks = cidr_set("10.0.0.0/13", 32)
    for number, use in enumerate(uses):
        blocks.occupy(use, f"n{number % 2}")
    for number, use in enumerate(uses[:ended]):
        blocks.vacate(use, f"n{number % 2}")

    left = [(f"n{number % 2}", use) for number, use in enumerate(uses)][ended:]
    spans = sorted((max(u.first, blocks.cidr.first), min(u.last, blocks.last)) for _, u in left)
    count, reached = 0, blocks.cidr.first - 1
    for first, last in spans:
        count += max(0, last - max(first - 1, reached))
        reached = max(reached, last)
    assert blocks.used == count
    for _, use in left:
        at = max(use.first, blocks.cidr.first)
        expected = {name for name, each in left if each.first <= at <= each.last}
        assert blocks.owners(blocks.number(at)) == expected


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("10.0.1.0/24", True),
        ("10.0.1.0/25", False),
        ("10.0.0.0/23", False),
        ("10.9.0.0/24", False),
        ("fd00::/24", False),
    ],
)
def test_whole_block_is_one_of_the_ranges_blocks(*, text: str, whole: bool) -> None:
    assert cidr_set("10.0.0.0/22", 24).whole(Cidr.parse(text)) is whole


def test_claim_of_a_second_node_is_found_once_also_when_it_comes_late() -> None:
    index = ClaimIndex()
    inside, around = Cidr.parse("10.0.0.0/25"), Cidr.parse("10.0.0.0/24")
    index.add(inside, "a")
    list(index.overlapping(around))  # From now on the order is kept.
    index.add(inside, "b")

    assert [node for _rank, node, _cidr in index.overlapping(around)] == ["a", "b"]

    index.remove(inside, "a")
    index.remove(inside, "b")
    assert list(index.overlapping(around)) == []
