"""Addresses that the cluster has for other ends: nodes', pods' CIDRs, the ranges of Services.

A pool that holds one of them is told so by a condition: a Service would be given an address that a
pod, a node or another Service answers to. Ranges of Services are objects since Kubernetes 1.33;
where there are none, or they may not be listed, pools are not compared with them.
"""

from collections.abc import Iterator

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.service_cidr import SERVICE_CIDRS, ServiceCIDR, service_ranges
from ciliate.cluster.tables import Tables
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.kube.listable import list_refusal
from ciliate.load_balancer_ipam.pools import Taken
from ciliate.net.address import IPNetwork, ip_network
from ciliate.reconcile.listeners import Listeners


class ClusterRanges:
    """What is taken; `follow` is its task, and `changed` is called when it is something else."""

    def __init__(self, client: ApiClient, tables: Tables) -> None:
        self._client = client
        self._tables = tables
        self._ranges: Informer[ServiceCIDR] = Informer(client, SERVICE_CIDRS)
        self.changed: Listeners[[]] = Listeners()

    def start(self) -> None:
        """Follow the tables of nodes, which are complete."""
        self._tables.cilium_nodes.add_listener(self._cilium_node_changed)
        self._tables.nodes.add_listener(self._node_changed)

    async def follow(self) -> None:
        """Follow the ranges of Services, if there are such objects."""
        if await list_refusal(self._client, SERVICE_CIDRS) is None:
            self._ranges.add_listener(lambda _old, _new: self.changed())
            await self._ranges.run()

    def taken(self) -> Iterator[Taken]:
        """Yield every prefix, with what has it."""
        for found in self._ranges.objects.values():
            for network in service_ranges(found)[0]:
                yield Taken(network, f"the range of Services (ServiceCIDR {found.metadata.name})")
        for node in self._tables.cilium_nodes.objects.values():
            for network in _networks(_cidrs(node)):
                yield Taken(network, f"a pod CIDR of node {node.metadata.name}")
        for host in self._tables.nodes.objects.values():
            for network in _networks(_addresses(host)):
                yield Taken(network, f"an address of node {host.metadata.name}")

    def _cilium_node_changed(self, old: CiliumNode | None, new: CiliumNode | None) -> None:
        if (_cidrs(old) if old else ()) != (_cidrs(new) if new else ()):
            self.changed()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if (_addresses(old) if old else ()) != (_addresses(new) if new else ()):
            self.changed()


def _cidrs(node: CiliumNode) -> tuple[str, ...]:
    ipam = node.spec.ipam
    return (*ipam.pod_cidrs, *(cidr for each in ipam.pools.allocated for cidr in each.cidrs))


def _addresses(node: Node) -> tuple[str, ...]:
    return tuple(each.address for each in node.status.addresses if each.type != "Hostname")


def _networks(texts: tuple[str, ...]) -> Iterator[IPNetwork]:
    for text in texts:
        try:
            yield ip_network(text, strict=False)
        except ValueError:
            continue  # A name, or something that others complain of.
