"""The MTU of pods' routes: what a packet to another node may have, also after that has changed.

A pod gets it at its ADD. It changes with the routing mode, since a tunnel takes its part of each packet,
and with the devices. What is longer than the path is answered with an ICMP error too, but not every
peer hears that.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from ciliate.netlink.pod import PodLinks
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.target import Failures, one_by_one


class PodMtuTarget:
    """The MTUs of the routes of pods whose interfaces we made, by endpoint.

    Observed in what was last set: a look into the namespaces of all pods would cost each of them.
    """

    name = "sync-pod-mtus"

    def __init__(self, links: PodLinks, table: EndpointTable, store: EndpointStore) -> None:
        self._links = links
        self._table = table
        self._store = store

    async def observe(self) -> Mapping[int, int]:
        """Return what the pods' routes have, in bytes."""
        return {each.id: each.interface.route_mtu for each in _set_by_us(self._table)}

    async def put(self, entries: Mapping[int, int]) -> Failures[int]:
        """Set the MTUs; a pod that is gone is a success."""
        return await one_by_one(entries, lambda key: self._set(key, entries[key]))

    async def _set(self, endpoint_id: int, mtu: int) -> None:
        endpoint = self._table.get(endpoint_id)
        if endpoint is None or endpoint.interface.route_mtu == mtu:
            return
        await self._links.set_route_mtu(replace(endpoint.interface, route_mtu=mtu))
        current = self._table.get(endpoint_id)
        if current is None or current.attachment != endpoint.attachment:
            return  # It went meanwhile.
        changed = replace(current, interface=replace(current.interface, route_mtu=mtu))
        self._store.save(changed)
        self._table.put(changed)

    async def remove(self, keys: Collection[int]) -> Failures[int]:  # noqa: ARG002 - they are gone.
        """Do nothing: routes go with their pods."""
        return {}


def desired_mtus(table: EndpointTable, route_mtu: Callable[[], int]) -> Mapping[int, int]:
    """Return the MTU of each pod's routes, in bytes: no more than its interface has."""
    mtu = route_mtu()
    return {each.id: min(mtu, each.interface.mtu) for each in _set_by_us(table)}


def _set_by_us(table: EndpointTable) -> Collection[Endpoint]:
    return [
        each
        for each in table
        if not each.chained and each.interface.netns and each.interface.gateways
    ]
