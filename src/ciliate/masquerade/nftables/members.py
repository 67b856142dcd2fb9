"""Whose addresses the table's sets hold: of this node's pods, and of the cluster.

The same as the programs keep from masquerading: nodes by all their addresses unless pods are reached
through a tunnel, pod CIDRs current and draining, and pods that are in none of them, as delegated plugins give addresses.
"""

from collections.abc import Callable, Iterable, Mapping

from ciliate.api.resource import ObjectKey
from ciliate.masquerade.nftables.plan import Addresses
from ciliate.masquerade.rules import Selection
from ciliate.net.address import IPNetwork, from_octets, host_network
from ciliate.node.cluster import Cluster
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.known_node import KnownNode
from ciliate.node.known_pod import KnownPod


class Members:
    """The addresses as they are now; `changed` is called when they may be others.

    Pods inside a native routing CIDR need no place in the sets, and are most: they cost nothing.
    """

    def __init__(
        self,
        cluster: Cluster,
        endpoints: EndpointTable,
        *,
        native: Iterable[IPNetwork],
        encapsulates: bool,
        changed: Callable[[], object],
    ) -> None:
        """`encapsulates`: pods' packets to nodes themselves are masqueraded, as by the programs."""
        self._cluster = cluster
        self._endpoints = endpoints
        self._native = tuple(native)
        self._encapsulates = encapsulates
        self._changed = changed
        self._outside: dict[ObjectKey, tuple[IPNetwork, ...]] = {}
        self._own_cidrs: frozenset[IPNetwork] = frozenset()
        cluster.known_nodes.add_listener(self._node_changed)
        cluster.known_pods.add_listener(self._pod_changed)
        endpoints.listen(self._endpoint_changed)

    def addresses(self, selections: Mapping[int, Selection]) -> Addresses:
        """Return them all; `selections` are the rows that select each endpoint."""
        nodes = tuple(self._cluster.known_nodes)
        cluster = {prefix for node in nodes for prefix in self._prefixes(node)}
        cluster.update(*self._outside.values())
        pods = {host_network(each) for endpoint in self._endpoints for each in endpoint.addresses}
        return Addresses(
            pods=self._own_cidrs | pods,
            cluster=frozenset(cluster),
            selected=self._selected(selections),
        )

    def _selected(self, selections: Mapping[int, Selection]) -> Mapping[int, set[IPNetwork]]:
        """Return the addresses of the pods that each row selects."""
        found: dict[int, set[IPNetwork]] = {}
        for number, selection in selections.items():
            endpoint = self._endpoints.get(number)
            for address in endpoint.addresses if endpoint is not None else ():
                for row in selection.of(address.version):
                    found.setdefault(row, set()).add(host_network(address))
        return found

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        if new is not None and new.is_local:
            self._own_cidrs = frozenset(new.all_cidrs)
        before, after = (set(self._prefixes(node)) if node else set() for node in (old, new))
        if before != after:
            self._changed()

    def _pod_changed(self, key: ObjectKey, _old: KnownPod | None, new: KnownPod | None) -> None:
        prefixes = tuple(
            host_network(address)
            for address in map(from_octets, new.addresses if new is not None else ())
            if not any(address in each for each in self._native)
        )
        if prefixes == self._outside.get(key, ()):
            return
        if prefixes:
            self._outside[key] = prefixes
        else:
            del self._outside[key]
        self._changed()

    def _endpoint_changed(self, old: Endpoint | None, new: Endpoint | None) -> None:
        before, after = (set(each.addresses) if each else set() for each in (old, new))
        if any(not any(address in cidr for cidr in self._own_cidrs) for address in before ^ after):
            self._changed()

    def _prefixes(self, node: KnownNode) -> Iterable[IPNetwork]:
        yield from node.all_cidrs
        yield from map(host_network, node.router_ips)
        if not self._encapsulates:
            yield from map(host_network, (*node.internal_ips, *node.external_ips))
