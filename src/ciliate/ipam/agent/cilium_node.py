"""This node's CiliumNode, by which other nodes learn its addresses and its pods' CIDRs."""

import time
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from ciliate.api.cilium_node import (
    CILIUM_NODES,
    DRAINING_ANNOTATION,
    AllocatedPool,
    CiliumNode,
    CiliumNodeAddress,
    IPAMPools,
    RequestedPool,
)
from ciliate.api.metadata import OwnerReference
from ciliate.ipam.agent.pool_demand import PoolDemand
from ciliate.ipam.node import NodeAddresses
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.node.own_node import OwnNode
from ciliate.reconcile.target import Failures, one_by_one

#: A CIDR in `pools.allocated` that the node cannot use is given back after this time.
_UNWANTED_AFTER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class NodePublication:
    """The part of the CiliumNode that the agent decides.

    The IPAM mode says which of the last four are the agent's; None: the operator's. `unwanted`
    are CIDRs of `pools.allocated` that the node gives back.
    """

    owner_uid: str
    labels: Mapping[str, str]
    addresses: tuple[CiliumNodeAddress, ...]
    boot_id: str
    draining: str = ""  # The annotation's text.
    pod_cidrs: tuple[str, ...] | None = None
    requested: tuple[RequestedPool, ...] | None = None
    allocated: tuple[AllocatedPool, ...] | None = None
    unwanted: tuple[str, ...] = ()


def boot_id() -> str:
    """Return the kernel's identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def node_publication(own: OwnNode, router: tuple[IPAddress, ...], *, boot: str) -> NodePublication:
    """Return what the CiliumNode says about this node besides its CIDRs."""
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
        boot_id=boot,
    )


class OwnCIDRs:
    """Completes a publication with the node's CIDRs, in the fields of its IPAM mode.

    kubernetes   podCIDRs are ours: what Kubernetes gave the node
    cluster-pool podCIDRs are the operator's
    multi-pool   `requested` is ours; of `allocated` we remove what is given back

    CIDRs in another mode's fields are taken out; those with pods in them are listed as draining.
    """

    def __init__(
        self,
        mode: str,
        informer: Informer[CiliumNode],
        addresses: NodeAddresses,
        demand: PoolDemand | None,
        pod_cidrs: Callable[[], tuple[IPNetwork, ...]],
    ) -> None:
        self._mode = mode
        self._informer = informer
        self._addresses = addresses
        self._demand = demand
        self._pod_cidrs = pod_cidrs
        self._once_held: set[str] = set()
        self._unheld_since: dict[str, float] = {}

    def complete(self, name: str, publication: NodePublication) -> NodePublication:
        """Return `publication` with the agent's part of the CIDRs."""
        completed = replace(publication, draining=",".join(map(str, self._addresses.draining)))
        if self._mode == "multi-pool":
            assert self._demand is not None, "made with the mode"
            return replace(
                completed,
                pod_cidrs=(),
                requested=self._demand.requested(),
                unwanted=self._unwanted(self._informer.get(name)),
            )
        pod_cidrs: tuple[str, ...] | None = None
        if self._mode == "kubernetes":
            pod_cidrs = tuple(map(str, self._pod_cidrs()))
        elif self._mode == "delegated-plugin":
            pod_cidrs = ()
        return replace(completed, pod_cidrs=pod_cidrs, requested=(), allocated=())

    def _unwanted(self, found: CiliumNode | None) -> tuple[str, ...]:
        """Return CIDRs of `pools.allocated` that are not held: given back, or never usable.

        The latter only when it lasts: the watch may bring the pool's range, or the end of another
        node's claim, a moment later than the CIDR.
        """
        pools = found.spec.ipam.pools.allocated if found is not None else ()
        listed = [cidr for pool in pools for cidr in pool.cidrs]
        held = {str(held.cidr) for held in self._addresses.held}
        now_s = time.monotonic()
        self._once_held = (self._once_held | held).intersection(listed)
        self._unheld_since = {
            cidr: self._unheld_since.get(cidr, now_s) for cidr in listed if cidr not in held
        }
        return tuple(
            cidr
            for cidr, since in self._unheld_since.items()
            if cidr in self._once_held or now_s - since >= _UNWANTED_AFTER_S
        )


class CiliumNodeTarget:
    """The CiliumNode with this node's name."""

    name = "sync-ciliumnode"

    def __init__(
        self, client: ApiClient, informer: Informer[CiliumNode], node_name: str, mode: str
    ) -> None:
        self._client = client
        self._informer = informer
        self._node_name = node_name
        self._mode = mode

    async def observe(self) -> Mapping[str, NodePublication]:
        """Return the agent's part of the object as the watch last saw it."""
        await self._informer.synced()
        found = self._informer.get(self._node_name)
        if found is None:
            return {}
        ipam = found.spec.ipam
        observed = NodePublication(
            owner_uid=next((o.uid for o in found.metadata.owner_references), ""),
            labels=found.metadata.labels,
            addresses=found.spec.addresses,
            boot_id=found.spec.boot_id,
            draining=found.metadata.annotations.get(DRAINING_ANNOTATION, ""),
            pod_cidrs=None if self._mode == "cluster-pool" else ipam.pod_cidrs,
            requested=ipam.pools.requested,
            allocated=None if self._mode == "multi-pool" else ipam.pools.allocated,
        )
        return {self._node_name: observed}

    async def put(self, entries: Mapping[str, NodePublication]) -> Failures[str]:
        """Create the object, or change the agent's part of it."""
        return await one_by_one(entries, lambda key: self._put(key, entries[key]))

    async def _put(self, key: str, value: NodePublication) -> None:
        found = self._informer.get(key)
        try:
            await self._client.patch(CILIUM_NODES, key, _patch(key, value, found))
        except NotFoundError:
            wanted = msgspec.convert(_body(key, value, None), CiliumNode)
            try:
                await self._client.create(CILIUM_NODES, wanted)
            except AlreadyExistsError:
                await self._client.patch(CILIUM_NODES, key, _body(key, value, None))

    async def last_writer(self, key: str) -> str:
        """Return who wrote to the object last, as the API server notes it."""
        return await find_last_writer(self._client, CILIUM_NODES, ("", key))

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Never asked for: the object goes with its Node."""
        raise AssertionError(f"CiliumNodes {keys} are not the agent's to remove")


def _body(name: str, value: NodePublication, found: CiliumNode | None) -> dict[str, Any]:
    """Return the agent's part of the object, with every field of it, also the empty ones."""
    owner = OwnerReference(api_version="v1", kind="Node", name=name, uid=value.owner_uid)
    held = found.spec.ipam.pools if found is not None else IPAMPools()
    pools: dict[str, Any] = {}  # Written even when empty, as Cilium does.
    if value.requested is not None and value.requested != held.requested:
        pools["requested"] = msgspec.to_builtins(value.requested)
    if value.allocated is not None and value.allocated != held.allocated:
        pools["allocated"] = msgspec.to_builtins(value.allocated)
    elif value.unwanted:
        pools["allocated"] = _without(held.allocated, value.unwanted)
    ipam: dict[str, Any] = {"pools": pools}
    if value.pod_cidrs or (value.pod_cidrs == () and found and found.spec.ipam.pod_cidrs):
        ipam["podCIDRs"] = list(value.pod_cidrs or ())
    return {
        "metadata": {
            "name": name,
            "labels": dict(value.labels),
            "annotations": {DRAINING_ANNOTATION: value.draining} if value.draining else {},
            "ownerReferences": [msgspec.to_builtins(owner)],
        },
        "spec": {
            "bootid": value.boot_id,
            "addresses": msgspec.to_builtins(value.addresses),
            "ipam": ipam,
        },
    }


def _patch(name: str, value: NodePublication, found: CiliumNode | None) -> dict[str, Any]:
    """Return a merge patch (RFC 7396): null removes a field."""
    body = _body(name, value, found)
    metadata = body["metadata"]
    if found is None:
        return body
    lost = found.metadata.labels.keys() - value.labels.keys()
    metadata["labels"].update(dict.fromkeys(lost))
    if DRAINING_ANNOTATION in found.metadata.annotations and not value.draining:
        metadata["annotations"][DRAINING_ANNOTATION] = None
    if value.unwanted:
        # The operator writes this list too: the patch must not undo what it added meanwhile.
        metadata["resourceVersion"] = found.metadata.resource_version
    return body


def _without(allocated: Iterable[AllocatedPool], unwanted: Container[str]) -> list[dict[str, Any]]:
    kept = [(p.pool, [cidr for cidr in p.cidrs if cidr not in unwanted]) for p in allocated]
    return [{"pool": pool, "cidrs": cidrs} for pool, cidrs in kept if cidrs]
