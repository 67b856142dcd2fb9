"""Asking this node: its agent for names and the datapath's dry run, the kernel for all else."""

from pathlib import Path

import msgspec

from ciliate.api.agent import ClusterNodes, EndpointModel
from ciliate.cli.agent_client import AgentClient
from ciliate.cli.explanation import pod_key, question_of
from ciliate.cli.path.departure import Masquerade, Sender, follow
from ciliate.cli.path.model import Manner, NodePath, NodeWay, NodeWays, Way
from ciliate.cli.path.pod_side import PodSide, leave_pod
from ciliate.cli.path.receipt import receive
from ciliate.cli.path.tables import NodeTables, read_tables
from ciliate.errors import CiliateError
from ciliate.masquerade.explain.answer import Explanation
from ciliate.masquerade.explain.question import read_target
from ciliate.net.address import IPAddress, IPNetwork, address_text, ip_address
from ciliate.netlink.client import Rtnetlink


class NoPodHereError(CiliateError):
    """The pod has no endpoint on this node, or no address of that family."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"pod {name} {problem}: see `cilium-dbg endpoint list`")


async def path_of(pod: str, destination: str, bpf_root: Path) -> NodePath:
    """Return the way of packets from a pod of this node, and what becomes of those that come back.

    Raises:
        CiliateError: There is no such pod here or no such destination; the agent does not answer; the
            maps are not there.
    """
    agent = AgentClient.from_environment()
    target = read_target(destination)
    name = "/".join(pod_key(pod))
    networking = _endpoint(agent, name).status.networking
    version = target.address.version
    texts = ((each.ipv4 if version == 4 else each.ipv6) for each in networking.addressing)
    text = next((each for each in texts if each), "")
    if not text:
        raise NoPodHereError(name, f"has no IPv{version} address")
    address = ip_address(text)
    found = agent.post("masquerade/explain", question_of(pod, destination, 0), Explanation)
    inside = await leave_pod(networking.netns, target.address)
    sender = Sender(address, networking.interface_index)
    async with Rtnetlink.open() as rtnl:
        with await read_tables(rtnl, bpf_root) as tables:
            way = await follow(
                tables, target.address, sender=sender, masquerade=_masquerade(found)
            )
            receipt = receive(tables, target.address, address)
    return NodePath(
        node=found.node,
        pod=name,
        address=text,
        departure=_from_inside(way, inside),
        receipt=receipt,
    )


async def ways_of_node(bpf_root: Path) -> NodeWays:
    """Return the ways from this node to all pod CIDRs of others, as the datapath knows them.

    Raises:
        CiliateError: The agent does not answer, or the maps are not there.
    """
    nodes = AgentClient.from_environment().get("cluster/nodes", ClusterNodes).nodes_added
    own = next((each for each in nodes if each.source == "local"), None)
    if own is None:
        raise CiliateError("the agent does not know its own CiliumNode yet: try again")
    addresses = {own.primary_address.ipv4.ip, own.primary_address.ipv6.ip} - {""}
    addresses |= {each.ip for each in own.secondary_addresses}
    async with Rtnetlink.open() as rtnl:
        with await read_tables(rtnl, bpf_root) as tables:
            cidrs = [
                (cidr, node)
                for cidr, entry in tables.pod_cidrs()
                if (node := address_text(entry.node)) not in addresses
            ]
            ways = [await _to_cidr(tables, cidr, node) for cidr, node in sorted(cidrs, key=str)]
            receipt = receive(tables, ip_address(min(addresses)), None)
    return NodeWays(
        node=own.name.rpartition("/")[2],
        addresses=tuple(sorted(addresses)),
        receipt=receipt,
        ways=tuple(ways),
    )


async def _to_cidr(tables: NodeTables, cidr: IPNetwork, node: str) -> NodeWay:
    way = await follow(tables, _first_address(cidr))
    return NodeWay(cidr=str(cidr), node_address=node, way=way)


def _first_address(cidr: IPNetwork) -> IPAddress:
    """Return an address of a CIDR that routes to all of it have."""
    return cidr.network_address + (1 if cidr.num_addresses > 1 else 0)


def _endpoint(agent: AgentClient, name: str) -> EndpointModel:
    for each in agent.get("endpoint", list[EndpointModel]):
        if each.status.external_identifiers.pod_name == name:
            return each
    raise NoPodHereError(name, "has no endpoint on this node")


def _masquerade(found: Explanation) -> Masquerade:
    verdict, _, reason = found.verdict.partition(", ")
    if verdict == "dropped":
        return Masquerade("", "", dropped=f"{reason}: {found.decided_by}: {found.because}")
    if found.source is None:
        return Masquerade("", f"{found.decided_by}: {found.because}")
    rule = f"{found.decided_by}: " if found.rules else ""
    because = f"source {found.source}, {found.source_is}: {rule}{found.because}"
    return Masquerade(found.source, because)


def _from_inside(way: Way, inside: PodSide) -> Way:
    """Return the way with its first steps; where they lead nowhere, these alone."""
    if inside.problem:
        return Way(
            destination=way.destination,
            manner=Manner.NOWHERE,
            steps=inside.steps,
            problem=inside.problem,
        )
    sizes = [each for each in (way.mtu, inside.mtu) if each]
    steps = (*inside.steps, *way.steps)
    return msgspec.structs.replace(way, steps=steps, mtu=min(sizes, default=0))
