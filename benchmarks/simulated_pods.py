"""Nodes and pods that only the API server knows: what an agent hears of the rest of its cluster.

Everything about one follows from its numbers, so that a process that creates them and another that
changes them agree without a word. Each node has one pod CIDR, and pods have addresses of it:
others would cost a route each.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.control_plane import spread

from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointState,
    EndpointStatus,
    ExternalIdentifiers,
)
from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.cilium_node import CiliumNode, CiliumNodeAddress, CiliumNodeSpec, NodeIPAM
from ciliate.api.metadata import KubeObject, ObjectMeta
from ciliate.api.resource import Resource
from ciliate.datapath.layout import PrefixKey
from ciliate.kube.client import ApiClient
from ciliate.net.address import host_network, prefix_bits, to_octets

T = TypeVar("T", bound=KubeObject)

NODES: Final = 60
IDENTITIES: Final = 200

#: Where simulated pods live; every kind of theirs that has a namespace.
NAMESPACE: Final = "default"

#: Writes to the API server under way at once.
_WRITERS: Final = 16

#: On the lab's network, between its own first nodes and its router, .200.
_FIRST_NODE_IP: Final = IPv4Address("192.168.10.110")

#: Of no CIDR that a lab gives to nodes of its own. A /20 a node: 150,000 pods find room.
_FIRST_CIDR: Final = IPv4Address("10.128.0.0")
_CIDR_PREFIX: Final = 20
_CIDR_ADDRESSES: Final = 1 << (32 - _CIDR_PREFIX)

#: Addresses that no pod has at first: new pods get these before those of deleted ones.
SPARE_PLACES: Final = 3000

#: The most pods there may be: each CIDR's first and last address is given to no pod.
PODS_MAX: Final = NODES * (_CIDR_ADDRESSES - 2) - SPARE_PLACES

#: Where their identities' numbers begin; smaller ones are reserved or of the lab's own pods.
FIRST_IDENTITY: Final = 60_000


@dataclass(frozen=True, slots=True)
class SimulatedPod:
    """A pod: `number` names it, `place` is its address's, `identity` its identity's number."""

    number: int
    place: int
    identity: int

    @classmethod
    def initial(cls, number: int) -> "SimulatedPod":
        """Return the pod `number` as it is before anything changes."""
        return cls(number, place=number, identity=number % IDENTITIES)

    @property
    def name(self) -> str:
        """The name of the pod and of its CiliumEndpoint."""
        return f"simulated-{self.number}"

    @property
    def address(self) -> IPv4Address:
        """Its address, of its node's CIDR; places go around the nodes."""
        host, node = divmod(self.place, NODES)
        return _cidr_start(node) + 1 + host

    @property
    def ipcache_key(self) -> PrefixKey:
        """Under which key an ipcache has it."""
        network = host_network(self.address)
        return PrefixKey(
            prefix_length=prefix_bits(network), address=to_octets(network.network_address)
        )

    def endpoint(self) -> CiliumEndpoint:
        """Return its CiliumEndpoint as its node's agent would publish it."""
        container = f"{self.number:064x}"
        return CiliumEndpoint(
            metadata=ObjectMeta(name=self.name, namespace=NAMESPACE),
            status=EndpointStatus(
                id=self.place // NODES + 1,
                identity=endpoint_identity(self.identity),
                networking=EndpointNetworking(
                    addressing=(AddressPair(ipv4=str(self.address)),),
                    node=str(_node_ip(self.place % NODES)),
                ),
                state=str(EndpointState.READY),
                external_identifiers=ExternalIdentifiers(
                    cni_attachment_id=f"{container}:eth0",
                    container_id=container,
                    k8s_namespace=NAMESPACE,
                    k8s_pod_name=self.name,
                    pod_name=f"{NAMESPACE}/{self.name}",
                ),
            ),
        )


def identity_number(identity: int) -> int:
    """Return what the cluster calls the identity of that number here."""
    return FIRST_IDENTITY + identity


@lru_cache(maxsize=IDENTITIES)
def endpoint_identity(identity: int) -> EndpointIdentity:
    """Return identity number `identity` as an endpoint has it: one object for all its pods."""
    labels = _labels(identity)
    return EndpointIdentity(
        id=identity_number(identity),
        labels=tuple(f"{key}={value}" for key, value in labels.items()),
    )


def _labels(identity: int) -> dict[str, str]:
    return {
        "k8s:app": f"simulated-{identity}",
        "k8s:io.cilium.k8s.policy.cluster": "default",
        "k8s:io.cilium.k8s.policy.serviceaccount": "default",
        "k8s:io.kubernetes.pod.namespace": NAMESPACE,
    }


def _node_ip(node: int) -> IPv4Address:
    return _FIRST_NODE_IP + node


def _cidr_start(node: int) -> IPv4Address:
    return _FIRST_CIDR + node * _CIDR_ADDRESSES


def nodes() -> list[CiliumNode]:
    """Return all simulated nodes as their agents would publish them."""
    return [
        CiliumNode(
            metadata=ObjectMeta(name=f"simulated-{node}"),
            spec=CiliumNodeSpec(
                addresses=(CiliumNodeAddress(type="InternalIP", ip=str(_node_ip(node))),),
                ipam=NodeIPAM(pod_cidrs=(f"{_cidr_start(node)}/{_CIDR_PREFIX}",)),
            ),
        )
        for node in range(NODES)
    ]


def identities() -> list[CiliumIdentity]:
    """Return the identities that simulated pods have."""
    return [
        CiliumIdentity(
            metadata=ObjectMeta(name=str(identity_number(identity))),
            security_labels=_labels(identity),
        )
        for identity in range(IDENTITIES)
    ]


def create_all(kubeconfig: Path, resource: Resource[T], items: Iterable[T]) -> None:
    """Create `items` in the API, many at once.

    Raises:
        KubeError: One was refused.
    """
    asyncio.run(_create_all(kubeconfig, resource, items))


async def _create_all(kubeconfig: Path, resource: Resource[T], items: Iterable[T]) -> None:
    waiting = iter(items)
    async with ApiClient.from_kubeconfig(kubeconfig) as client:

        async def write() -> None:
            for item in waiting:
                await client.create(resource, item)

        await spread(write, _WRITERS)
