"""Asks the datapath what it would do with a pod's packet.

The programs that are asked are the live ones, loaded once more so that they change nothing
(bpf/lib/decision.h). Where the host's stack masquerades, its routes and the list are asked as well.
"""

import asyncio
from typing import Final

import msgspec

from ciliate.datapath import test_run
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import Decision, DecisionStep
from ciliate.errors import CiliateError
from ciliate.masquerade.explain.answer import Explanation, Question
from ciliate.masquerade.explain.question import Sender, Target, first_packet, read_target
from ciliate.masquerade.explain.telling import Facts, told, told_by_list
from ciliate.masquerade.maps import DECISIONS, MASQUERADE_GENERATIONS
from ciliate.masquerade.nftables.stack import StackMasquerade
from ciliate.masquerade.rule_list import RuleList
from ciliate.masquerade.rules import UNSELECTED, deciding_place
from ciliate.net.address import IPAddress, to_octets
from ciliate.net.link import Link, RouteAnswer, RouteKind
from ciliate.net.protocol import SCTP
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.routes import lookup_route
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint

_NO_DECISION: Final = Decision.unpack(bytes(Decision.SIZE))


class PodMissingError(CiliateError):
    """The pod cannot be asked about on this node."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"pod {name}: {problem}")


class Explainer:
    """Answers POST masquerade/explain; one packet at a time."""

    def __init__(self, context: Context, listed: RuleList, stack: StackMasquerade) -> None:
        self._context = context
        self._list = listed
        self._stack = stack
        self._datapath: Datapath | None = None
        self._one = asyncio.Lock()  # There is one record.

    def use(self, datapath: Datapath) -> None:
        """Ask this datapath."""
        self._datapath = datapath

    async def explain(self, body: bytes) -> Explanation:
        """Answer a `Question`.

        Raises:
            CiliateError: The pod is not here, or the destination is none; the kernel refused.
        """
        question = msgspec.json.decode(body, type=Question)
        target = read_target(question.destination)
        endpoint, address = self._sender(question, target)
        interface = endpoint.interface
        sender = Sender(address, interface.pod_mac, interface.host_mac)
        frame = first_packet(sender, target, question.source_port)
        async with self._one:
            decision, link = await self._decided(frame, endpoint, target)
            selection = self._list.selections.get(endpoint.id, UNSELECTED)
            facts = Facts(
                pod="/".join(endpoint.pod_key),
                node=self._context.own.name,
                address=address,
                target=target,
                by_stack=self._is_by_stack,
                rules=self._list.rules,
                generation=await asyncio.to_thread(self._generation),
                held=self._list.held,
                selected=selection.of(target.address.version),
                link=link,
                encapsulates=self._context.settings.routing.tunnel is not None,
            )
        if decision.step == DecisionStep.DECISION_STACK and self._is_by_stack:
            return self._told_by_stack(facts, decision)
        return told(facts, decision)

    @property
    def _is_by_stack(self) -> bool:
        return self._context.settings.masquerade.by_stack

    def _sender(self, question: Question, target: Target) -> tuple[Endpoint, IPAddress]:
        name = f"{question.namespace}/{question.pod}"
        endpoint = self._context.endpoints.of_pod((question.namespace, question.pod))
        if endpoint is None or not endpoint.is_connected:
            node = self._context.own.name
            raise PodMissingError(
                name, f"has no endpoint on {node}: see `cilium-dbg endpoint list`"
            )
        address = endpoint.address(target.address.version)
        if address is None:
            raise PodMissingError(name, f"has no IPv{target.address.version} address")
        return endpoint, address

    async def _decided(
        self, frame: bytes, endpoint: Endpoint, target: Target
    ) -> tuple[Decision, Link | None]:
        """Return what the programs say, and the device the packet leaves by."""
        decision = await asyncio.to_thread(self._run, "from_pod", frame, endpoint.ifindex)
        if decision.step != DecisionStep.DECISION_STACK:
            return decision, self._link(decision.ifindex)
        destination = to_octets(target.address)
        if destination in self._context.devices.current.octets:
            return decision._replace(step=DecisionStep.DECISION_NODE), None
        if self._context.endpoints.at(destination) is not None:
            return decision._replace(step=DecisionStep.DECISION_POD), None
        route = await self._route(target)
        if route is not None and route.kind in (RouteKind.LOCAL, RouteKind.BROADCAST):
            return decision._replace(step=DecisionStep.DECISION_NODE), None
        if route is not None and route.link_index == self._context.own_links.router.index:
            return decision._replace(step=DecisionStep.DECISION_CLUSTER), None  # Into the tunnel.
        link = None if route is None else self._link(route.link_index)
        if link is not None and link.is_ethernet and not self._is_by_stack:
            decision = await asyncio.to_thread(self._run, "to_uplink", frame, link.index)
        return decision, link

    def _run(self, program: str, frame: bytes, ifindex: int) -> Decision:
        """Return what a program says. Blocking: its first run may have to load it."""
        assert self._datapath is not None, "requests are answered since the node is set up"
        fd = self._datapath.dry_run_fd(program)
        with self._datapath.opened(DECISIONS) as decisions:
            decisions.put(0, _NO_DECISION)
            test_run.run(fd, frame, ifindex=ifindex)
            found = decisions.get(0)
        assert found is not None, "an array has all its entries"
        return found

    def _generation(self) -> int:
        assert self._datapath is not None, "it was asked before"
        with self._datapath.opened(MASQUERADE_GENERATIONS) as generations:
            now = generations.get(0)
        return 0 if now is None else now.number

    async def _route(self, target: Target) -> RouteAnswer | None:
        """Return by which route the stack sends; None: by none."""
        try:
            return await lookup_route(self._context.rtnl, target.address)
        except NetlinkError:
            return None

    def _link(self, index: int) -> Link | None:
        selected = self._context.devices.current.selected
        return next((link for link in selected if link.index == index), None)

    def _told_by_stack(self, facts: Facts, decision: Decision) -> Explanation:
        """Return what the stack does, by what it was given: routes, the list, settings."""
        masquerade, destination = self._context.settings.masquerade, facts.target.address
        if facts.link is None:
            return told(facts, decision)
        if not (masquerade.ipv4 if facts.version == 4 else masquerade.ipv6):
            return told(facts, decision._replace(step=DecisionStep.DECISION_OFF))
        packet = facts.packet(in_cluster=self._stack.is_of_cluster(destination))
        place = deciding_place(facts.rules, packet)
        source = self._stack.source(facts.rules[place], facts.link, destination)
        is_dropped = source is not None and facts.target.number == SCTP and not masquerade.sctp
        return told_by_list(facts, place, packet, source, is_dropped=is_dropped)
