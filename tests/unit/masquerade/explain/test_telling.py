"""What people are told of a decision of the programs."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from ciliate.datapath.layout import (
    ConnectionFlag,
    Decision,
    DecisionStep,
    DropReason,
    MasqueradeAction,
)
from ciliate.masquerade.explain.answer import Explanation, explanation_lines, rule_verdict_lines
from ciliate.masquerade.explain.question import read_target
from ciliate.masquerade.explain.telling import Facts, told, told_by_list
from ciliate.masquerade.rules import Action, Origin, Rule, decision_order
from ciliate.net.address import to_octets
from ciliate.net.link import Link, LinkAddress, LinkFlag

POD, NODE = ip_address("10.244.0.9"), ip_address("192.168.10.100")
VIP = Rule(
    name="policy/vip/0",
    origin=Origin.POLICY,
    action=Action.ADDRESS,
    addresses=(ip_address("192.168.10.77"),),
)
FACTS = Facts(
    pod="default/web",
    node="k8s-ctr",
    address=POD,
    target=read_target("203.0.113.10:80"),
    by_stack=False,
    rules=decision_order(native=[ip_network("10.244.0.0/16")]),
    generation=4,
    held=None,
    selected=(),
    link=Link(
        index=3, name="eth1", flags=LinkFlag(0), mtu=1500, addresses=(LinkAddress(3, NODE, 24),)
    ),
)
NOTHING = Decision.unpack(bytes(Decision.SIZE))


def _told(facts: Facts = FACTS, **fields: Any) -> Explanation:
    return told(facts, NOTHING._replace(**fields))


def test_rule_that_decides_and_those_above_it_are_told() -> None:
    hop = ip_address("192.168.10.200").packed + bytes(12)

    found = _told(
        step=DecisionStep.DECISION_RULE, seen=to_octets(NODE), next_hop=hop, next_hop_family=2
    )

    assert list(explanation_lines(found)) == [
        "default/web (10.244.0.9) on k8s-ctr to 203.0.113.10:80/TCP: forwarded",
        "  Source:      192.168.10.100 (of eth1)",
        "  Leaves by:   eth1 via 192.168.10.200",
        "  Decided by:  rule 2, default",
        "  Because:     it is for all packets",
    ]
    assert list(rule_verdict_lines(found)) == [
        "NUMBER\tRULE\tRESULT\tBECAUSE",
        "0\tnative-routing-cidr\tno match\t203.0.113.10 is not in 10.244.0.0/16",
        "1\tcluster\tno match\tno node, pod or pod CIDR of this cluster has it",
        "2\tdefault\tdecides\tit is for all packets",
    ]


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"generation": 4, "rule": 1}, "it keeps what rule 1, cluster, said when it was opened"),
        (
            {"generation": 3, "rule": 1},
            "it keeps what rule 1 of an earlier list said when it was opened",
        ),
        (
            {"connection_flags": ConnectionFlag.CONNECTION_INBOUND},
            "it answers a connection that was opened from outside",
        ),
    ],
)
def test_known_connection_is_told_with_what_decided_when_it_was_opened(
    fields: dict[str, Any], because: str
) -> None:
    found = _told(
        step=DecisionStep.DECISION_CONNECTION, seen=to_octets(NODE), seen_port=40001, **fields
    )

    assert found.because == because
    assert "  Source:      192.168.10.100 (of eth1, port 40001)" in explanation_lines(found)
    assert not found.rules


def test_dropped_packet_has_a_reason_and_no_source() -> None:
    sctp = replace(FACTS, target=read_target("203.0.113.10:80/sctp"))

    found = _told(
        sctp,
        step=DecisionStep.DECISION_RULE,
        reason=DropReason.DROP_NAT_UNSUPPORTED_PROTOCOL,
        seen=to_octets(NODE),
    )

    assert found.verdict == "dropped, Unsupported protocol for NAT masquerade"
    assert found.source is None
    assert "SCTP is not masqueraded: see enable-sctp" in found.because


def test_rule_whose_address_the_node_lacks_says_so() -> None:
    facts = replace(FACTS, rules=decision_order(native=[], policies=[VIP]), held=frozenset({NODE}))

    found = _told(
        facts,
        step=DecisionStep.DECISION_RULE,
        rule=1,
        action=MasqueradeAction.MASQUERADE_DEVICE,
        seen=to_octets(NODE),
    )

    assert found.decided_by == "rule 1, policy/vip/0"
    assert found.because.endswith("the node has none of its addresses, so the device's counts")


@pytest.mark.parametrize("step", set(DecisionStep) - {DecisionStep.DECISION_CONNECTION})
def test_every_step_is_told_with_a_reason(step: DecisionStep) -> None:
    found = _told(
        step=step, seen=to_octets(NODE) if step is DecisionStep.DECISION_RULE else bytes(16)
    )

    assert found.decided_by
    assert found.because


def test_stacks_answer_is_that_of_the_list() -> None:
    facts = replace(FACTS, by_stack=True)
    packet = facts.packet(in_cluster=False)

    kept = told_by_list(facts, 1, packet, None)
    given = told_by_list(facts, 2, packet, NODE)

    assert (kept.source, kept.source_is) == ("10.244.0.9", "the pod's own")
    assert (given.source, given.source_is, given.back_end) == (
        "192.168.10.100",
        "of eth1",
        "iptables",
    )


def test_what_goes_in_the_tunnel_is_told_so_where_the_native_range_would_have_matched() -> None:
    far = read_target("10.244.1.9")
    facts = replace(FACTS, target=far, encapsulates=True)

    found = _told(facts, step=DecisionStep.DECISION_CLUSTER)

    native = found.rules[0]
    assert (native.name, native.result) == ("native-routing-cidr", "not asked")
    assert native.because == "the packet goes in the tunnel"
