"""`ipam/pools.py`: what a pool's ranges may be, what is refused with which facts, and what goes."""

from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.pool_errors import PoolRangeError
from ciliate.ipam.pools import Pools

TEN, ELEVEN = "10.10.0.0/16", "10.11.0.0/16"
#: As it is written: ::ffff:0.0.0.0 since Python 3.13 (RFC 5952, section 5).
MAPPED = ip_network("::ffff:0:0/96")


def pools(*cidrs: str, length: int = 24, version: int = 4) -> Pools:
    made = Pools()
    _added, refused = made.define("default", version, length, cidrs)
    assert refused == []
    return made


def facts(refused: Sequence[PoolRangeError]) -> list[tuple[str, str]]:
    return [(error.pool, error.cidr) for error in refused]


def test_ranges_keep_the_order_in_which_they_are_named() -> None:
    made = pools(ELEVEN, TEN)

    assert list(map(str, made.ranges("default", 4))) == [ELEVEN, TEN]
    assert made.ranges("default", 6) == []
    assert made.ranges("mars", 4) == []


def test_range_named_twice_is_one() -> None:
    added, refused = Pools().define("default", 4, 24, [TEN, TEN])

    assert [str(cidr_set.cidr) for cidr_set in added] == [TEN]
    assert added[0].pool == "default"
    assert refused == []


def test_free_blocks_are_those_of_the_family_asked_for() -> None:
    made = pools("10.10.0.0/23", "10.11.0.0/24")
    made.define("default", 6, 120, ["fd00::/119"])
    assert made.free("default", 4) == 3

    made.families["default"][4].cidr_sets[0].allocate("n1")

    assert made.free("default", 4) == 2
    assert made.free("default", 6) == 2
    assert made.free("mars", 4) == 0


def test_new_order_and_a_new_range_leave_what_is_there() -> None:
    made = pools(TEN, ELEVEN)
    made.families["default"][4].cidr_sets[0].allocate("n1")

    added, refused = made.define("default", 4, 24, ["10.12.0.0/16", ELEVEN, TEN])

    assert [str(cidr_set.cidr) for cidr_set in added] == ["10.12.0.0/16"]
    assert refused == []
    assert list(map(str, made.ranges("default", 4))) == ["10.12.0.0/16", ELEVEN, TEN]
    assert made.free("default", 4) == 3 * 256 - 1


def test_range_that_is_no_longer_named_may_be_another_pools() -> None:
    made = pools(TEN, ELEVEN)
    made.define("default", 4, 24, [ELEVEN])

    _added, refused = made.define("mars", 4, 24, [TEN])

    assert refused == []
    assert [cidr_set.pool for cidr_set in made.overlapping(Cidr.parse("10.10.7.0/24"))] == ["mars"]


def test_overlapping_names_every_range_that_shares_an_address_and_no_other() -> None:
    made = pools("10.10.0.0/24", "10.10.1.0/24", "10.10.3.0/24", length=26)
    made.define("mars", 6, 120, ["fd00::/112"])

    def found(cidr: str) -> list[str]:
        return [str(cidr_set.cidr) for cidr_set in made.overlapping(Cidr.parse(cidr))]

    assert found("10.10.0.0/22") == ["10.10.0.0/24", "10.10.1.0/24", "10.10.3.0/24"]
    assert found("10.10.1.255/32") == ["10.10.1.0/24"]
    assert found("10.10.0.0/32") == ["10.10.0.0/24"]
    assert found("10.10.2.0/24") == []
    assert found("10.9.255.255/32") == []
    assert found("10.10.4.0/32") == []
    assert found("fd00::ffff/128") == ["fd00::/112"]


@pytest.mark.parametrize(
    ("version", "length", "cidr"),
    [
        (4, 12, "10.0.0.0/8"),
        (4, 32, "10.0.0.0/24"),
        (6, 48, "fd00::/40"),
        (6, 128, "fd00::/112"),
        (4, 24, "169.0.0.0/8"),  # Most of its blocks are good.
    ],
)
def test_block_may_be_as_large_as_agents_route_and_as_small_as_its_family(
    version: int, length: int, cidr: str
) -> None:
    assert Pools().define("default", version, length, [cidr])[1] == []


@pytest.mark.parametrize(("version", "length"), [(4, 0), (4, 33), (6, 0), (6, 129)])
def test_block_outside_of_its_family_refuses_the_whole_family(version: int, length: int) -> None:
    made = Pools()

    added, refused = made.define("default", version, length, [TEN])

    assert added == []
    assert facts(refused) == [("default", "")]
    assert f"for IPv{version}: {length}" in refused[0].problem
    assert refused[0].remedy == "correct the mask size"
    assert made.ranges("default", version) == []


def test_mask_of_existing_blocks_stays_and_the_rest_of_the_change_goes_on() -> None:
    made = pools(TEN)

    added, refused = made.define("default", 4, 26, [TEN, ELEVEN])

    assert facts(refused) == [("default", "")]
    assert 'IPv4 mask size in existing pool "default" from 24 to 26' in refused[0].problem
    assert "set it to 24 again" in refused[0].remedy
    assert [cidr_set.block_length for cidr_set in added] == [24]


@pytest.mark.parametrize(
    ("version", "length", "cidr", "problem", "remedy"),
    [
        (4, 24, "ten", "'ten' is no CIDR", "10.10.0.0/16"),
        (4, 24, "fd00::/64", "CIDR is not v4 family: fd00::/64", "IPv6 list"),
        (6, 120, "10.0.0.0/8", "CIDR is not v6 family: 10.0.0.0/8", "IPv4 list"),
        (4, 24, "10.0.0.0/25", "10.0.0.0/25 has no block of /24", "25 to 32"),
        (4, 31, "16.0.0.0/6", "16.0.0.0/6 has 2^25 blocks of /31", "at most 30"),
        (6, 120, "fd00::/103", "fd00::/103 has 2^17 blocks of /120", "at most 119"),
        (
            4,
            24,
            "10.10.128.0/17",
            "collides with clusterCIDR: 10.10.0.0/16, nodeMask: 24",
            "share",
        ),
    ],
)
def test_refused_range_is_named_and_the_others_count(
    version: int, length: int, cidr: str, problem: str, remedy: str
) -> None:
    good = TEN if version == 4 else "fd00:1::/112"

    added, refused = Pools().define("default", version, length, [good, cidr])

    assert [str(cidr_set.cidr) for cidr_set in added] == [good]
    assert facts(refused) == [("default", cidr)]
    assert problem in refused[0].problem
    assert remedy in refused[0].remedy
    assert str(refused[0]).startswith("pool default: ")


@pytest.mark.parametrize(
    ("version", "length", "cidr", "reason", "remedy"),
    [
        (4, 11, "10.0.0.0/8", "it is shorter than /12", "a mask size of at least 12"),
        (6, 47, "fd00::/40", "it is shorter than /48", "a mask size of at least 48"),
        (4, 24, "169.254.0.0/16", "it shares addresses with 169.254.0.0/16", "another range"),
        (4, 24, "127.0.8.0/22", "it shares addresses with 127.0.0.0/8", "another range"),
        (4, 24, "239.0.0.0/8", "it shares addresses with 224.0.0.0/3", "another range"),
        (4, 12, "169.240.0.0/12", "it shares addresses with 169.254.0.0/16", "another range"),
        (6, 64, "fe80::/56", "it shares addresses with fe80::/10", "another range"),
        (6, 120, "::ffff:0:0/112", f"it shares addresses with {MAPPED}", "another range"),
    ],
)
def test_range_of_which_agents_would_route_no_block_is_refused_with_their_reason(
    version: int, length: int, cidr: str, reason: str, remedy: str
) -> None:
    """Its nodes had addresses for pods and no other node a route to them."""
    added, refused = Pools().define("default", version, length, [cidr])

    assert added == []
    shown = str(ip_network(cidr))
    assert facts(refused) == [("default", shown)]
    assert f"no block /{length} of {shown} can be pods': {reason}" in refused[0].problem
    assert remedy in refused[0].remedy


def test_collision_with_another_pool_names_it_and_one_with_its_own_does_not() -> None:
    made = pools(TEN)

    _, [own] = made.define("default", 4, 24, [TEN, "10.10.0.0/17"])
    _, [others] = made.define("mars", 4, 24, ["10.10.0.0/17"])

    assert " of pool " not in own.problem
    assert others.problem.endswith(" of pool default")
    assert (others.pool, others.cidr) == ("mars", "10.10.0.0/17")


def test_family_that_is_dropped_leaves_the_other_and_its_ranges_free() -> None:
    made = pools(TEN)
    made.define("default", 6, 120, ["fd00::/112"])

    assert made.drop("default", 4)

    assert made.ranges("default", 4) == []
    assert list(map(str, made.ranges("default", 6))) == ["fd00::/112"]
    assert made.define("mars", 4, 26, [TEN])[1] == []
    assert not made.drop("default", 4)
    assert "default" in made.families


def test_pool_that_is_dropped_is_gone_with_all_its_families() -> None:
    made = pools(TEN)
    made.define("default", 6, 120, ["fd00::/112"])
    made.define("mars", 4, 24, [ELEVEN])

    assert made.drop("default")

    assert list(made.families) == ["mars"]
    assert not list(made.overlapping(Cidr.parse(TEN)))
    assert not list(made.overlapping(Cidr.parse("fd00::/112")))
    assert not made.drop("default")


def test_pool_is_gone_with_its_last_family() -> None:
    made = pools(TEN)

    assert made.drop("default", 4)

    assert not made.families
