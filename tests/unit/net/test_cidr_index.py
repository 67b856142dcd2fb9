from ipaddress import IPv4Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from ciliate.net.address import IPAddress, IPNetwork, to_octets
from ciliate.net.cidr_index import CIDRIndex, PrefixIndex

CIDRS = st.builds(
    lambda address, bits: IPv4Network((address >> bits << bits, 32 - bits)),
    st.integers(0x0A000000, 0x0A0000FF),
    st.integers(0, 10),
)


def numbers(cidr: IPv4Network) -> tuple[int, int]:
    return int(cidr.network_address), 32 - cidr.prefixlen


def index_of(*cidrs: IPNetwork) -> CIDRIndex[IPNetwork]:
    index: CIDRIndex[IPNetwork] = CIDRIndex()
    for cidr in cidrs:
        index.put(cidr, cidr)
    return index


def octets(address: str) -> bytes:
    return to_octets(ip_address(address))


def test_the_longest_cidr_around_an_address_is_found_whatever_the_order() -> None:
    wide, narrow = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16")
    for order in ((wide, narrow), (narrow, wide)):
        index = index_of(*order)
        assert index.find(octets("10.1.2.3")) == narrow
        assert index.find(octets("10.2.2.3")) == wide
        assert index.find(octets("11.1.2.3")) is None


def test_removed_cidr_gives_way_to_the_one_around_it_and_twice_is_a_success() -> None:
    wide, narrow = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16")
    index = index_of(wide, narrow)
    index.remove(narrow)
    index.remove(narrow)
    assert index.find(octets("10.1.2.3")) == wide


def test_mapped_ipv4_and_ipv6_share_an_index() -> None:
    four, six = ip_network("10.0.0.0/8"), ip_network("fd00::/64")
    index = index_of(four, six)
    assert index.find(octets("10.1.1.1")) == four
    assert index.find(octets("fd00::1")) == six
    assert index.find(octets("fd00:0:0:1::")) is None


def test_a_later_value_wins_and_a_default_does_not() -> None:
    index: PrefixIndex[str] = PrefixIndex()
    assert index.setdefault(0x0A000000, 8, "first") == "first"
    assert index.setdefault(0x0A000000, 8, "second") == "first"
    assert index.get(0x0A000000, 8) == index.find(0x0A0000FF) == "first"
    index.put(0x0A000000, 8, "third")
    assert index.get(0x0A000000, 8) == "third"
    assert index.get(0x0A000000, 9) is None
    assert list(index.overlapping(0x0A000000, 8)) == ["third"]


def test_default_is_kept_in_order_when_the_order_is_known() -> None:
    index: PrefixIndex[str] = PrefixIndex()
    index.put(0x0A000200, 8, "last")
    assert list(index.overlapping(0x0A000000, 16)) == ["last"]
    assert index.setdefault(0x0A000100, 8, "first") == "first"
    assert index.setdefault(0x0A000100, 8, "second") == "first"
    assert list(index.overlapping(0x0A000000, 16)) == ["first", "last"]


def test_overlaps_come_longest_first_then_by_address() -> None:
    index: PrefixIndex[str] = PrefixIndex()
    for text in ("10.0.0.0/8", "10.0.1.0/24", "10.0.0.0/24", "10.0.2.0/25"):
        index.put(*numbers(IPv4Network(text)), text)
    found = list(index.overlapping(*numbers(IPv4Network("10.0.0.0/16"))))
    assert found == ["10.0.2.0/25", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/8"]


@given(st.sets(CIDRS), CIDRS, st.data())
def test_the_index_finds_what_a_scan_finds(
    cidrs: set[IPv4Network], sought: IPv4Network, data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(cidrs))) if cidrs else st.just(set()))
    late = data.draw(st.sets(CIDRS))
    index: PrefixIndex[IPv4Network] = PrefixIndex()
    for cidr in cidrs:
        index.put(*numbers(cidr), cidr)
    list(index.overlapping(*numbers(sought)))  # From now on the order is kept.
    for cidr in gone:
        index.remove(*numbers(cidr))
    for cidr in late:
        index.put(*numbers(cidr), cidr)

    left = (cidrs - gone) | late
    found = list(index.overlapping(*numbers(sought)))
    assert sorted(found) == sorted(cidr for cidr in left if cidr.overlaps(sought))
    for address in (sought.network_address, sought.broadcast_address):
        around = [cidr for cidr in left if address in cidr]
        longest = max(around, key=lambda cidr: cidr.prefixlen, default=None)
        assert index.find(int(address)) == longest


#: Few addresses and many lengths, so that prefixes of either family hold each other.
ADDRESSES: st.SearchStrategy[IPAddress] = st.builds(
    lambda base, offset: ip_address(base) + offset,
    st.sampled_from(["10.0.0.0", "fd00::", "11.0.0.0"]),
    st.integers(0, 31),
)
BOTH_FAMILIES: st.SearchStrategy[IPNetwork] = st.builds(
    lambda address, open_bits: ip_network(
        (address, address.max_prefixlen - open_bits), strict=False
    ),
    ADDRESSES,
    st.sampled_from([0, 1, 2, 3, 4, 5, 24, 31, 32]),
)


@given(
    changes=st.lists(st.tuples(BOTH_FAMILIES, st.none() | st.integers(0, 9)), max_size=30),
    asked=st.lists(ADDRESSES, min_size=1, max_size=8),
    held=BOTH_FAMILIES,
)
def test_longest_of_the_cidrs_around_an_address_or_a_cidr_is_found(
    changes: list[tuple[IPNetwork, int | None]], asked: list[IPAddress], held: IPNetwork
) -> None:
    index: CIDRIndex[int] = CIDRIndex()
    entered: dict[IPNetwork, int] = {}

    for cidr, value in changes:
        if value is None:
            entered.pop(cidr, None)
            index.remove(cidr)
        else:
            entered[cidr] = value
            index.put(cidr, value)

    def longest(around: list[IPNetwork]) -> int | None:
        found = max(around, key=lambda cidr: cidr.prefixlen, default=None)
        return entered[found] if found is not None else None

    for address in asked:
        assert index.find(to_octets(address)) == longest([c for c in entered if address in c])
    around = [c for c in entered if c.version == held.version and held.subnet_of(c)]  # type: ignore[arg-type]
    assert index.find_covering(held) == longest(around)
