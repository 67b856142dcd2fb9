"""Objects that the API server accepts and our Structs do not: what they claim stays theirs."""

from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.cluster import (
    add_node,
    configure,
    operator,
    until_event,
    until_no_error,
    until_pod_cidrs,
)

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES, AllocatedPool
from ciliate.cluster.partial_decode import partial_endpoint, partial_node
from ciliate.cluster.views import UnreadableNode, trimmed_cilium_node
from ciliate.kube.client import ApiClient

CONFIG = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.50.0.0/22",
    "cilium-endpoint-gc-interval": "0",
}

ODD_NODE = b"""{"apiVersion":"cilium.io/v2","kind":"CiliumNode","metadata":{"name":"odd"},
    "spec":{"ipam":{"podCIDRs":["10.50.0.0/24"],"min-allocate":%s}}}"""


@pytest.mark.parametrize("number", [b"5.5e0", b"1e30"])
def test_numbers_that_do_not_fit_hide_no_claim(number: bytes) -> None:
    node = trimmed_cilium_node(
        partial_node(
            b"""{"metadata":{"name":"odd","uid":"u","annotations":
            {"ipam.ciliate.io/draining-cidrs":"10.3.0.0/24"}},
            "spec":{"addresses":[{"type":"InternalIP","ip":"192.0.2.1"},5],"ipam":{
            "podCIDRs":["10.0.0.0/24",7],"min-allocate":%s,"pools":{
            "requested":[{"pool":"x","needed":{"ipv4-addrs":1e3}}],
            "allocated":[{"pool":"x","cidrs":["10.1.0.0/24",null]},{"cidrs":["10.2.0.0/24"]},3]}}},
            "status":{"ipam":{"operator-status":{"error":"told"}}}}"""
            % number
        )
    )

    assert isinstance(node, UnreadableNode)
    assert node.problem
    assert node.metadata.name == "odd"
    assert node.current_cidrs == ("10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24")
    assert node.draining_cidrs == ("10.3.0.0/24",)
    assert node.spec.ipam.pools.allocated[0] == AllocatedPool(pool="x", cidrs=("10.1.0.0/24",))
    assert [a.ip for a in node.spec.addresses] == ["192.0.2.1"]
    assert node.status.ipam.operator_status.error == "told"


def test_an_endpoint_that_cannot_be_read_keeps_its_addresses_and_identity() -> None:
    endpoint = partial_endpoint(
        b"""{"metadata":{"name":"web","namespace":"default"},"status":{"identity":{"id":5.0},
        "networking":{"addressing":[{"ipv4":"10.0.0.7"},{"ipv4":7}],"node":"192.0.2.1"}}}"""
    )

    assert endpoint.identity == "5"
    assert endpoint.status.networking is not None
    assert [pair.ipv4 for pair in endpoint.status.networking.addressing] == ["10.0.0.7"]
    assert endpoint.status.networking.node == "192.0.2.1"


@pytest.mark.parametrize("document", [b'{"metadata":{"name":"a"},"spec":[]}', b'{"spec":5}'])
def test_what_claims_nothing_that_can_be_read_is_known_all_the_same(document: bytes) -> None:
    assert partial_node(document).current_cidrs == ()
    assert partial_endpoint(document).identity == ""


async def test_cidrs_and_addresses_of_what_cannot_be_read_are_given_to_nobody(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    await configure(client, CONFIG)
    await client.request("POST", CILIUM_NODES.path(), body=ODD_NODE % b"1e30")
    await client.request(
        "POST",
        CILIUM_ENDPOINTS.path(namespace="default"),
        body=b"""{"apiVersion":"cilium.io/v2","kind":"CiliumEndpoint","metadata":{"name":"web"},
        "status":{"identity":{"id":5.0},
        "networking":{"addressing":[{"ipv4":"10.50.1.7"}],"node":"192.0.2.1"}}}""",
    )
    async with operator(server, tmp_path / "operator.sock"):
        await add_node(client, "good")
        await until_pod_cidrs(client, "good", "10.50.2.0/24")

        event = await until_event(client, "odd", "CIDRAllocationFailed")
        assert "until then the node gets no CIDRs" in event.message
        raw = await client.get_json(CILIUM_NODES.path(name="odd"))
        assert raw["status"]["ipam"]["operator-status"]["error"] == event.message

        await client.request(
            "PATCH",
            CILIUM_NODES.path(name="odd"),
            body=b'{"spec":{"ipam":{"min-allocate":5}}}',
            content_type="application/merge-patch+json",
        )
        await until_no_error(client, "odd")


async def test_a_claim_that_comes_with_what_cannot_be_read_counts_at_once(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    await configure(client, CONFIG)
    async with operator(server, tmp_path / "operator.sock"):
        await add_node(client, "first")
        await until_pod_cidrs(client, "first", "10.50.0.0/24")
        claim = ODD_NODE.replace(b"10.50.0.0", b"10.50.1.0") % b"1e30"
        await client.request("POST", CILIUM_NODES.path(), body=claim)
        await until_event(client, "odd", "CIDRAllocationFailed")
        await add_node(client, "good")
        await until_pod_cidrs(client, "good", "10.50.2.0/24")
        await client.delete(CILIUM_NODES, "odd")
        await add_node(client, "late")
        await until_pod_cidrs(client, "late", "10.50.3.0/24")
        await add_node(client, "last")
        await until_pod_cidrs(client, "last", "10.50.1.0/24")
