"""The operator gives real nodes their CIDRs: at start, again after a deletion, out of new ranges."""

import json
from collections.abc import Callable
from typing import Any

from tests.lab.cluster import Cluster, eventually

NewCluster = Callable[..., Cluster]

SOCKET = "/var/run/cilium/operator.sock"


def cidrs(lab: Cluster) -> dict[str, list[str]]:
    return {
        node["metadata"]["name"]: node["spec"].get("ipam", {}).get("podCIDRs", [])
        for node in lab.object("ciliumnodes")["items"]
    }


def error(lab: Cluster, node: str) -> str:
    status = lab.object("ciliumnode", node).get("status", {}).get("ipam", {})
    text: str = status.get("operator-status", {}).get("error", "")
    return text


def report(lab: Cluster) -> Any:
    """What the operator, which may run on any node, says of pools and nodes."""
    pods = lab.object("pods", "-n", "kube-system", "-l", "name=cilium-operator")["items"]
    place = pods[0]["spec"]["nodeName"]
    return json.loads(
        lab.exec(place, "curl", "-s", "--unix-socket", SOCKET, "http://operator/ipam")
    )


def endpoints(lab: Cluster) -> dict[str, str]:
    return {
        item["metadata"]["name"]: item["status"]["networking"]["addressing"][0]["ipv4"]
        for item in lab.object("ciliumendpoints")["items"]
    }


def test_nodes_of_a_cluster_pool_get_keep_and_get_back_their_cidrs(
    new_cluster: NewCluster,
) -> None:
    lab = new_cluster(
        "--set", "ipam.mode=cluster-pool",
        "--set", "ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/23}",
    )  # fmt: skip
    first = cidrs(lab)
    assert sorted(first.values()) == [["172.20.0.0/24"], ["172.20.1.0/24"]]
    lab.kubectl("create", "deployment", "web", "--image=traefik/whoami", "--replicas=4")
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: len(endpoints(lab)) == 4, what="endpoints of four pods")
    addresses = endpoints(lab)

    # A node more than there are blocks: reported, and given none.
    ghost = {"apiVersion": "cilium.io/v2", "kind": "CiliumNode", "spec": {}}
    ghost["metadata"] = {"name": "ghost"}
    lab.kubectl("create", "-f", "-", text=json.dumps(ghost))
    eventually(lambda: "allocator full" in error(lab, "ghost"), what="exhaustion reported")
    assert report(lab)["pools"][0]["exhausted"]
    eventually(lambda: "CIDRPoolExhausted" in lab.kubectl("get", "events", "-A"), what="an Event")

    # A deleted CiliumNode is made anew by its agent and gets its own CIDR, though one waits.
    lab.kubectl("delete", "ciliumnode", "k8s-w1")
    eventually(
        lambda: cidrs(lab).get("k8s-w1") == first["k8s-w1"], within_s=30, what="the same CIDR"
    )
    assert not cidrs(lab)["ghost"]
    assert endpoints(lab) == addresses

    # A range appended while the operator runs serves the node that waits.
    both = {"data": {"cluster-pool-ipv4-cidr": "172.20.0.0/23 172.21.0.0/24"}}
    patch = ("patch", "configmap", "cilium-config", "-n", "kube-system", "--type=merge")
    lab.kubectl(*patch, "-p", json.dumps(both))
    eventually(lambda: cidrs(lab)["ghost"] == ["172.21.0.0/24"], what="a block of the new range")
    eventually(lambda: not error(lab, "ghost"), what="the error cleared")

    lab.lab("restart", "operator")
    # Until the new one leads, it has no pools to tell of.
    eventually(
        lambda: [each["used"] for each in report(lab).get("pools", ())] == [3],
        within_s=30,
        what="all learned",
    )
    assert cidrs(lab) == {**first, "ghost": ["172.21.0.0/24"]}


def test_event_on_a_pool_that_shrinks_names_the_nodes_with_blocks_of_it(
    new_cluster: NewCluster,
) -> None:
    pool = "ipam.operator.autoCreateCiliumPodIPPools.default.ipv4"
    lab = new_cluster(
        "--set", "ipam.mode=multi-pool",
        "--set", f"{pool}.cidrs={{172.20.0.0/16}}",
        "--set", f"{pool}.maskSize=27",
    )  # fmt: skip
    lab.kubectl("create", "deployment", "web", "--image=traefik/whoami", "--replicas=2")
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    ranges = {"spec": {"ipv4": {"cidrs": ["172.21.0.0/16"]}}}
    lab.kubectl("patch", "ciliumpodippool", "default", "--type=merge", "-p", json.dumps(ranges))

    eventually(
        lambda: "no longer in the pool's CIDRs" in lab.kubectl("get", "events", "-A"),
        what="an Event that names the owners",
    )
    for node in lab.object("ciliumnodes")["items"]:
        held = [c for p in node["spec"]["ipam"]["pools"]["allocated"] for c in p["cidrs"]]
        assert any(cidr.startswith("172.20.") for cidr in held), "pods' blocks stay their node's"
