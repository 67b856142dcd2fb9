"""Counters of the programs: packets and bytes by reason and attach point."""

from collections.abc import Mapping
from typing import Final

from ciliate.datapath.bpf_map import BpfMap, OpenMap
from ciliate.datapath.codec import U32
from ciliate.datapath.layout import AttachPoint, Metric

#: Packets and bytes by reason and attach point.
METRICS: Final = BpfMap("metrics", key=U32, value=Metric)


def counters(opened: OpenMap[int, Metric]) -> Mapping[tuple[int, AttachPoint], Metric]:
    """Return what was counted since the map was made, summed over CPUs, without zeros."""
    points = int(AttachPoint.ATTACH_POINT_COUNT)
    return {
        (key // points, AttachPoint(key % points)): metric
        for key, metric in opened.items()
        if metric.packets
    }
