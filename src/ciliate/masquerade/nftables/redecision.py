"""Connections end in conntrack where their source is none any more, as the programs do it.

Conntrack remembers for a connection's life which source it got. Where the list has changed, that is
right for TCP; what else survives a change of its address ends here where the list now says another
one, so that its next packet is a first one. Where the node has lost the address, every connection
that is seen with it ends: nobody's answers would come back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from ciliate.errors import CiliateError
from ciliate.masquerade.compile import RuleTables
from ciliate.masquerade.rule_list import RuleList
from ciliate.masquerade.rules import UNSELECTED, FirstPacket, Rule, deciding_place
from ciliate.net.address import IPAddress, IPNetwork, to_octets
from ciliate.net.cidr_index import CIDRIndex
from ciliate.net.link import Link
from ciliate.net.protocol import ICMP, ICMPV6, UDP
from ciliate.netlink.channel import Channel
from ciliate.netlink.conntrack import TrackedFlow, end_flows, tracked_flows
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import get_route
from ciliate.node.context import Context
from ciliate.node.devices import NodeDevices
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

_DECIDED_ANEW: Final = frozenset({ICMP, UDP, ICMPV6})

#: The address that a rule gives to packets by a device to a destination; None: the pod's stays.
Source = Callable[[Rule, Link, IPAddress], IPAddress | None]


class Redecision:
    """Looks at conntrack after each change of the list; `run` is its task.

    `settled` returns once the table stands as the list wants it; `cluster` are the nodes and pods.
    """

    def __init__(
        self,
        context: Context,
        listed: RuleList,
        *,
        settled: Callable[[], Awaitable[None]],
        source: Source,
        cluster: Callable[[], Iterable[IPNetwork]],
    ) -> None:
        self.status = RunStatus("redecide-flows")
        self._context = context
        self._list = listed
        self._settled = settled
        self._source = source
        self._cluster = cluster
        self._woken = asyncio.Event()
        self._lost: frozenset[IPAddress] = frozenset()
        self._decided: RuleTables | None = None  # The list that flows were held to last.
        listed.changed.add(self._woken.set)
        context.devices.listen(self._devices_changed)

    def _devices_changed(self, old: NodeDevices, new: NodeDevices) -> None:
        if gone := frozenset(old.addresses).difference(new.addresses):
            self._lost |= gone
            self._woken.set()

    async def run(self) -> None:
        """Follow the list until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._settled()
                ended = await self._end_others()
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("flows under rules that changed: %s", error)
            else:
                self.status.succeeded()
                _log.debug("%d flows are decided anew", ended)

    async def _end_others(self) -> int:
        """End the flows that would get another source now; return how many."""
        pods = {
            address: endpoint.id
            for endpoint in self._context.endpoints
            for address in endpoint.addresses
        }
        lost = self._lost.difference(self._context.devices.current.addresses)
        self._lost = frozenset()
        # Addresses of the node that come and go change no list: what runs keeps its own.
        tables = self._list.tables
        is_another_list = tables != self._decided
        flows = await asyncio.to_thread(_flows_of, frozenset(pods), lost)
        links = await self._links({flow.destination for flow in flows})
        cluster: CIDRIndex[bool] = CIDRIndex()
        for each in self._cluster():
            cluster.put(each, True)
        others = [
            flow
            for flow in flows
            if flow.seen in lost
            or (
                is_another_list
                and (link := links.get(flow.destination)) is not None
                and self._expected(flow, pods[flow.source], link, cluster) != flow.seen
            )
        ]
        ended = await asyncio.to_thread(end_flows, others)
        self._decided = tables
        return ended

    async def _links(self, destinations: Collection[IPAddress]) -> Mapping[IPAddress, Link]:
        """Return the node's device by which each is reached; those without one are left out."""
        by_index = {link.index: link for link in self._context.devices.current.selected}

        def look_up(channel: Channel) -> dict[IPAddress, Link]:
            found = {}
            for each in destinations:
                try:
                    index = get_route(channel, each).link_index
                except NetlinkError:
                    continue  # It has no route by now.
                if index in by_index:
                    found[each] = by_index[index]
            return found

        return await self._context.rtnl.run(look_up)

    def _expected(
        self, flow: TrackedFlow, endpoint: int, link: Link, cluster: CIDRIndex[bool]
    ) -> IPAddress:
        selection = self._list.selections.get(endpoint, UNSELECTED)
        packet = FirstPacket(
            flow.destination,
            flow.protocol,
            flow.port,
            selection.of(flow.source.version),
            in_cluster=cluster.find(to_octets(flow.destination)) is not None,
        )
        rule = self._list.rules[deciding_place(self._list.rules, packet)]
        return self._source(rule, link, flow.destination) or flow.source


def _flows_of(pods: Collection[IPAddress], lost: Collection[IPAddress]) -> list[TrackedFlow]:
    """Return what pods opened and survives a change of its address, or cannot keep it. Blocking."""
    return [
        flow
        for flow in tracked_flows()
        if flow.source in pods and (flow.protocol in _DECIDED_ANEW or flow.seen in lost)
    ]
