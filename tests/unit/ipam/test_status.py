"""`ipam/status.py`: the IPAM lines of `dbg status`, in Cilium's form."""

import pytest

from ciliate.ipam.status import (
    IpamStatus,
    PoolUsage,
    describe_pool_counts,
    describe_pools,
    lines,
)

V4 = PoolUsage("10.244.0.0/24", used=3, usable=254)
V6 = PoolUsage("fd00::/120", used=2, usable=255)
V4_TEXT = "IPv4: 3/254 allocated from 10.244.0.0/24"
V6_TEXT = "IPv6: 2/255 allocated from fd00::/120"


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "text"),
    [
        (None, None, "Not running"),
        (V4, V6, f"{V4_TEXT}, {V6_TEXT}"),
        (V4, None, f"{V4_TEXT}, "),
        (None, V6, V6_TEXT),
    ],
)
def test_blocks_read_as_in_cilium(
    ipv4: PoolUsage | None, ipv6: PoolUsage | None, text: str
) -> None:
    assert describe_pools(ipv4, ipv6) == text


def test_pools_are_counted_by_family() -> None:
    both = "IPv4: 2 IPAM pool(s) available, IPv6: 1 IPAM pool(s) available"

    assert describe_pool_counts(2, 1) == both
    assert describe_pool_counts(0, None) == "IPv4: 0 IPAM pool(s) available, "


def test_addresses_are_listed_in_order_when_they_are_asked_for() -> None:
    state = IpamStatus(
        status=V4_TEXT,
        allocations={"10.244.0.9": "default/b", "10.244.0.1": "router"},
        draining={"10.9.0.0/24": 2, "10.8.0.0/24": 1},
    )

    assert list(lines(state, addresses=False)) == [f"IPAM:\t{V4_TEXT}"]
    assert list(lines(state, addresses=True)) == [
        f"IPAM:\t{V4_TEXT}",
        "Allocated addresses:",
        "  10.244.0.1 (router)",
        "  10.244.0.9 (default/b)",
        "Draining pod CIDRs:",
        "  10.9.0.0/24 (2 in use)",
        "  10.8.0.0/24 (1 in use)",
    ]


def test_node_on_which_nothing_drains_says_nothing_of_it() -> None:
    assert list(lines(IpamStatus(status="x"), addresses=True)) == [
        "IPAM:\tx",
        "Allocated addresses:",
    ]
