"""Packets and bytes by reason and direction, as `dbg bpf metrics list` shows them. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ciliate.datapath.layout import DROP_TEXT, AttachPoint, Metric

#: The direction Cilium's metrics give to what each attach point counts: seen from the pod.
_DIRECTIONS: Final = {
    AttachPoint.FROM_POD: "EGRESS",
    AttachPoint.TO_POD: "INGRESS",
    AttachPoint.FROM_UPLINK: "INGRESS",
    AttachPoint.TO_UPLINK: "EGRESS",
    AttachPoint.FROM_TUNNEL: "INGRESS",
    AttachPoint.FROM_HOST: "EGRESS",
}


class Count(Struct, frozen=True):
    """A row of `bpf metrics list`."""

    reason: str
    direction: str
    packets: int
    bytes: int
    file: str


def metric_rows(counters: Mapping[tuple[int, AttachPoint], Metric]) -> list[Count]:
    """Return the counters that have counted, by reason, direction and file."""
    rows = [
        Count(
            reason=DROP_TEXT.get(reason, f"Unknown ({reason})"),
            direction=_DIRECTIONS[point],
            packets=metric.packets,
            bytes=metric.bytes,
            file=f"{point.name.lower()}.bpf.c",
        )
        for (reason, point), metric in counters.items()
        if metric.packets
    ]
    return sorted(rows, key=lambda row: (row.reason, row.direction, row.file))
