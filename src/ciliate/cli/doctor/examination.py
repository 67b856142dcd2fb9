"""The agents are asked which sizes pass, in rounds, and what they say becomes a report.

The first round probes the pairs of the plan. Where packets are lost, further rounds probe who reaches
whom, until it is known whether a node's own link is at fault, a link between two groups, or one pair's
way. An agent that does not answer costs what only it can see.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from ciliate.api.core import NODES, Node
from ciliate.cli.cluster_agents import ask_each
from ciliate.cli.doctor import plan
from ciliate.cli.doctor.conclusion import Seen, conclude
from ciliate.cli.doctor.model import DoctorReport, PathReport, PathStatus, ProbeReport
from ciliate.cli.doctor.pairs import WELL, pair_reports, pairs_by_status
from ciliate.cli.doctor.plan import NodeOrder, Place
from ciliate.cli.doctor.segments import Pair, further_pairs, pair_of
from ciliate.console.nearest import meant
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.net.address import IPAddress

#: What a node has for the probes of the first round, and of each further one.
_FIRST_DEADLINE_S: Final = 12.0
_FURTHER_DEADLINE_S: Final = 4.0
#: From the start of a probe's command to its answer, beyond that.
_ANSWER_S: Final = 12.0
#: No further round begins later than this: the whole ends within half a minute.
_FURTHER_UNTIL_S: Final = 18.0
_FURTHER_ROUNDS_MAX: Final = 4


class NodeUnknownError(CiliateError):
    """A name that no node has."""

    def __init__(self, wanted: str, present: Sequence[str]) -> None:
        self.wanted = wanted
        listed = ", ".join(present) or "none"
        super().__init__(
            f"there is no node {wanted!r}{meant(wanted, present)}: there are {listed}"
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out. Without `nodes` of all; `size` 0: what each route assumes."""

    nodes: tuple[str, ...] = ()
    all_pairs: bool = False
    size: int = 0


@dataclass(slots=True)
class _Rounds:
    """What was asked, and what was answered."""

    client: ApiClient
    places: Mapping[str, Place]
    size: int
    tell: Callable[[str], object]
    observations: dict[tuple[str, str, int], PathReport] = field(default_factory=dict)
    pod_mtus: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    out_of_reach: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        turns: Iterable[Mapping[str, NodeOrder]],
        *,
        deadline_s: float,
        searches: bool,
        what: str,
    ) -> None:
        """Have the nodes probe, one turn after the other."""
        for turn in turns:
            words = {
                node: self._words(order, deadline_s=deadline_s, searches=searches)
                for node, order in turn.items()
                if node not in self.problems and node not in self.out_of_reach
            }
            asked = 0

            def when_asked(count: int = len(words)) -> None:
                nonlocal asked
                asked += 1
                self.tell(f"{what}: {asked} of {count} nodes")

            self.tell(f"{what}: {len(words)} nodes")
            answers = await ask_each(
                self.client,
                words,
                ProbeReport,
                timeout_s=deadline_s + _ANSWER_S,
                when_asked=when_asked,
            )
            self.problems |= answers.problems
            self.out_of_reach |= answers.out_of_reach
            for node, report in answers.by_node.items():
                self._take(node, report)

    def _words(self, order: NodeOrder, *, deadline_s: float, searches: bool) -> tuple[str, ...]:
        words = ["probe-mtu", *map(str, order.targets), "--deadline", f"{deadline_s:g}"]
        for other in order.others:
            words += ["--other", str(other)]
        if self.size:
            words += ["--size", str(self.size)]
        return (*words, *(() if searches else ("--no-search",)))

    def _take(self, node: str, report: ProbeReport) -> None:
        names = {
            (address, version): place.name
            for place in self.places.values()
            for version, address in place.addresses.items()
        }
        self.pod_mtus[node] = report.pod_mtu
        for path in report.paths:
            address = ip_address(path.target)
            other = names.get((address, address.version))
            if other is not None and other != node:
                self.observations[node, other, address.version] = path

    def further(self, version: int) -> frozenset[Pair]:
        """Return the pairs of a family that tell where a fault is."""
        pairs = pair_reports(self.observations)
        tried = {pair_of(a, b) for a, b, of in self.observations if of == version}
        having = [name for name, place in self.places.items() if version in place.addresses]
        return further_pairs(
            random.sample(having, len(having)),
            good=pairs_by_status(pairs, version, WELL),
            lost=pairs_by_status(pairs, version, {PathStatus.BLACK_HOLE}),
            tried=tried,
        )


async def examine_cluster(
    client: ApiClient, question: Question, tell: Callable[[str], object]
) -> DoctorReport:
    """Return what is found; closes the client. `tell` is given what is going on.

    Raises:
        NodeUnknownError: A node that is named is not there.
        KubeError: The API server refuses or does not answer.
    """
    began = time.monotonic()
    async with client:
        tell("looking for nodes")
        places = _places((await client.list(NODES)).items)
        pairs = _first_pairs(question, places)
        rounds = _Rounds(client, places, question.size, tell)
        await rounds.ask(
            plan.orders(pairs, places, others=_drawn(question, places)),
            deadline_s=_FIRST_DEADLINE_S,
            searches=True,
            what="probing",
        )
        for _ in range(_FURTHER_ROUNDS_MAX):
            further = {version: rounds.further(version) for version in (4, 6)}
            late = time.monotonic() - began > _FURTHER_UNTIL_S
            if question.nodes or late or not any(further.values()):
                break
            askers = rounds.pod_mtus.keys()  # Who has answered.
            turns = plan.orders(further, places, askers=askers)
            await rounds.ask(
                turns, deadline_s=_FURTHER_DEADLINE_S, searches=False, what="locating"
            )
    return conclude(
        Seen(
            nodes=tuple(sorted(places)),
            observations=rounds.observations,
            planned=pairs,
            pod_mtus=rounds.pod_mtus,
            size=question.size,
            problems=rounds.problems | _without_address(places),
            out_of_reach=rounds.out_of_reach,
            pairs_possible=sum(_pairs_of(places, version) for version in (4, 6)),
            seconds=time.monotonic() - began,
        )
    )


def _places(nodes: Iterable[Node]) -> dict[str, Place]:
    """Return the nodes with the first InternalIP of each family."""
    found: dict[str, Place] = {}
    for node in nodes:
        addresses: dict[int, IPAddress] = {}
        for each in node.status.addresses:
            if each.type == "InternalIP":
                address = ip_address(each.address)
                addresses.setdefault(address.version, address)
        found[node.metadata.name] = Place(node.metadata.name, addresses)
    return found


def _without_address(places: Mapping[str, Place]) -> dict[str, str]:
    return {
        name: "its Node has no InternalIP: see `kubectl get nodes -o wide`"
        for name, place in places.items()
        if not place.addresses
    }


def _first_pairs(question: Question, places: Mapping[str, Place]) -> dict[int, frozenset[Pair]]:
    for node in question.nodes:
        if node not in places:
            raise NodeUnknownError(node, sorted(places))
    chosen = dict.fromkeys(question.nodes)
    pairs: dict[int, frozenset[Pair]] = {}
    for version in (4, 6):
        ring = plan.in_ring(places.values(), version)
        if len(chosen) == 1:
            (node,) = chosen
            pairs[version] = plan.pairs_with(node, ring) if node in ring else frozenset()
            continue
        ring = tuple(node for node in ring if not chosen or node in chosen)
        if question.all_pairs:
            pairs[version] = plan.all_pairs(ring)
        else:
            pairs[version] = plan.first_pairs(ring, _strides(len(ring)))
    return pairs


def _strides(count: int) -> list[int]:
    """Return strides beside 1, which other nodes than neighbours are met by, drawn by chance."""
    choices = range(2, count // 2 + 1)
    return random.sample(choices, min(plan.STRIDES, len(choices)))


def _drawn(question: Question, places: Mapping[str, Place]) -> list[IPAddress]:
    """Return all addresses in an order of chance; none where nodes were named."""
    if question.nodes or question.all_pairs:
        return []
    addresses = [each for place in places.values() for each in place.addresses.values()]
    return random.sample(addresses, len(addresses))


def _pairs_of(places: Mapping[str, Place], version: int) -> int:
    count = sum(version in place.addresses for place in places.values())
    return count * (count - 1) // 2
