"""The agents are asked which sizes pass, in rounds, and what they say becomes a report.

The first round probes the pairs of the plan. Where packets are lost, further rounds probe who reaches
whom, until it is known whether a node's own link is at fault, a link between two groups, or one pair's
way. An agent that does not answer costs what only it can see.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from ciliate.api.core import NODES
from ciliate.cli.cluster_agents import ask_each
from ciliate.cli.doctor import plan
from ciliate.cli.doctor.conclusion import Seen, conclude
from ciliate.cli.doctor.first_round import (
    Question,
    choose_pairs,
    count_pairs,
    draw_others,
    find_places,
    without_address,
)
from ciliate.cli.doctor.model import DoctorReport, PathReport, PathStatus, ProbeReport
from ciliate.cli.doctor.pairs import WELL, pair_reports, pairs_by_status
from ciliate.cli.doctor.plan import NodeOrder, Place
from ciliate.cli.doctor.segments import Pair, further_pairs, pair_of
from ciliate.cli.doctor.words import counted
from ciliate.kube.client import ApiClient

#: What a node has for the probes of the first round, and of each further one.
_FIRST_DEADLINE_S: Final = 12.0
_FURTHER_DEADLINE_S: Final = 4.0
#: From the start of a probe's command to its answer, beyond that: 50 nodes of a lab share a processor.
_FIRST_ANSWER_S: Final = 12.0
_FURTHER_ANSWER_S: Final = 8.0
#: No further round begins later than this: the whole ends within half a minute.
_FURTHER_UNTIL_S: Final = 15.0
_FURTHER_ROUNDS_MAX: Final = 4

#: Of an agent that is ready and runs outside of any pod.
_ONE_SIDED: Final = "its agent has no pod to ask: others probed it, it probed nobody"


@dataclass(slots=True)
class _Rounds:
    """What was asked, and what was answered."""

    client: ApiClient
    places: Mapping[str, Place]
    size: int
    tell: Callable[[str], object]
    observations: dict[tuple[str, str, int], PathReport] = field(default_factory=dict)
    pod_mtus: dict[str, int] = field(default_factory=dict)
    overhead_bytes: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    out_of_reach: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, turns: Iterable[Mapping[str, NodeOrder]], *, searches: bool, what: str
    ) -> None:
        """Have the nodes probe, one turn after the other; those of the first round search."""
        deadline_s = _FIRST_DEADLINE_S if searches else _FURTHER_DEADLINE_S
        answer_s = _FIRST_ANSWER_S if searches else _FURTHER_ANSWER_S
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
                self.tell(f"{what}: {asked} of {counted(count, 'node')}")

            self.tell(f"{what}: {counted(len(words), 'node')}")
            answers = await ask_each(
                self.client,
                words,
                ProbeReport,
                timeout_s=deadline_s + answer_s,
                when_asked=when_asked,
            )
            self.problems |= answers.problems
            self.out_of_reach |= dict.fromkeys(answers.out_of_reach, _ONE_SIDED)
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
        self.overhead_bytes = max(self.overhead_bytes, report.tunnel_bytes)
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

    def is_any_well(self, pairs: Mapping[int, frozenset[Pair]]) -> bool:
        """Whether full size passes between any of these."""
        return any(
            path.status in WELL and pair_of(near, far) in pairs[version]
            for (near, far, version), path in self.observations.items()
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
        places = find_places((await client.list(NODES)).items)
        pairs = choose_pairs(question, places)
        rounds = _Rounds(client, places, question.size, tell)
        turns = plan.orders(pairs, places, others=draw_others(question, places))
        await rounds.ask(turns, searches=True, what="probing")
        for _ in range(0 if question.nodes else _FURTHER_ROUNDS_MAX):
            further = {version: rounds.further(version) for version in (4, 6)}
            late = time.monotonic() - began > _FURTHER_UNTIL_S
            if late or not any(further.values()):
                break
            turns = plan.orders(further, places, askers=rounds.pod_mtus.keys())  # Who answered.
            await rounds.ask(turns, searches=False, what="locating")
            if not rounds.is_any_well(further):
                break  # Nobody belongs together that was apart before.
    return conclude(
        Seen(
            nodes=tuple(sorted(places)),
            observations=rounds.observations,
            planned=pairs,
            pod_mtus=rounds.pod_mtus,
            overhead_bytes=rounds.overhead_bytes,
            size=question.size,
            problems=rounds.problems | without_address(places),
            out_of_reach=rounds.out_of_reach,
            pairs_possible=count_pairs(places),
            seconds=time.monotonic() - began,
        )
    )
