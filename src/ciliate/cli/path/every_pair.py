"""`explain path --all`: does each pair of nodes reach each other's pods in one manner, both ways?"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Final

from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.cli.cluster_agents import ask_agents
from ciliate.cli.path.inquiry import node_addresses
from ciliate.cli.path.journey import FarEnd, NearEnd, compare, journey
from ciliate.cli.path.model import (
    Finding,
    Journey,
    NodeWay,
    NodeWays,
    PairsReport,
    PairVerdict,
)
from ciliate.kube.client import ApiClient

#: A node with many others takes its time.
_ANSWER_S: Final = 30.0


async def look_at_every_pair(client: ApiClient) -> PairsReport:
    """Return a verdict for each pair of nodes in each family in which one has pod CIDRs.

    Raises:
        KubeError: The API server refuses or does not answer.
    """
    names = [each.metadata.name for each in (await client.list(CILIUM_NODES)).items]
    addresses = await node_addresses(client)
    answers = await ask_agents(
        client, names, ("explain", "path", "--all"), NodeWays, timeout_s=_ANSWER_S
    )
    problems = {**answers.problems, **answers.out_of_reach}
    return PairsReport(pairs=tuple(verdicts(answers.by_node, addresses)), problems=problems)


def verdicts(
    found: Mapping[str, NodeWays], addresses: Mapping[str, frozenset[str]]
) -> Iterator[PairVerdict]:
    """Yield what each pair of nodes that answered is like, by name and family."""
    families = sorted({_version(way) for each in found.values() for way in each.ways})
    for one, other in combinations(sorted(found), 2):
        for family in families:
            yield _verdict(found[one], found[other], family, addresses)


def _verdict(
    one: NodeWays, other: NodeWays, family: int, addresses: Mapping[str, frozenset[str]]
) -> PairVerdict:
    there = _journeys(one, other, family, addresses)
    back = _journeys(other, one, family, addresses)
    findings = [*_missing(one, other, there, family), *_missing(other, one, back, family)]
    for first in there[:1]:
        for last in back[:1]:
            findings += compare(first, last)
    for more in (*there[1:], *back[1:]):
        findings += compare(more, None)
    every = (*there, *back)
    return PairVerdict(
        nodes=(one.node, other.node),
        family=family,
        kind=" and ".join(dict.fromkeys(each.kind for each in every)),
        mtu=min((each.mtu for each in every if each.mtu), default=0),
        findings=tuple(dict.fromkeys(findings)),
    )


def _journeys(
    near: NodeWays, far: NodeWays, family: int, addresses: Mapping[str, frozenset[str]]
) -> list[Journey]:
    its = addresses.get(far.node, frozenset()) | set(far.addresses)
    end = FarEnd(far.node, its, far.receipt)
    start = NearEnd(near.node, addresses.get(near.node, frozenset()) | set(near.addresses))
    return [
        journey(near.node, f"{each.cidr} of {far.node}", start, each.way, end)
        for each in near.ways
        if each.node_address in its and _version(each) == family
    ]


def _missing(
    near: NodeWays, far: NodeWays, found: list[Journey], family: int
) -> Iterator[Finding]:
    if not found:
        yield Finding(
            problem=f"the datapath of {near.node} knows no IPv{family} pod CIDR of {far.node}",
            remedy=f"see `cilium-dbg bpf ipcache list` on {near.node}, and its agent's log",
        )


def _version(way: NodeWay) -> int:
    return 6 if ":" in way.cidr else 4
