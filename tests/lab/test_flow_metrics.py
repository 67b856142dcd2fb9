"""Hubble's metrics of a node: what pods do is counted, and scraped on the node's address."""

from collections.abc import Iterator
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import apply_pod, fault_lab, pod_ip

NODE: Final = "k8s-ctr"
URL: Final = "http://192.168.10.100:9965/metrics"
METRICS: Final = (
    r"hubble.metrics.enabled={dns,drop,tcp,icmp,port-distribution,"
    r"flow:labelsContext=source_pod\,destination_pod\,traffic_direction}"
)

#: Sends datagrams from an address that is not the pod's.
FORGE: Final = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
udp = struct.pack(">HHHH", 7, 9999, 8, 0)
head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0,
                   socket.inet_aton("198.51.100.7"), socket.inet_aton(sys.argv[1]))
for _ in range(10):
    s.sendto(head + udp, (sys.argv[1], 0))
"""

#: Each series of one metric: its labels, in the order of their names, and its count.
Series = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("metrics", "--set", METRICS) as started:
        for name, node in (("client", NODE), ("server", "k8s-w1")):
            apply_pod(started, name, node)
        yield started


def scrape(lab: Cluster) -> dict[str, Series]:
    """What Prometheus reads of the node, metric by metric."""
    found: dict[str, Series] = {}
    text = lab.exec(NODE, "curl", "--silent", "--fail", URL)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _name, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_what_a_pod_does_is_counted_in_every_metric(lab: Cluster) -> None:
    server, before = pod_ip(lab, "server"), scrape(lab)
    listener = ("python3", "-S", "-m", "http.server", "8080")

    with lab.background("server", *listener) as process:
        try:
            eventually(
                lambda: lab.exec("client", "curl", "-sf", f"http://{server}:8080", check=False),
                what="an answer",
            )
        finally:
            process.kill()
    lab.exec("client", "ping", "-c", "3", "-i", "0.2", "-W", "2", server)
    lab.exec("client", "/usr/bin/python3", "-S", "-c", FORGE, server)

    def grown(now: dict[str, Series], name: str, *labels: str) -> float:
        return now.get(name, {}).get(labels, 0.0) - before.get(name, {}).get(labels, 0.0)

    dropped = ("hubble_drop_total", "UDP", "INVALID_SOURCE_IP")
    eventually(lambda: grown(scrape(lab), *dropped) == 10, what="drops")
    now = scrape(lab)
    assert grown(now, "hubble_port_distribution_total", "8080", "TCP") >= 3
    for flag in ("SYN", "SYN-ACK", "FIN"):
        assert grown(now, "hubble_tcp_flags_total", "IPv4", flag) >= 1
    # `medium` tells the first of a direction, and some more.
    for kind in ("EchoRequest", "EchoReply"):
        assert grown(now, "hubble_icmp_total", "IPv4", kind) >= 1
    flow = ("server", "TCP", "client", "to-network", "egress", "Trace", "FORWARDED")
    assert grown(now, "hubble_flows_processed_total", *flow) >= 3
    assert ("perf_event_ring_buffer",) in now["hubble_lost_events_total"]
    assert now["ciliate_flow_metric_series_refused_total"][("hubble_drop_total",)] == 0
