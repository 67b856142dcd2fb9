"""When pools will be full: new ranges and their uses are no growth."""

import pytest

from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.pool_trends import PoolTrends

SERIES = ("default", 4)


@pytest.fixture
def allocator() -> ClusterAllocator:
    made = ClusterAllocator()
    for number in range(8):
        made.learn(f"n{number}", [f"10.0.{number}.0/24"], [])
    return made


def end_s(trends: PoolTrends, allocator: ClusterAllocator) -> float | None:
    return trends.by_series[SERIES].seconds_to_exhaustion(allocator.free(*SERIES))


def test_no_pool_has_a_trend_before_the_first_sample() -> None:
    assert PoolTrends().by_series == {}


def test_a_pool_over_blocks_in_use_is_not_about_to_be_full(allocator: ClusterAllocator) -> None:
    trends = PoolTrends()
    allocator.define(*SERIES, 24, ["10.0.0.0/20"])
    for now_s in range(0, 100, 10):
        trends.sample(allocator, now_s)

    assert end_s(trends, allocator) is None


def test_a_range_that_comes_with_its_uses_is_no_growth(allocator: ClusterAllocator) -> None:
    trends = PoolTrends()
    allocator.define(*SERIES, 24, ["10.1.0.0/24"])
    for now_s in range(0, 50, 10):
        trends.sample(allocator, now_s)
    allocator.define(*SERIES, 24, ["10.1.0.0/24", "10.0.0.0/20"])
    for now_s in range(50, 100, 10):
        trends.sample(allocator, now_s)

    assert end_s(trends, allocator) is None


def test_nodes_that_come_are_growth_and_a_pool_that_goes_is_forgotten(
    allocator: ClusterAllocator,
) -> None:
    trends = PoolTrends()
    allocator.define(*SERIES, 24, ["10.0.0.0/20"])
    for step in range(5):
        trends.sample(allocator, 10.0 * step)
        allocator.grant(f"new{step}", *SERIES)

    assert end_s(trends, allocator) == pytest.approx(30.0)
    allocator.drop("default")
    trends.sample(allocator, 50.0)
    assert trends.by_series == {}
