"""How the use of each pool grows, sampled from the allocator. Pure: times come from the caller."""

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.trend import Trend

Series = tuple[str, int]


class PoolTrends:
    """A trend for each pool and family there is."""

    def __init__(self) -> None:
        self.by_series: dict[Series, Trend] = {}
        self._ranges: dict[Series, list[Cidr]] = {}

    def sample(self, allocator: ClusterAllocator, now_s: float) -> None:
        """Note how many blocks are in use; times are of any clock that never goes back."""
        ranges = {
            (pool, version): [cidr_set.cidr for cidr_set in family.cidr_sets]
            for pool, families in allocator.pools.families.items()
            for version, family in families.items()
        }
        # A change of ranges changes the number of used blocks: that is no growth.
        self.by_series = {
            series: self.by_series[series] if self._ranges.get(series) == cidrs else Trend()
            for series, cidrs in ranges.items()
        }
        self._ranges = ranges
        for (pool, version), trend in self.by_series.items():
            free = allocator.free(pool, version)  # This enters the uses of new ranges.
            cidr_sets = allocator.pools.families[pool][version].cidr_sets
            trend.add(now_s, sum(cidr_set.blocks for cidr_set in cidr_sets) - free)
