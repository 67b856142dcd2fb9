import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.ipam.carving import Carving, Cidr
from ciliate.ipam.claims import ClaimIndex


def carving(text: str, length: int) -> Carving:
    return Carving(Cidr.parse(text), length)


def test_blocks_are_the_ranges_parts_in_order() -> None:
    blocks = carving("10.0.0.0/22", 24)

    assert [str(blocks.allocate("n")) for _ in range(5)] == [
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.0.2.0/24",
        "10.0.3.0/24",
        "None",
    ]
    assert blocks.used == blocks.blocks == 4


def test_ipv6_is_cut_alike() -> None:
    blocks = carving("fd00::/104", 120)

    assert str(blocks.allocate("n")) == "fd00::/120"
    assert str(blocks.allocate("n")) == "fd00::100/120"


def test_a_use_of_odd_size_occupies_every_block_it_overlaps() -> None:
    blocks = carving("10.0.0.0/22", 24)
    blocks.occupy(Cidr.parse("10.0.0.0/23"), "wide")
    blocks.occupy(Cidr.parse("10.0.2.128/25"), "narrow")

    assert str(blocks.allocate("n")) == "10.0.3.0/24"
    assert blocks.holders(0) == {"wide"}
    assert blocks.holders(2) == {"narrow"}


def test_a_block_with_two_uses_is_free_when_both_have_ended() -> None:
    blocks = carving("10.0.0.0/24", 24)
    blocks.occupy(Cidr.parse("10.0.0.0/25"), "a")
    blocks.occupy(Cidr.parse("10.0.0.0/24"), "b")
    blocks.occupy(Cidr.parse("10.0.0.7/32"), "a")

    assert not blocks.vacate(Cidr.parse("10.0.0.0/25"), "a")
    assert not blocks.vacate(Cidr.parse("10.0.0.0/24"), "b")
    assert blocks.holders(0) == {"a"}
    assert blocks.vacate(Cidr.parse("10.0.0.7/32"), "a")
    assert blocks.used == 0


def test_a_use_wider_than_the_range_covers_it_whole() -> None:
    blocks = carving("10.0.0.0/12", 32)
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
    for cidr, node in claims:
        index.add(cidr, node)
    gone = data.draw(st.sets(st.sampled_from(claims)) if claims else st.just(set()))
    list(index.overlapping(sought))  # From now on the order is kept.
    for cidr, node in gone:
        index.remove(cidr, node)

    found = sorted((node, cidr) for _rank, node, cidr in index.overlapping(sought))

    left = [claim for claim in claims if claim not in gone]
    assert found == sorted((node, cidr) for cidr, node in left if cidr.overlaps(sought))
