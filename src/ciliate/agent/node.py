"""This node's CiliumNode: how the other nodes learn its addresses and its pods' CIDRs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ciliate.agent.bootstrap import OwnNode
from ciliate.api.cilium_node import (
    CILIUM_NODES,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeIPAM,
)
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.net.address import IPAddress


@dataclass(frozen=True, slots=True)
class NodePublication:
    """The part of the CiliumNode that the agent decides."""

    owner_uid: str
    labels: Mapping[str, str]
    addresses: tuple[CiliumNodeAddress, ...]
    pod_cidrs: tuple[str, ...]
    boot_id: str


def boot_id() -> str:
    """Return the kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def node_publication(own: OwnNode, router: tuple[IPAddress, ...], *, boot: str) -> NodePublication:
    """Return what the cluster is told about this node in host-scope mode."""
    kinds = (
        ("InternalIP", own.internal_ips),
        ("ExternalIP", own.external_ips),
        ("CiliumInternalIP", tuple(sorted(router, key=lambda a: a.version))),
    )
    return NodePublication(
        owner_uid=own.uid,
        labels=own.labels,
        addresses=tuple(
            CiliumNodeAddress(type=kind, ip=str(address))
            for kind, addresses in kinds
            for address in addresses
        ),
        pod_cidrs=tuple(map(str, own.pod_cidrs)),
        boot_id=boot,
    )


class CiliumNodeTarget:
    """The one CiliumNode that bears this node's name."""

    name = "sync-ciliumnode"

    def __init__(self, client: ApiClient, informer: Informer[CiliumNode], node_name: str) -> None:
        self._client = client
        self._informer = informer
        self._node_name = node_name

    async def observe(self) -> Mapping[str, NodePublication]:
        """Return the object as the watch last saw it."""
        await self._informer.synced()
        found = self._informer.get(self._node_name)
        if found is None:
            return {}
        observed = NodePublication(
            owner_uid=next((o.uid for o in found.metadata.owner_references), ""),
            labels=found.metadata.labels,
            addresses=found.spec.addresses,
            pod_cidrs=found.spec.ipam.pod_cidrs,
            boot_id=found.spec.boot_id,
        )
        return {self._node_name: observed}

    async def put(self, key: str, value: NodePublication) -> None:
        """Create the object, or change our part of it."""
        wanted = CiliumNode(
            metadata=ObjectMeta(
                name=key,
                labels=dict(value.labels),
                owner_references=(
                    OwnerReference(api_version="v1", kind="Node", name=key, uid=value.owner_uid),
                ),
            ),
            spec=CiliumNodeSpec(
                boot_id=value.boot_id,
                addresses=value.addresses,
                ipam=NodeIPAM(pod_cidrs=value.pod_cidrs),
            ),
        )
        try:
            await self._client.patch(CILIUM_NODES, key, self._patch(wanted))
        except NotFoundError:
            try:
                await self._client.create(CILIUM_NODES, wanted)
            except AlreadyExistsError:
                await self._client.patch(CILIUM_NODES, key, self._patch(wanted))

    def _patch(self, wanted: CiliumNode) -> dict[str, Any]:
        """Return a merge patch (RFC 7396): labels that the Node lost are named with null."""
        body: dict[str, Any] = msgspec.to_builtins(wanted)
        found = self._informer.get(wanted.metadata.name)
        lost = found.metadata.labels.keys() - wanted.metadata.labels.keys() if found else ()
        body["metadata"]["labels"] = {**wanted.metadata.labels, **dict.fromkeys(lost)}
        return body

    async def remove(self, key: str) -> None:
        """Never asked for: the object goes with its Node."""
        raise AssertionError(f"CiliumNode {key} is not the agent's to remove")
