"""`ipam/operator/report.py`: the numbers of pools and nodes, out of the allocator."""

import pytest

from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.ipam.operator.node_states import NodeStates
from ciliate.ipam.operator.pool_trends import PoolTrends
from ciliate.ipam.operator.report import ipam_report, pool_reports

BLUE, RED = ("blue", 4), ("red", 4)


@pytest.fixture
def allocator() -> ClusterAllocator:
    made = ClusterAllocator()
    made.define(*BLUE, 26, ["10.0.0.0/24", "10.0.8.0/25"])
    made.define(*RED, 24, ["10.0.1.0/24"])
    return made


def test_a_pool_says_how_many_blocks_it_has_and_why_they_cannot_be_given(
    allocator: ClusterAllocator,
) -> None:
    allocator.learn("a", ["10.0.0.0/26"], ["10.0.8.64/26"])
    allocator.place("b", ["10.0.0.200"])

    [blue, red] = pool_reports(allocator, NodeStates(), {})

    assert blue == {
        "pool": "blue",
        "family": "ipv4",
        "cidrs": ["10.0.0.0/24", "10.0.8.0/25"],
        "block_length": 26,
        "blocks": 6,
        "used": 5,
        "free": 1,
        "reserved": 4,
        "draining": 1,
        "exhausted": False,
        "seconds_to_exhaustion": None,
    }
    assert (red["pool"], red["used"], red["free"]) == ("red", 0, 1)


def test_a_wide_cidr_that_drains_counts_in_every_pool_it_touches(
    allocator: ClusterAllocator,
) -> None:
    allocator.learn("a", [], ["10.0.0.128/25", "10.0.0.0/22"])

    [blue, red] = pool_reports(allocator, NodeStates(), {})

    assert (blue["draining"], red["draining"]) == (2 + 4, 1)


def test_only_the_pool_that_somebody_waits_for_is_exhausted(allocator: ClusterAllocator) -> None:
    states = NodeStates()
    states.record("late", Decision(short_of=frozenset({RED})))

    [blue, red] = pool_reports(allocator, states, {})

    assert (blue["exhausted"], red["exhausted"]) == (False, True)


def test_the_end_of_a_pool_is_that_of_its_trend(allocator: ClusterAllocator) -> None:
    trends = PoolTrends()
    for step in range(4):
        trends.sample(allocator, 10.0 * step)
        allocator.grant(f"n{step}", *BLUE)

    [blue, red] = pool_reports(allocator, NodeStates(), trends.by_series)

    assert blue["seconds_to_exhaustion"] == pytest.approx(20.0)
    assert red["seconds_to_exhaustion"] is None


def test_nodes_come_by_name_with_what_they_have_and_lack(allocator: ClusterAllocator) -> None:
    allocator.learn("b", ["10.0.0.64/26", "10.0.0.0/26"], ["10.0.8.0/26"])
    granted = str(allocator.grant("a", *RED))
    states = NodeStates()
    states.record("b", Decision(error="no block", short_of=frozenset({("blue", 6), RED})))
    states.granted, states.failed_writes = 3, 1

    report = ipam_report(allocator, states, {})

    assert report["nodes"] == [
        {
            "node": "a",
            "cidrs": [],
            "granted": [granted],
            "draining": [],
            "waiting_for": [],
            "error": "",
        },
        {
            "node": "b",
            "cidrs": ["10.0.0.0/26", "10.0.0.64/26"],
            "granted": [],
            "draining": ["10.0.8.0/26"],
            "waiting_for": ["blue ipv6", "red ipv4"],
            "error": "no block",
        },
    ]
    assert [report[key] for key in ("waiting", "conflicts", "granted", "failed_writes")] == [
        1,
        0,
        3,
        1,
    ]
