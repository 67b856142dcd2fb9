"""Every packet of a pod and of a node, by the truth table: with which source its receiver sees it.

Both back ends are asked the same. One lab goes through all configurations; the packets of each are
sent at once, so a case costs what a packet costs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest
from tests.lab.faulty_node import FaultyNode
from tests.lab.masquerade.packets import FIRST_PORT, TUNNEL, Sighting
from tests.lab.masquerade.sites import NODES, Sites, truth_lab
from tests.lab.masquerade.truth_table import (
    DROPPED,
    POD,
    PROGRAMS,
    REFUSED,
    STACK,
    TUNNELED,
    Case,
    Configuration,
    read_cases,
)

from ciliate.datapath.layout import DROP_TEXT

CASES: Final = read_cases()
#: By configuration, in the table's order.
GROUPS: Final = {
    configuration: list(cases)
    for configuration, cases in groupby(CASES, key=lambda case: case.configuration)
}
#: Through the tunnel where the path could matter: as installed, and where pods of other nodes are
#: outside of the native routing CIDR. What is left out decides by the destination's address alone.
TUNNELED_GROUPS: Final = [
    each
    for each in GROUPS
    if str(each) in ("native-cluster agent-off", "native-narrow agent-list")
]
#: In the order in which no run meets what an earlier one left: connections that the stack has stay the
#: stack's when it hands over, and those without ports, which it gave no other address, keep theirs.
RUNS: Final = [
    *((PROGRAMS, each) for each in GROUPS),
    *((name, each) for name in TUNNELED for each in TUNNELED_GROUPS),
    *((STACK, each) for each in GROUPS),
]
PAGE: Final = Path(__file__).parents[3] / "docs" / "MASQUERADING.md"

#: What gets another port, or identifier, with another address.
TRANSLATED: Final = ("tcp", "udp", "echo")
MASQUERADE_PORTS: Final = range(32768, 65536)

POD_NODE: Final = "node eth1"

#: Names of addresses that the other node has for its pods.
PODS_THERE: Final = ("remote pod", "no pod there")


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one configuration's cases with one back end."""

    back_end: str
    cases: list[Case]
    seen: dict[Case, dict[str, list[Sighting]]]  # By place.
    refused: set[Case]
    explained: dict[Case, dict[str, Any]]
    drops: Counter[int]  # By reason, those of the node's programs meanwhile.
    on_link: dict[Case, set[str]]  # The protocols that were seen between the nodes.


@dataclass(slots=True)
class Runs:
    """Each configuration is made, and its packets are sent, when the first of its tests asks."""

    sites: Sites
    _done: dict[tuple[str, Configuration], Run | None] = field(default_factory=dict)

    def of(self, back_end: str, configuration: Configuration) -> Run:
        run = (back_end, configuration)
        if run not in self._done:
            self._done[run] = None  # It is tried once, however many tests ask.
            self._done[run] = self._run(*run)
        done = self._done[run]
        assert done is not None, "the first test that asked failed"
        return done

    def _run(self, back_end: str, configuration: Configuration) -> Run:
        cases, sites = GROUPS[configuration], self.sites
        sites.configure(back_end, configuration)
        before = drops(sites)
        sites.exchange(cases)
        sites.wait_seen(back_end, cases)
        return Run(
            back_end,
            cases,
            {case: sites.seen(case) for case in cases},
            {case for case in cases if sites.is_refused(case)},
            sites.explained(cases),
            drops(sites) - before,
            {case: sites.on_link(case) for case in cases},
        )


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with truth_lab() as found:
        yield Runs(found)


def drops(sites: Sites) -> Counter[int]:
    """Packets that the programs of the pod's node dropped, by the number of the reason."""
    node = FaultyNode(sites.lab, sites.place(POD_NODE))
    numbers = {text: number for number, text in DROP_TEXT.items()}
    counted: Counter[int] = Counter()
    for entry in node.json("cilium-dbg", "bpf", "metrics", "list", "-o", "json"):
        counted[numbers[entry["reason"]]] += entry["packets"]
    return counted


@pytest.mark.parametrize(
    ("back_end", "case"),
    [
        pytest.param(back_end, case, id=f"{back_end}, {configuration}, {case}")
        for back_end, configuration in RUNS
        for case in GROUPS[configuration]
    ],
)
def test_receiver_sees_the_source_of_the_table(runs: Runs, back_end: str, case: Case) -> None:
    run = runs.of(back_end, case.configuration)
    expected, found = case.expected(back_end), run.seen[case]

    if not case.is_seen(back_end):
        assert found == {}
        assert (case in run.refused) == (expected == REFUSED)
        return
    place = runs.sites.place(case.receiver)
    packets, source = found.get(place, []), expected.partition(",")[0]
    assert {each.source for each in packets} == {runs.sites.source(case, source)}, found
    if case.sender == POD and case.protocol in TRANSLATED and not case.is_answer:
        (port,) = {each.port for each in packets if each.port is not None}
        kept = FIRST_PORT + case.number
        assert port == kept if expected == POD else port in MASQUERADE_PORTS
    if case.protocol.endswith("-fragments") and place not in NODES:  # A stack puts them together.
        assert len(packets) == 2 - len(case.drop_reasons(back_end))


@pytest.mark.parametrize(("back_end", "configuration"), RUNS, ids=str)
def test_explanation_says_of_every_flow_what_its_packet_got(
    runs: Runs, back_end: str, configuration: Configuration
) -> None:
    run = runs.of(back_end, configuration)

    # What is refused on its way no receiver has seen.
    cases = [case for case in run.explained if case.expected(back_end) != REFUSED]
    said = {str(case): _said(run.explained[case]) for case in cases}
    expected = {str(case): _wanted(runs, case, back_end) for case in cases}

    assert len(said) > 10
    assert {name: found for name, (found, _) in said.items()} == {
        name: found for name, (found, _) in expected.items()
    }
    assert {name: rule for name, (_, rule) in said.items() if expected[name][1] or rule} == {
        name: rule for name, (_, rule) in expected.items() if rule
    }


def _said(found: dict[str, Any]) -> tuple[str, str]:
    """The source, or that there is none, and the rule where the list decided."""
    outcome = DROPPED if found["verdict"].startswith(DROPPED) else found["source"]
    return outcome, found["decided-by"].partition(", ")[2]


def _wanted(runs: Runs, case: Case, back_end: str) -> tuple[str, str]:
    outcome = DROPPED
    if case.is_seen(back_end):
        outcome = runs.sites.source(case, case.expected(back_end).partition(",")[0])
    return outcome, _rule(case, back_end)


def _rule(case: Case, back_end: str) -> str:
    """The rule that decides; the table has those of native routing."""
    if back_end in TUNNELED and case.receiver in PODS_THERE:
        return "cluster"  # The tunnel is asked before the list.
    return "default" if back_end in TUNNELED and case.tunnel else case.rule


@pytest.mark.parametrize(("back_end", "configuration"), RUNS, ids=str)
def test_drops_are_counted_under_the_reasons_of_the_table(
    runs: Runs, back_end: str, configuration: Configuration
) -> None:
    run = runs.of(back_end, configuration)
    reasons = Counter(reason for case in run.cases for reason in case.drop_reasons(back_end))

    assert reasons <= run.drops


@pytest.mark.parametrize(("back_end", "configuration"), RUNS, ids=str)
def test_between_the_nodes_what_is_to_pods_is_in_the_tunnel_and_nothing_else(
    runs: Runs, back_end: str, configuration: Configuration
) -> None:
    run = runs.of(back_end, configuration)
    inside = {case for case, seen in run.on_link.items() if TUNNEL in seen}
    outside = {case for case, seen in run.on_link.items() if seen - {TUNNEL}}

    assert inside == {case for case in run.cases if _is_tunneled(case, back_end)}
    # The request goes inside, the answer to a node's own address outside.
    # What a pod answers to a node's own address goes outside: that leads to no pod.
    assert all(
        POD_NODE in (case.sender, case.receiver) or case.is_answer for case in inside & outside
    )
    if back_end not in TUNNELED:
        assert {case for case in run.cases if case.receiver in PODS_THERE} <= outside


def _is_tunneled(case: Case, back_end: str) -> bool:
    """Whether a node sends a packet of a case, or what that answers, to a pod of the other one."""
    asked_by_node = case.receiver == "other node" and case.is_answer
    return back_end in TUNNELED and (case.receiver in PODS_THERE or asked_by_node)


def test_each_difference_through_the_tunnel_is_explained() -> None:
    page = PAGE.read_text().partition("## Through the tunnel\n")[2].partition("\n## ")[0]

    for case in CASES:
        assert bool(case.tunnel) == bool(case.since), case
        assert not case.since or f"\n| {case.since} |" in page, case


def test_each_difference_of_the_back_ends_is_explained() -> None:
    page = PAGE.read_text().partition("## Where the back ends differ\n")[2].partition("\n## ")[0]

    for case in CASES:
        assert bool(case.stack) == bool(case.why), case
        assert not case.why or f"\n| {case.why} |" in page, case
