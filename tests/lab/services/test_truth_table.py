"""The truth table of Services: who answers each call, and whom the answering one sees.

One lab, asked twice: as installed, where sockets are translated, then with
`socketLB.hostNamespaceOnly`, where pods' packets are.
"""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from tests.lab.services.sites import Sites, number, truth_lab
from tests.lab.services.speaker import Answer, Call
from tests.lab.services.truth_table import BY_PACKET, BY_SOCKET, Case, read_cases

CASES = read_cases()
RUNS = [(mode, case) for mode in (BY_SOCKET, BY_PACKET) for case in CASES if case.is_of(mode)]


class Runs:
    """What came of the calls of each mode; the first test that asks has them made."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self._done: dict[str, dict[Case, list[Answer]] | None] = {}

    def of(self, mode: str) -> dict[Case, list[Answer]]:
        """Return the answers of all cases of a mode."""
        if mode not in self._done:
            self._done[mode] = None  # What fails fails once, however many tests ask.
            if mode == BY_PACKET:
                self.sites.switch_to_packets()
            cases = [case for case in CASES if case.is_of(mode)]
            self._done[mode] = self.sites.exchange(cases, mode)
        done = self._done[mode]
        assert done is not None, "the first test that asked failed"
        return done


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with truth_lab() as found:
        yield Runs(found)


@pytest.mark.parametrize(
    ("mode", "case"), [pytest.param(mode, case, id=f"{mode}, {case}") for mode, case in RUNS]
)
def test_endpoint_of_the_table_answers_and_sees_the_client_of_the_table(
    runs: Runs, mode: str, case: Case
) -> None:
    answers = runs.of(mode)[case]

    seen = {runs.sites.outcome(case, answer, mode) for answer in answers}
    assert seen <= case.outcomes(mode)
    if case.is_one_only(mode):
        assert len({answer.server for answer in answers}) == 1


@pytest.mark.parametrize("mode", [BY_SOCKET, BY_PACKET])
def test_each_of_several_endpoints_has_its_share(runs: Runs, mode: str) -> None:
    """Each case asks a few times only; all cases together reach every endpoint that they may."""
    seen: dict[str, set[str]] = defaultdict(set)
    possible: dict[str, set[str]] = defaultdict(set)
    for case, answers in runs.of(mode).items():
        if len(case.outcomes(mode)) > 1 and not case.is_one_only(mode):
            seen[case.service] |= {answer.server for answer in answers}
            possible[case.service] |= {server for server, _ in case.outcomes(mode)}

    assert "both" in seen
    assert seen == possible


#: Calls of another node's node port, where the node that is asked decides: as for who is outside.
REMOTE_OUTSIDE = [
    ("far", "NodePort ctr", "pod w1", "server w1 as ctr"),
    ("far", "NodePort w1", "pod w1", "server w1 as pod w1"),
    ("far", "NodePort w1", "ctr", "server w1 as ctr"),
    ("both", "NodePort w1", "pod ctr", "server ctr as w1, server w1 as pod ctr"),
    ("far, local outside", "NodePort ctr", "pod w1", "dropped"),
    ("far, local inside", "NodePort w1", "pod ctr", "server w1 as pod ctr"),
]


def test_other_nodes_node_ports_are_served_there_where_they_are_set_to_be_outside(
    runs: Runs,
) -> None:
    for mode in (BY_SOCKET, BY_PACKET):
        runs.of(mode)  # Which want other settings.
    runs.sites.switch_remote_node_ports()
    cases = [
        Case(number, version, protocol, *row, by_packet="")
        for number, row in enumerate(REMOTE_OUTSIDE, start=1)
        for protocol in ("tcp", "udp")
        for version in (4, 6)
    ]

    for case, answers in runs.sites.exchange(cases, BY_SOCKET).items():
        seen = {runs.sites.outcome(case, answer, BY_SOCKET) for answer in answers}
        assert seen <= case.outcomes(BY_SOCKET), case


def test_node_is_answered_at_a_port_that_a_client_outside_has_behind_it(runs: Runs) -> None:
    sites, port = runs.sites, 41000
    asked = {
        "router": (sites.addresses["ctr"], 30100 + number("far")),
        "ctr": (sites.cluster_ips["far"], 8000 + number("far")),
    }

    servers = {}
    for place, (addresses, service_port) in asked.items():
        calls = [
            Call(addresses[version == 6], version, service_port, protocol, 5.0, source_port=port)
            for protocol in ("tcp", "udp")
            for version in (4, 6)
        ]
        sites.speakers[place].ask(calls)
        servers[place] = [answer.server for (answer,) in sites.speakers[place].answers()]

    assert servers == dict.fromkeys(asked, ["server w1"] * 4)
