"""`cli/packet_counts.py`: rows of the programs' counters, as Cilium prints them."""

from ciliate.cli.packet_counts import Count, metric_rows
from ciliate.datapath.layout import AttachPoint, Metric


def test_metrics_name_reason_and_direction_and_leave_zeros_out() -> None:
    rows = metric_rows(
        {
            (0, AttachPoint.FROM_POD): Metric(packets=10, bytes=840),
            (132, AttachPoint.FROM_POD): Metric(packets=1, bytes=98),
            (0, AttachPoint.TO_POD): Metric(packets=0, bytes=0),
            (0, AttachPoint.FROM_UPLINK): Metric(packets=3, bytes=300),
        }
    )

    assert rows == [
        Count("Invalid source ip", "EGRESS", 1, 98, "from_pod.bpf.c"),
        Count("Success", "EGRESS", 10, 840, "from_pod.bpf.c"),
        Count("Success", "INGRESS", 3, 300, "from_uplink.bpf.c"),
    ]
