"""The table of section 3 of the walk-through: what each IPAM mode can do, row by row.

One lab per mode, up in that mode from the start. Its ranges are small, so that the second node, or
the eleventh pod, needs another CIDR than the first.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import CONTROL_PLANE, NODE_IPS, WORKER, Place, place, ttl_of

#: Two ranges of one node's size in cluster-pool; in multi-pool, two of two small blocks each.
_POOL = "default=ipv4-cidrs:172.20.0.0/28,172.21.0.0/27;ipv4-mask-size:28"
_SETTINGS = {
    "kubernetes": (),
    "cluster-pool": (
        "ipam.mode=cluster-pool",
        "ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/24,172.21.0.0/24}",
        "ipv4NativeRoutingCIDR=172.16.0.0/12",
    ),
    "multi-pool": (
        "ipam.mode=multi-pool",
        f"ipam.operator.autoCreateCiliumPodIPPools={_POOL}",
        "ipam.multiPoolPreAllocation=default=1",
        "ipam.ciliumNodeUpdateRate=1s",
        "ipv4NativeRoutingCIDR=172.16.0.0/12",
    ),
}
MODES = tuple(_SETTINGS)


@dataclass(frozen=True)
class Moded:
    """A lab in a mode."""

    mode: str
    place: Place

    def cidrs(self) -> dict[str, list[str]]:
        """Every node's CIDRs, by its CiliumNode."""
        found = {}
        for item in self.place.lab.object("ciliumnodes")["items"]:
            ipam = item["spec"]["ipam"]
            pools = ipam.get("pools", {}).get("allocated") or []
            listed = [cidr for pool in pools for cidr in pool["cidrs"]]
            found[item["metadata"]["name"]] = [*(ipam.get("podCIDRs") or []), *listed]
        return found

    def of_kubernetes(self) -> dict[str, list[str]]:
        """Every node's CIDRs, by Kubernetes."""
        items = self.place.lab.object("nodes")["items"]
        return {item["metadata"]["name"]: item["spec"]["podCIDRs"] for item in items}

    def requested(self, node: str) -> list[object]:
        """What a node asks of the pools."""
        ipam = self.place.lab.object("ciliumnode", node)["spec"]["ipam"]
        return list(ipam.get("pools", {}).get("requested") or [])


@pytest.fixture(scope="module", params=MODES)
def moded(request: pytest.FixtureRequest) -> Iterator[Moded]:
    words = [word for setting in _SETTINGS[request.param] for word in ("--set", setting)]
    # With a word for `lab up` in each case: TEST_LAB is a lab of the default kind.
    with place(f"matrix-{request.param}", "--nodes", "2", *words) as found:
        yield Moded(request.param, found)


@pytest.fixture
def many(moded: Moded) -> Iterator[list[str]]:
    """Fourteen more pods on one node: with the pods there are, more than a /28 has."""
    names = [f"more-{number}" for number in range(14)]
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "more"}},
            "spec": {
                "nodeName": WORKER,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "web", "image": "traefik/whoami"}],
            },
        }
        for name in names
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    moded.place.lab.kubectl("apply", "-f", "-", text=text)
    moded.place.typed("kubectl wait pod -l app=more --for=condition=Ready --timeout=60s")
    yield names
    moded.place.typed("kubectl delete pod -l app=more --ignore-not-found")


def test_direct_routing(moded: Moded) -> None:
    """Every mode: two hops, and each node routes to the other's CIDRs."""
    address = moded.place.webpod_ip(WORKER)

    assert ttl_of(moded.place.in_pod(f"ping -c 1 -W 3 {address}")) == 62

    for node, other in ((CONTROL_PLANE, WORKER), (WORKER, CONTROL_PLANE)):
        lines = {line.strip() for line in moded.place.on(node, "ip -c route").split("\n")}
        cidrs = moded.cidrs()[other]
        assert cidrs
        assert lines >= {f"{c} via {NODE_IPS[other]} dev eth1 proto kernel" for c in cidrs}


def test_tunnel_routing(moded: Moded) -> None:
    """Every mode: one hop, and each node's routes to the other's CIDRs lead to the tunnel; and back."""
    change(moded, "routingMode=tunnel", "autoDirectNodeRoutes=false")
    address = moded.place.webpod_ip(WORKER)

    eventually(
        lambda: ttl_of(moded.place.in_pod(f"ping -c 1 -W 3 {address}")) == 63,
        within_s=20,
        what="one hop through the tunnel",
    )
    for node, other in ((CONTROL_PLANE, WORKER), (WORKER, CONTROL_PLANE)):
        routes = moded.place.on(node, "ip -c route")
        cidrs = moded.cidrs()[other]
        assert cidrs
        assert all(f"{cidr} via " in routes for cidr in cidrs)
        assert routes.count("dev cilium_host proto kernel src ") == len(cidrs)
    change(moded, "routingMode=native", "autoDirectNodeRoutes=true")
    assert ttl_of(moded.place.in_pod(f"ping -c 1 -W 3 {address}")) == 62


def change(moded: Moded, *settings: str) -> None:
    """Change settings of the lab as a user does."""
    moded.place.lab.lab("upgrade", *(word for each in settings for word in ("--set", each)))
    moded.place.lab.lab("restart", "agent")


def test_who_configures_cidrs(moded: Moded) -> None:
    """Kubernetes in its own mode; in the others ours, whatever Kubernetes says."""
    if moded.mode == "kubernetes":
        assert moded.cidrs() == moded.of_kubernetes()
        return
    of_kubernetes = {cidr for cidrs in moded.of_kubernetes().values() for cidr in cidrs}
    for cidrs in moded.cidrs().values():
        assert cidrs
        assert not of_kubernetes & set(cidrs)
        assert all(cidr.startswith(("172.20.", "172.21.")) for cidr in cidrs)


def test_several_cidrs_per_cluster(moded: Moded, many: list[str]) -> None:
    """Not in host scope, where all are of one cluster CIDR."""
    assert many
    used = [ip_network(cidr) for cidrs in moded.cidrs().values() for cidr in cidrs]

    ranges = {str(cidr.network_address).rsplit(".", 2)[0] for cidr in used}

    expected = {"10.244"} if moded.mode == "kubernetes" else {"172.20", "172.21"}
    assert ranges == expected


def test_several_cidrs_per_node(moded: Moded, many: list[str]) -> None:
    """Multi-pool alone: the node's pods are spread over them."""
    cidrs = [ip_network(cidr) for cidr in moded.cidrs()[WORKER]]
    items = moded.place.lab.object("pods", *many)["items"]
    addresses = [ip_address(pod["status"]["podIP"]) for pod in items]

    in_use = [cidr for cidr in cidrs if any(address in cidr for address in addresses)]

    assert all(any(address in cidr for cidr in cidrs) for address in addresses)
    assert len(cidrs) == len(in_use) == (2 if moded.mode == "multi-pool" else 1)


def test_dynamic_allocation(moded: Moded) -> None:
    """Multi-pool alone: a CIDR comes with the pods that need it, and goes with them."""
    # Pods of another test may have left the node with more.
    eventually(lambda: len(moded.cidrs()[WORKER]) == 1, within_s=20, what="one CIDR")
    before = moded.cidrs()[WORKER]
    text = json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "crowd"},
            "spec": {
                "replicas": 14,
                "selector": {"matchLabels": {"app": "crowd"}},
                "template": {
                    "metadata": {"labels": {"app": "crowd"}},
                    "spec": {
                        "nodeName": WORKER,
                        "terminationGracePeriodSeconds": 0,
                        "containers": [{"name": "web", "image": "traefik/whoami"}],
                    },
                },
            },
        }
    )
    moded.place.lab.kubectl("apply", "-f", "-", text=text)
    moded.place.typed("kubectl rollout status deployment/crowd --timeout=60s")

    grown = moded.cidrs()[WORKER]
    asked = moded.requested(WORKER)
    moded.place.typed("kubectl delete deployment crowd")

    if moded.mode != "multi-pool":
        assert (grown, asked) == (before, [])
        return
    assert len(grown) == len(before) + 1
    assert asked
    eventually(
        lambda: len(moded.cidrs()[WORKER]) == len(before), within_s=20, what="the CIDR given back"
    )


def test_pod_names_its_pool_and_pools_come_while_the_cluster_runs(moded: Moded) -> None:
    """The pool is made, and the pod at once after it; other modes do not know pools."""
    mars = {
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumPodIPPool",
        "metadata": {"name": "mars"},
        "spec": {"ipv4": {"cidrs": ["172.22.0.0/24"], "maskSize": 27}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "martian", "annotations": {"ipam.cilium.io/ip-pool": "mars"}},
        "spec": {
            "nodeName": WORKER,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "web", "image": "traefik/whoami"}],
        },
    }
    lab = moded.place.lab
    items = [mars, pod] if moded.mode == "multi-pool" else [pod]
    lab.kubectl(
        "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    )
    moded.place.typed("kubectl wait pod martian --for=condition=Ready --timeout=30s")

    address = lab.object("pod", "martian")["status"]["podIP"]

    assert address.startswith("172.22.0.") == (moded.mode == "multi-pool")
    assert "Hostname: martian" in moded.place.in_pod(f"curl -s -m 3 http://{address}")
    moded.place.typed("kubectl delete pod martian")
