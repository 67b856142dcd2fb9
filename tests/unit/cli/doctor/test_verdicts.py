"""`cli/doctor/verdicts.py`: whose fault it is, and what is to be done."""

from collections.abc import Iterable
from itertools import combinations

from ciliate.cli.doctor.model import FindingKind, PairReport, PathStatus
from ciliate.cli.doctor.verdicts import black_holes

HOLE, WELL = PathStatus.BLACK_HOLE, PathStatus.PASSES


def pair(one: str, other: str, status: PathStatus = WELL, **fields: object) -> PairReport:
    passes = {HOLE: 1400, WELL: 1500}.get(status, 0)
    given = {"nodes": (one, other), "family": 4, "assumed": 1500, "passes": passes, **fields}
    return PairReport(status=status, **given)  # type: ignore[arg-type]


def all_of(nodes: Iterable[str], lost: Iterable[str], **fields: object) -> list[PairReport]:
    """Every pair; those of `lost`, as "ab", lose packets."""
    holes = set(lost)
    return [
        pair(a, b, HOLE, **fields) if a + b in holes else pair(a, b)
        for a, b in combinations(nodes, 2)
    ]


def test_nothing_is_found_where_all_is_well() -> None:
    assert black_holes(all_of("abc", ()), 1500) == []


def test_way_of_a_pair_is_at_fault_where_others_reach_both() -> None:
    (found,) = black_holes(all_of("abc", ["ab"], lost_towards=("b",)), 1500)

    assert (found.kind, found.nodes, found.passes) == (FindingKind.PAIR_PATH, ("a", "b"), 1400)
    assert found.says == (
        "IPv4 packets longer than 1400 bytes get lost from a to b, and nothing says so"
    )
    assert "carry 1500 bytes of IP" in found.remedy
    assert "--set MTU=1400" in found.remedy


def test_link_of_a_node_is_at_fault_where_it_loses_with_all() -> None:
    (found,) = black_holes(all_of("abcd", ["ab", "ac", "ad"], lost_towards=("a",)), 1500)

    assert (found.kind, found.nodes) == (FindingKind.NODE_LINK, ("a",))
    assert (found.others, found.lost_towards) == (("b", "c", "d"), ("a",))
    assert "its own link" in found.says


def test_two_nodes_with_faulty_links_are_found_each() -> None:
    lost = ["ab", "ac", "ad", "ae", "bc", "bd", "be"]

    found = black_holes(all_of("abcde", lost), 1500)

    assert [(each.kind, each.nodes) for each in found] == [
        (FindingKind.NODE_LINK, ("a",)),
        (FindingKind.NODE_LINK, ("b",)),
    ]


def test_link_between_two_groups_is_at_fault_where_each_is_well_in_itself() -> None:
    (found,) = black_holes(all_of("abcd", ["ac", "ad", "bc", "bd"]), 1500)

    assert found.kind is FindingKind.SEGMENT_LINK
    assert (found.nodes, found.others) == (("a", "b"), ("c", "d"))


def test_what_all_share_is_at_fault_where_all_lose() -> None:
    (found,) = black_holes(all_of("abcd", ["ab", "ac", "ad", "bc", "bd", "cd"]), 1500)

    assert (found.kind, found.nodes) == (FindingKind.EVERY_LINK, tuple("abcd"))


def test_of_two_nodes_neither_is_blamed() -> None:
    (found,) = black_holes([pair("a", "b", HOLE)], 1500)

    assert found.kind is FindingKind.PAIR_PATH


def test_pods_that_send_less_are_not_hit() -> None:
    (native,) = black_holes(all_of("abc", ["ab"]), 1400)
    (tunnelled,) = black_holes(all_of("abc", ["ab"]), 1400, overhead_bytes=50)
    (enough,) = black_holes(all_of("abc", ["ab"]), 1350, overhead_bytes=50)

    assert "pods send 1400 bytes at most and are not hit" in native.remedy
    assert "--set MTU=1400" in tunnelled.remedy
    assert "are not hit" in enough.remedy


def test_one_mtu_is_recommended_for_all() -> None:
    both = [*all_of("abc", ["ab"]), pair("a", "b", HOLE, family=6, passes=1340)]

    assert all("--set MTU=1340" in found.remedy for found in black_holes(both, 1500))


def test_mtu_that_cannot_be_set_is_not_recommended() -> None:
    (found,) = black_holes(all_of("abc", ["ab"], passes=600), 1500)

    assert "cannot be below 1280" in found.remedy
    assert "--set" not in found.remedy


def test_own_packet_filter_is_looked_for_where_it_refuses() -> None:
    (found,) = black_holes(all_of("abc", ["ab"], refused_by=("a",)), 1500)

    assert "packet filter of a" in found.says
    assert "nft list ruleset" in found.remedy


def test_two_others_are_enough_to_blame_a_node() -> None:
    (found,) = black_holes(all_of("abc", ["ab", "ac"]), 1500)

    assert (found.kind, found.nodes) == (FindingKind.NODE_LINK, ("a",))


def test_size_that_was_not_searched_is_not_made_up() -> None:
    (found,) = black_holes(all_of("abc", ["ab"], passes=0), 1500)

    assert found.passes == 0
    assert found.says == "IPv4 packets of full size get lost between a and b, and nothing says so"
    assert "--set" not in found.remedy


def test_ipv6_below_its_least_mtu_is_told() -> None:
    six = [pair("a", "b", HOLE, family=6, passes=1200), pair("a", "c", family=6)]

    (found,) = black_holes([*six, pair("b", "c", family=6)], 1500)

    assert "cannot be below 1280, nor IPv6's" in found.remedy
    (four,) = black_holes(all_of("abc", ["ab"], passes=1200), 1500)
    assert four.remedy.endswith("cannot be below 1280")
