"""cluster-pool mode against the embedded API server: who gets which CIDR, and what is reported."""

from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import (
    add_endpoint,
    add_node,
    configure,
    operator,
    until_error,
    until_event,
    until_no_error,
    until_node,
    until_pod_cidrs,
)

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.core import CONFIG_MAPS, NODES, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient

# The endpoints here have no pods: nobody must clean them up.
POOL = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.50.0.0/22",
    "cilium-endpoint-gc-interval": "0",
}
BOTH = POOL | {
    "enable-ipv6": "true",
    "cluster-pool-ipv6-cidr": "fd50::/112",
}
ODD_NODE = b"""{"apiVersion":"cilium.io/v2","kind":"CiliumNode","metadata":{"name":"odd"},
    "spec":{"ipam":{"podCIDRs":["10.50.0.0/24"],"min-allocate":%s}}}"""


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "operator.sock"


async def test_nodes_get_blocks_in_order_of_both_families(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, BOTH)
    await add_node(client, "a")
    async with operator(server, socket):
        await until_pod_cidrs(client, "a", "10.50.0.0/24", "fd50::/120")
        await add_node(client, "b")
        await until_pod_cidrs(client, "b", "10.50.1.0/24", "fd50::100/120")


async def test_a_family_that_is_missing_is_added_and_the_other_left_alone(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, BOTH)
    await add_node(client, "a", pod_cidrs=("10.50.3.0/24",))
    async with operator(server, socket):
        await until_pod_cidrs(client, "a", "10.50.3.0/24", "fd50::/120")


async def test_exhaustion_is_reported_and_healed_by_a_deleted_node(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    async with operator(server, socket):
        for number in range(4):
            await add_node(client, f"n{number}")
            await until_pod_cidrs(client, f"n{number}", f"10.50.{number}.0/24")
        await add_node(client, "late")

        error = await until_error(client, "late", "allocator full")
        event = await until_event(client, "late", "CIDRPoolExhausted")
        assert event.message == error
        await client.delete(CILIUM_NODES, "n2")

        await until_pod_cidrs(client, "late", "10.50.2.0/24")
        await until_no_error(client, "late")


async def test_a_block_that_a_nodes_own_address_kept_is_given_when_the_node_goes(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL | {"cluster-pool-ipv4-cidr": "10.50.0.0/23"})
    await client.create(NODES, Node(metadata=ObjectMeta(name="k")))
    status = {"status": {"addresses": [{"type": "InternalIP", "address": "10.50.1.9"}]}}
    await client.patch(NODES, "k", status, subresource="status")
    await add_node(client, "a", pod_cidrs=("10.50.0.0/24",))
    async with operator(server, socket):
        await add_node(client, "late")
        await until_error(client, "late", "allocator full")
        await client.delete(NODES, "k")
        # Sooner than those that wait are enqueued anyway.
        await until_node(client, "late", lambda n: bool(n.spec.ipam.pod_cidrs), within_s=5)


async def test_the_error_of_a_former_mode_does_not_stay(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL | {"cluster-pool-ipv4-cidr": "10.50.0.0/24"})
    await add_node(client, "a", pod_cidrs=("10.50.0.0/24",))
    await add_node(client, "late")
    async with operator(server, socket):
        await until_error(client, "late", "allocator full")
    body = {"data": {"ipam": "kubernetes"}}
    await client.patch(CONFIG_MAPS, "cilium-config", body, namespace="kube-system")
    async with operator(server, socket):
        await until_no_error(client, "late")


async def test_the_second_of_two_nodes_with_one_cidr_gets_an_error_with_its_owner(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    await add_node(client, "a", pod_cidrs=("10.50.1.0/24",))
    async with operator(server, socket):
        await add_node(client, "b", pod_cidrs=("10.50.1.128/25",))
        error = await until_error(client, "b", "already allocated")
        assert "(10.50.1.128/25)" in error
        assert "node a, which has 10.50.1.0/24" in error
        await client.delete(CILIUM_NODES, "a")
        await until_no_error(client, "b")


async def test_the_second_of_two_nodes_with_one_address_is_told_and_takes_no_pods_from_the_first(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    """Asked for again, the first node's block was the second's, since its pods were."""
    await configure(client, POOL)
    await add_node(client, "a", address="192.0.2.1", pod_cidrs=("10.50.0.0/24",))
    await add_endpoint(client, "web", "10.50.0.7", node_address="192.0.2.1")
    async with operator(server, socket):
        await add_node(client, "b", address="192.0.2.1")
        await until_pod_cidrs(client, "b", "10.50.1.0/24")
        error = await until_error(client, "b", "InternalIP 192.0.2.1 is already node a's")
        assert "delete that of the node that is gone" in error
        assert (await client.get(CILIUM_NODES, "a")).status.ipam.operator_status.error == ""

        await client.delete(CILIUM_NODES, "a")
        await until_no_error(client, "b")


async def test_a_cidr_outside_the_pools_is_kept_and_reported(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    await add_node(client, "a", pod_cidrs=("10.244.0.0/24",))
    async with operator(server, socket):
        await until_error(
            client, "a", "allocator not configured for the requested CIDR 10.244.0.0/24"
        )
        assert (await client.get(CILIUM_NODES, "a")).spec.ipam.pod_cidrs == ("10.244.0.0/24",)


async def test_a_deleted_node_gets_the_block_of_its_pods_again_and_nobody_else(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    await add_node(client, "a", address="192.0.2.1", pod_cidrs=("10.50.0.0/24",))
    await add_endpoint(client, "web", "10.50.0.7", node_address="192.0.2.1")
    async with operator(server, socket):
        await client.delete(CILIUM_NODES, "a")
        await add_node(client, "b", address="192.0.2.2")
        await until_pod_cidrs(client, "b", "10.50.1.0/24")
        await add_node(client, "a", address="192.0.2.1")
        await until_pod_cidrs(client, "a", "10.50.0.0/24")


async def test_cidrs_and_addresses_of_what_cannot_be_read_are_given_to_nobody(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    await client.request("POST", CILIUM_NODES.path(), body=ODD_NODE % b"1e30")
    await client.request(
        "POST",
        CILIUM_ENDPOINTS.path(namespace="default"),
        body=b"""{"apiVersion":"cilium.io/v2","kind":"CiliumEndpoint","metadata":{"name":"web"},
        "status":{"identity":{"id":5.0},
        "networking":{"addressing":[{"ipv4":"10.50.1.7"}],"node":"192.0.2.1"}}}""",
    )
    async with operator(server, socket):
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
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, POOL)
    async with operator(server, socket):
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
