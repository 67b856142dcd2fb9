"""What both ends of a way said, put together: whether a packet arrives, and what is odd. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from ciliate.cli.path.model import (
    Finding,
    Journey,
    Manner,
    NodeStep,
    Receipt,
    Step,
    Way,
)

#: Where a packet has arrived on its own node.
_LOCAL: Final = frozenset({Manner.POD, Manner.NODE})

_LOST_REMEDY: Final = "`ciliate trace` shows where a connection's packets end"


@dataclass(frozen=True, slots=True)
class NearEnd:
    """The node of the sender: its name, and its addresses that the cluster knows."""

    node: str
    addresses: Collection[str]


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The node of the receiver: its name, its addresses, and what it does with what arrives.

    `device_back` is where its own packets to the sender's node leave, which is where these arrive
    unless the network has other ideas.
    """

    node: str
    addresses: Collection[str]
    receipt: Receipt
    device_back: str = ""


def journey(sender: str, receiver: str, near: NearEnd, way: Way, far: FarEnd | None) -> Journey:
    """Return the whole way; `far` is None where nobody can be asked."""
    steps = list(_at(near.node, way.steps))
    problem, router = way.problem, ""
    if not problem and far is not None and way.manner not in _LOCAL:
        router = way.next_hop if way.next_hop not in far.addresses else ""
        if router:
            says = "a router between the nodes: its routes are not seen from here"
            steps.append(NodeStep(node="", at=router, says=says))
        problem = _refusal(way, far, near.addresses)
        if not problem:
            steps += _arrival(way, far)
            problem = far.receipt.problem
    return Journey(
        sender=sender,
        receiver=receiver,
        kind=way.kind,
        steps=tuple(steps),
        mtu=way.mtu,
        router=router,
        leaves=far is None and way.manner is Manner.DIRECT and not way.node,
        problem=problem,
    )


def _at(node: str, steps: Collection[Step]) -> Iterator[NodeStep]:
    for step in steps:
        yield NodeStep(node=node, at=step.at, says=step.says)


def _refusal(way: Way, far: FarEnd, known: Collection[str]) -> str:
    """Return why the receiver's node does not take the packet; empty: it does."""
    receipt = far.receipt
    if way.manner is Manner.DIRECT:
        return "" if receipt.devices else f"no device of {far.node} runs the programs"
    if receipt.tunnel != way.tunnel:
        taken = f"takes packets out of {receipt.tunnel}" if receipt.tunnel else "has no tunnel"
        return f"{far.node} {taken}, and this one is sent in {way.tunnel}: it is lost there"
    if receipt.tunnel_ends and way.outer_destination not in receipt.tunnel_ends:
        ends = " and ".join(receipt.tunnel_ends)
        return (
            f"{far.node} ends the tunnel at {ends}, not at {way.outer_destination}: dropped (170)"
        )
    if way.outer_source and way.outer_source not in known:
        return f"{way.outer_source} is no address of a node to the cluster: {far.node} drops (172)"
    return ""


def _arrival(way: Way, far: FarEnd) -> Iterator[NodeStep]:
    receipt = far.receipt
    is_known = far.device_back in receipt.devices
    device = far.device_back if is_known else " or ".join(receipt.devices)
    if way.manner is Manner.TUNNEL:
        port = way.tunnel.rpartition(":")[2]
        says = f"from_uplink: UDP port {port} is the tunnel's"
        yield NodeStep(node=far.node, at=device, says=says)
        says = f"from_tunnel: sent by {way.outer_source}, a node of the cluster"
        yield NodeStep(node=far.node, at=receipt.tunnel_device, says=says)
    else:
        yield NodeStep(node=far.node, at=device, says="from_uplink")
    yield from _at(far.node, receipt.steps)


def compare(there: Journey, back: Journey | None) -> Iterator[Finding]:
    """Yield what is wrong with either way, and how they differ."""
    for each in (there, back):
        if each is not None and each.problem:
            lost = f"{each.sender} to {each.receiver}: {each.problem}"
            yield Finding(problem=lost, remedy=_LOST_REMEDY)
    if back is not None and not there.problem and not back.problem:
        yield from _differences(there, back)


def _differences(there: Journey, back: Journey) -> Iterator[Finding]:
    if there.kind != back.kind:
        yield Finding(
            problem=f"from {there.sender} the way is by {there.kind}, back by {back.kind}",
            remedy="one agent has other settings than the other, or a change of the mode is under"
            " way: see `cilium-dbg status` of both nodes",
        )
    if bool(there.router) != bool(back.router):
        routed, direct = (there, back) if there.router else (back, there)
        yield Finding(
            problem=f"{routed.sender} to {routed.receiver} goes by the router {routed.router}, and"
            f" {direct.sender} to {direct.receiver} directly",
            remedy="a firewall between that keeps connections sees half of each: give both nodes"
            " the same kind of routes",
        )
    if there.mtu and back.mtu and there.mtu != back.mtu:
        yield Finding(
            problem=f"packets of up to {there.mtu} bytes go from {there.sender}, of up to {back.mtu}"
            " come back",
            remedy="give both nodes' devices one MTU; `ciliate doctor mtu` finds what passes",
        )
