"""`cli/trace/search.py`: POD and DEST, as the API knows them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.definitions import definition_files
from ciliate.cli.trace.destination import read_destination
from ciliate.cli.trace.errors import DestinationError, SenderError
from ciliate.cli.trace.search import seek
from ciliate.cli.trace.sought import Sought
from ciliate.kube.client import ApiClient

PODS = {"curl-pod": ("k8s-ctr", "10.244.0.36"), "webpod-1": ("k8s-w1", "10.244.1.244")}
SERVICE = {
    "kind": "Service",
    "metadata": {"name": "webpod"},
    "spec": {"clusterIP": "10.96.8.89", "ports": [{"name": "http", "port": 80}]},
}
SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "webpod-a", "labels": {"kubernetes.io/service-name": "webpod"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["10.244.1.244"], "nodeName": "k8s-w1"}],
    "ports": [{"name": "http", "port": 8080}],
}
NODE = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNode",
    "metadata": {"name": "k8s-w1"},
    "spec": {"ipam": {"podCIDRs": ["10.244.1.0/24"]}},
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ApiClient]:
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as made,
    ):
        for name, (node, address) in PODS.items():
            spec = {"nodeName": node, "containers": [{"name": "c", "image": "x"}]}
            pod = {"kind": "Pod", "metadata": {"name": name}, "spec": spec}
            await create(made, "/api/v1/namespaces/default/pods", pod)
            status = {
                "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
            }
            await made.request(
                "PATCH",
                f"/api/v1/namespaces/default/pods/{name}/status",
                body=json.dumps(status).encode(),
                content_type="application/merge-patch+json",
            )
        await create(made, "/api/v1/namespaces/default/services", SERVICE)
        await create(made, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", SLICE)
        await create(made, "/apis/cilium.io/v2/ciliumnodes", NODE)
        yield made


async def create(client: ApiClient, path: str, value: dict[str, Any]) -> None:
    """Make an object."""
    await client.request("POST", path, body=json.dumps({"apiVersion": "v1", **value}).encode())


async def sought(client: ApiClient, destination: str, name: str = "curl-pod") -> Sought:
    """What is looked for."""
    return await seek(
        client,
        namespace="default",
        name=name,
        destination=read_destination(destination),
        protocol="",
    )


async def test_service_is_its_address_and_its_endpoints(client: ApiClient) -> None:
    found = await sought(client, "webpod")

    assert (found.pod, found.node, found.addresses) == (
        *("default/curl-pod", "k8s-ctr"),
        frozenset({"10.244.0.36"}),
    )
    assert found.peers == {("10.96.8.89", 0), ("10.244.1.244", 8080)}
    assert found.name_of("10.96.8.89", 80) == "Service default/webpod"
    assert found.nodes == {"10.244.1.244": "k8s-w1"}


async def test_port_of_a_service_may_be_named(client: ApiClient) -> None:
    assert (await sought(client, "webpod:http")).peers == (await sought(client, "webpod:80")).peers


async def test_address_of_a_service_means_the_service(client: ApiClient) -> None:
    assert (await sought(client, "10.96.8.89:80")).destination == "Service default/webpod:80"


async def test_pod_is_its_address_on_its_node(client: ApiClient) -> None:
    found = await sought(client, "webpod-1:80")

    assert found.peers == {("10.244.1.244", 80)}
    assert found.nodes == {"10.244.1.244": "k8s-w1"}


async def test_address_of_a_node_s_range_is_of_that_node(client: ApiClient) -> None:
    assert (await sought(client, "10.244.1.99")).nodes == {"10.244.1.99": "k8s-w1"}
    assert (await sought(client, "203.0.113.10")).nodes == {}


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("nosuch", "default/nosuch is neither a Service nor a pod"),
        ("shop/webpod", "shop/webpod is neither"),
        ("svc/webpod-1", "neither"),
        ("webpod:https", "the Service's ports are http"),
        ("webpod-1:http", "only a Service's ports have names"),
    ],
)
async def test_destination_that_is_nobody_is_refused(
    client: ApiClient, destination: str, problem: str
) -> None:
    with pytest.raises(DestinationError, match=problem):
        await sought(client, destination)


async def test_pod_that_is_not_there_is_refused(client: ApiClient) -> None:
    with pytest.raises(SenderError, match="does not exist"):
        await sought(client, "webpod", name="gone")
