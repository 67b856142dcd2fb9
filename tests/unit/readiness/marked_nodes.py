"""Nodes with taints and the pods of their agents, and what nodes show."""

import asyncio
from datetime import datetime

import msgspec

from ciliate.api.cilium_node import CILIUM_NODES, READY_ANNOTATION, CiliumNode
from ciliate.api.core import NODES
from ciliate.api.metadata import ObjectMeta, format_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.kube.options import PatchKind


async def add_node(client: ApiClient, name: str, *taints: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
    }
    await client.request("POST", NODES.path(), body=msgspec.json.encode(document))


async def add_agent(client: ApiClient, node: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"cilium-{node}",
            "namespace": "kube-system",
            "labels": {"k8s-app": "cilium"},
        },
        "spec": {"nodeName": node, "containers": [{"name": "cilium-agent", "image": "i"}]},
    }
    path = "/api/v1/namespaces/kube-system/pods"
    await client.request("POST", path, body=msgspec.json.encode(document))


async def set_ready(client: ApiClient, node: str, *, ready: bool) -> None:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    await client.request(
        "PATCH",
        f"/api/v1/namespaces/kube-system/pods/cilium-{node}/status",
        body=msgspec.json.encode({"status": {"conditions": [condition]}}),
        content_type=PatchKind.STRATEGIC,
    )


async def state_ready(client: ApiClient, node: str, until: datetime) -> None:
    """The node's agent says in its CiliumNode until when it is ready."""
    annotations = {READY_ANNOTATION: format_time(until)}
    try:
        await client.patch(CILIUM_NODES, node, {"metadata": {"annotations": annotations}})
    except NotFoundError:
        meta = ObjectMeta(name=node, annotations=annotations)
        await client.create(CILIUM_NODES, CiliumNode(metadata=meta))


async def shown(client: ApiClient, name: str) -> tuple[list[str], list[str]]:
    node = await client.get(NODES, name)
    conditions = [f"{c.type}={c.status} {c.reason}" for c in node.status.conditions]
    return [taint.key for taint in node.spec.taints], conditions


async def until_shown(
    client: ApiClient, name: str, taints: list[str], conditions: list[str]
) -> None:
    async with asyncio.timeout(5):
        while await shown(client, name) != (taints, conditions):
            await asyncio.sleep(0.02)
