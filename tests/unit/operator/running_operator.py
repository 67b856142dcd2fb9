"""A cluster as the operator sees it: CiliumNodes through the API, and the operator's own life."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from tests.unit.kube.embedded_server import EmbeddedServer

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import CONFIG_MAPS, EVENTS, ConfigMap, Event
from ciliate.api.metadata import ObjectMeta
from ciliate.config.installation import Installation
from ciliate.kube.client import ApiClient
from ciliate.operator.process import Invocation, run_operator

Document = dict[str, Any]


def invocation(server: EmbeddedServer, socket: Path, **flags: str) -> Invocation:
    return Invocation(
        kubeconfig=str(server.kubeconfig),
        installation=Installation(),
        health_socket=socket,
        flags=flags,
    )


@asynccontextmanager
async def operator(
    server: EmbeddedServer, socket: Path, **flags: str
) -> AsyncIterator["asyncio.Future[None]"]:
    """Run an operator; it is ended as by a signal."""
    task = asyncio.ensure_future(run_operator(invocation(server, socket, **flags)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def health(socket: Path, path: str = "/healthz") -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session,
        session.get(f"http://operator{path}") as response,
    ):
        document: dict[str, Any] = await response.json()
        return response.status, document


async def configure(client: ApiClient, data: Mapping[str, str]) -> None:
    meta = ObjectMeta(name="cilium-config", namespace="kube-system")
    await client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data=dict(data)))


async def add_node(
    client: ApiClient,
    name: str,
    *,
    address: str = "",
    pod_cidrs: tuple[str, ...] = (),
    draining: str = "",
    pools: Document | None = None,
) -> None:
    annotations = {"ipam.ciliate.io/draining-cidrs": draining} if draining else {}
    document = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNode",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "addresses": [{"type": "InternalIP", "ip": address}] if address else [],
            "ipam": {"podCIDRs": list(pod_cidrs), "pools": pools or {}},
        },
    }
    await client.request("POST", CILIUM_NODES.path(), body=msgspec.json.encode(document))


async def add_endpoint(client: ApiClient, name: str, address: str, *, node_address: str) -> None:
    kind = "ipv6" if ":" in address else "ipv4"
    document = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumEndpoint",
        "metadata": {"name": name, "namespace": "default"},
        "status": {"networking": {"addressing": [{kind: address}], "node": node_address}},
    }
    path = CILIUM_ENDPOINTS.path(namespace="default")
    await client.request("POST", path, body=msgspec.json.encode(document))


async def until_node(
    client: ApiClient, name: str, condition: Callable[[CiliumNode], bool], *, within_s: float = 10
) -> CiliumNode:
    """Return the node once it is as wanted; on timeout the message shows what it was."""
    node = CiliumNode()
    try:
        async with asyncio.timeout(within_s):
            while True:
                node = await client.get(CILIUM_NODES, name)
                if condition(node):
                    return node
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {node}") from None


async def until_pod_cidrs(client: ApiClient, name: str, *cidrs: str) -> None:
    await until_node(client, name, lambda node: node.spec.ipam.pod_cidrs == cidrs)


async def until_error(client: ApiClient, name: str, part: str) -> str:
    """Return the error that the operator shows at the node once `part` is in it."""
    node = await until_node(
        client, name, lambda node: part in node.status.ipam.operator_status.error
    )
    return node.status.ipam.operator_status.error


async def until_no_error(client: ApiClient, name: str) -> None:
    await until_node(client, name, lambda node: not node.status.ipam.operator_status.error)


async def until_event(client: ApiClient, regarding: str, reason: str) -> Event:
    async with asyncio.timeout(10):
        while True:
            for event in (await client.list(EVENTS)).items:
                if (event.involved_object.name, event.reason) == (regarding, reason):
                    return event
            await asyncio.sleep(0.02)
