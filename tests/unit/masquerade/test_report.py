"""The ordered list as people read it."""

from ipaddress import ip_address, ip_network

from ciliate.api.metadata import LabelExpression, LabelSelector
from ciliate.masquerade.report import rule_lines, rule_rows
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    decision_order,
)


def test_every_row_says_for_whom_it_decides_and_what() -> None:
    policy = Rule(
        name="web",
        origin=Origin.POLICY,
        action=Action.ADDRESS,
        addresses=(ip_address("192.0.2.9"),),
        pods=PodSelector(
            namespaces=LabelSelector(),
            pods=LabelSelector(
                match_labels={"app": "web"},
                match_expressions=(LabelExpression("tier", "In", ("a", "b")),),
            ),
            pool="mars",
        ),
        destinations=(
            Destination(ip_network("203.0.113.0/24"), (ip_network("203.0.113.128/25"),)),
        ),
        ports=(PortRange(6, 443, 443), PortRange(17, 5000, 5010), PortRange(1), PortRange(47)),
    )
    rules = decision_order(native=[ip_network("10.244.0.0/16")], policies=[policy], excluded=[])

    lines = [line.split("\t") for line in rule_lines(rule_rows(rules))]

    assert lines == [
        ["NUMBER", "RULE", "PODS", "DESTINATIONS", "PORTS", "SOURCE ADDRESS"],
        ["0", "native-routing-cidr", "all", "10.244.0.0/16", "all", "the pod's"],
        ["1", "cluster", "all", "nodes, pods, pod CIDRs", "all", "the pod's"],
        [
            "2",
            "web",
            "pool mars; namespaces all; pods app=web, tier In a,b",
            "203.0.113.0/24 except 203.0.113.128/25",
            "443/TCP, 5000-5010/UDP, ICMP, protocol 47",
            "192.0.2.9",
        ],
        ["3", "ip-masq-agent", "all", "none", "all", "the pod's"],
        ["4", "default", "all", "all", "all", "the device's"],
    ]


def test_long_list_is_shown_in_part_and_answered_as_a_whole() -> None:
    ranges = [ip_network((number << 8, 24)) for number in range(10)]

    rows = rule_rows(decision_order(native=[], excluded=ranges))

    assert rows[1].destinations == tuple(map(str, ranges))
    assert "0.0.5.0/24 and 4 more\t" in list(rule_lines(rows))[2]
