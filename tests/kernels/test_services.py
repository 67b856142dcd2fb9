"""A Service answers who connects in a pod, at its socket, and who asks a node's port from outside."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.kernels.conftest import WAIT_S, SmokeLab
from tests.lab.cluster import eventually

#: The node that is asked from outside, by family; the endpoint is on the other.
ASKED = {4: "192.168.10.100", 6: "fd00:192:168:10::100"}
ENDPOINT = "tools-k8s-w1"


@dataclass(frozen=True, slots=True)
class Served:
    """The Service's addresses by family, and its node port."""

    addresses: dict[int, str]
    node_port: int


def _objects(endpoints: dict[int, str]) -> Iterator[dict[str, Any]]:
    """Yield a Service of both families and its endpoints."""
    ports = [{"name": "web", "port": 8080, "targetPort": 80}]
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"type": "NodePort", "ipFamilyPolicy": "RequireDualStack", "ports": ports},
    }
    for family, address in endpoints.items():
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"web-{family}", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": f"IPv{family}",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": [{"name": "web", "port": 80}],
        }


@pytest.fixture(scope="module")
def served(lab: SmokeLab) -> Iterator[Served]:
    items = list(_objects(lab.addresses(ENDPOINT)))
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    lab.cluster.kubectl("apply", "-f", "-", text=text)
    spec = lab.cluster.object("service", "web")["spec"]
    addresses = {6 if ":" in each else 4: each for each in spec["clusterIPs"]}
    yield Served(addresses, spec["ports"][0]["nodePort"])
    lab.cluster.kubectl("delete", "-f", "-", "--wait=false", text=text)


def _answer(lab: SmokeLab, who: str, address: str, port: int) -> dict[str, str]:
    """Return what the endpoint's server tells; the maps may not have the Service yet."""
    host = f"[{address}]" if ":" in address else address
    words = ("curl", "-sS", "--max-time", "20", f"http://{host}:{port}/")
    told = ""

    def is_answered() -> bool:
        nonlocal told
        told = lab.cluster.exec(who, *words, check=False)
        return "Hostname: " in told

    eventually(is_answered, within_s=WAIT_S, what=f"an answer of {address}")
    return dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)


@pytest.mark.parametrize("family", [4, 6])
def test_pod_reaches_a_service_by_its_address(lab: SmokeLab, served: Served, family: int) -> None:
    told = _answer(lab, "tools-k8s-ctr", served.addresses[family], 8080)

    own = lab.addresses("tools-k8s-ctr")[family]
    assert told["Hostname"] == ENDPOINT
    assert told["RemoteAddr"].rpartition(":")[0].strip("[]") == own


@pytest.mark.parametrize("family", [4, 6])
def test_router_reaches_it_by_a_node_without_an_endpoint(
    lab: SmokeLab, served: Served, family: int
) -> None:
    told = _answer(lab, "router", ASKED[family], served.node_port)

    assert told["Hostname"] == ENDPOINT
    assert told["RemoteAddr"].rpartition(":")[0].strip("[]") == ASKED[family]
