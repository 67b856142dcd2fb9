"""Metrics of agents, as Prometheus and `cilium-dbg metrics list` get them from a node."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import apply_pod

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]

FAMILY = ("family", "ipv4")
ALLOCATED = ("cilium_ipam_events_total", (("action", "allocate"), FAMILY))
RELEASED = ("cilium_ipam_events_total", (("action", "release"), FAMILY))
IN_USE = ("cilium_ip_addresses", (FAMILY,))
CAPACITY = ("cilium_ipam_capacity", (FAMILY,))


def scrape(cluster: Cluster, node: str, port: int = 9962) -> Series:
    """What Prometheus reads from a node's port; empty when the port is closed."""
    url = f"http://127.0.0.1:{port}/metrics"
    text = cluster.exec(node, "curl", "--silent", "--fail", url, check=False)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def pool(state: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return "ciliate_ipam_pool_addresses", (FAMILY, ("pool", "default"), ("state", state))


def test_pod_that_comes_and_goes_is_counted(cluster: Cluster) -> None:
    before = scrape(cluster, "k8s-w1")
    apply_pod(cluster, "counted", "k8s-w1")

    during = scrape(cluster, "k8s-w1")
    cluster.kubectl("delete", "pod", "counted", "--wait")

    assert during[ALLOCATED] == before[ALLOCATED] + 1
    assert during[IN_USE] == before[IN_USE] + 1
    assert during[pool("used")] + during[pool("free")] == during[CAPACITY]
    eventually(
        lambda: scrape(cluster, "k8s-w1")[RELEASED] == before[RELEASED] + 1,
        what="the address is free again",
    )
    after = scrape(cluster, "k8s-w1")
    assert after[IN_USE] == before[IN_USE]
    assert after[ALLOCATED] == during[ALLOCATED]


def test_cilium_dbg_lists_the_same_series(cluster: Cluster) -> None:
    table = cluster.exec("k8s-w1", "cilium-dbg", "metrics", "list", "-p", "^cilium_ipam")
    facts = json.loads(
        cluster.exec("k8s-w1", "cilium-dbg", "metrics", "list", "-p", "^cilium_ipam", "-o", "json")
    )

    head, *rows = [line.split() for line in table.splitlines()]
    assert head == ["Metric", "Labels", "Value"]
    assert {row[0] for row in rows} == {"cilium_ipam_capacity", "cilium_ipam_events_total"}
    assert {
        (each["name"], tuple(sorted(each["labels"].items()))): each["value"] for each in facts
    } == {
        key: value
        for key, value in scrape(cluster, "k8s-w1").items()
        if key[0].startswith("cilium_ipam")
    }


def test_port_in_use_is_reported_and_taken_later(new_cluster: Callable[..., Cluster]) -> None:
    """The agent works on, and serves as soon as the port is free."""
    cluster = new_cluster("--nodes", "1")
    node = "k8s-ctr"

    with cluster.background(node, "python3", "-m", "http.server", "9999") as listener:
        eventually(
            lambda: cluster.exec(node, "ss", "-Hltn", "sport", "=", ":9999"), what="it listens"
        )
        cluster.lab("upgrade", "--set", "prometheus-serve-addr=:9999")
        cluster.lab("restart", "agent", node)
        controller = serving(cluster, node)
        apply_pod(cluster, "alive", node)
        listener.kill()

    assert "Address already in use" in controller["last-failure-msg"]
    assert "prometheus-serve-addr" in controller["last-failure-msg"]
    eventually(lambda: scrape(cluster, node, 9999), within_s=40.0, what="metrics are served")


def serving(cluster: Cluster, node: str) -> dict[str, Any]:
    """The state of the task that serves metrics, as `dbg status` knows it."""
    status = json.loads(cluster.exec(node, "cilium-dbg", "status", "-o", "json", check=False))
    found = [each for each in status["controllers"] if each["name"] == "serve-metrics"]
    assert len(found) == 1
    state: dict[str, Any] = found[0]["status"]
    return state


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: measured}
spec: {ports: [{port: 80}]}
"""

SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: measured-1
  labels: {kubernetes.io/service-name: measured}
  annotations: {endpoints.kubernetes.io/last-change-trigger-time: "%s"}
addressType: IPv4
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints:
- addresses: [198.51.100.7]
  conditions: {ready: false, serving: true, terminating: %s}
"""

LATENCY = "ciliate_network_programming_duration_seconds_count", ()
TERMINATING = "cilium_k8s_terminating_endpoints_events_total", ()


def service_delays(series: Series, action: str) -> float:
    return series["cilium_service_implementation_delay_count", (("action", action),)]


def test_way_of_a_service_to_the_maps_is_measured(cluster: Cluster) -> None:
    before = scrape(cluster, "k8s-w1")
    cluster.kubectl("apply", "-f", "-", text=SERVICE)
    for ends in ("false", "true"):
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        cluster.kubectl("apply", "-f", "-", text=SLICE % (now, ends))

    def grew() -> bool:
        after = scrape(cluster, "k8s-w1")
        return (
            service_delays(after, "add") > service_delays(before, "add")
            and after[LATENCY] >= before[LATENCY] + 1
            and after[TERMINATING] >= before[TERMINATING] + 1
        )

    try:
        eventually(grew, what="the Service and its endpoint are in the maps, and measured")
    finally:
        gone = ("service/measured", "endpointslice/measured-1")
        cluster.kubectl("delete", *gone, "--ignore-not-found")
    pressure = scrape(cluster, "k8s-w1")["cilium_bpf_map_pressure", (("map_name", "frontends"),)]
    assert 0 < pressure < 1
