"""A MasqueradePolicy as rules, and what is refused of a wrong one."""

import contextlib
import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.masquerade_policy import (
    ADDRESSES_MAX,
    DESTINATIONS_MAX,
    EXCEPTS_MAX,
    PORTS_MAX,
    RULES_MAX,
    MasqueradePolicy,
)
from ciliate.api.metadata import LabelExpression, LabelSelector, ObjectMeta
from ciliate.masquerade.policy.errors import PolicyError
from ciliate.masquerade.policy.read import read_policy
from ciliate.masquerade.rules import (
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
)


def _place(error: PolicyError) -> str:
    """Return the field of a refusal, which says all that a person needs."""
    assert error.problem
    assert error.remedy
    assert str(error) == f"MasqueradePolicy {error.name}: {error.said}"
    assert error.said.endswith(f"{error.problem}: {error.remedy}")
    return error.path


def test_every_field_of_a_rule_is_taken() -> None:
    found = policy(
        {
            "name": "to-bank",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "pay"}},
            "podSelector": {
                "matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]
            },
            "pool": "green",
            "destinations": [
                {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]},
                {"cidr": "2001:db8::/32"},
            ],
            "ports": [
                {"protocol": "TCP", "port": 443, "endPort": 445},
                {"protocol": "UDP", "port": 53},
                {"protocol": "ICMP"},
            ],
            "source": "Address",
            "addresses": ["192.0.2.9", "2001:db8:1::9", "192.0.2.9"],
        }
    )

    read = read_policy(found)

    assert (read.name, read.priority) == ("shop", 10)
    assert read.rules == (
        Rule(
            name="policy/shop/to-bank",
            origin=Origin.POLICY,
            action=Action.ADDRESS,
            pods=PodSelector(
                namespaces=LabelSelector({"kubernetes.io/metadata.name": "pay"}),
                pods=LabelSelector(match_expressions=(LabelExpression("app", "In", ("a", "b")),)),
                pool="green",
            ),
            destinations=(
                Destination(ip_network("203.0.113.0/24"), (ip_network("203.0.113.7/32"),)),
                Destination(ip_network("2001:db8::/32")),
            ),
            ports=(
                PortRange(6, 443, 445),
                PortRange(17, 53, 53),
                PortRange(1),
                PortRange(58),
            ),
            addresses=(ip_address("192.0.2.9"), ip_address("2001:db8:1::9")),
        ),
    )


def test_what_a_rule_leaves_out_matches_everything() -> None:
    bare = policy(
        {"source": "Pod"},
        {"source": "Device", "ports": None, "podSelector": {}, "namespaceSelector": {}},
    )

    first, second = read_policy(bare).rules

    assert first == Rule(name="policy/shop/0", origin=Origin.POLICY, action=Action.KEEP)
    assert second == Rule(name="policy/shop/1", origin=Origin.POLICY, action=Action.DEVICE)


@pytest.mark.parametrize(
    ("rule", "path", "problem"),
    [
        ({"source": "pod"}, ".source", '"pod" is no source'),
        ({}, "", "object missing required field `source`"),
        ({"source": "Pod", "name": "7"}, ".name", '"7" is no rule\'s name'),
        ({"source": "Pod", "pool": "Green"}, ".pool", "is no pool's name"),
        ({"source": "Pod", "node": "n1"}, "", "object contains unknown field `node`"),
        ({"source": "Pod", "destinations": []}, ".destinations", "is empty"),
        ({"source": "Pod", "ports": []}, ".ports", "is empty"),
        (
            {"source": "Pod", "destinations": [{"cidr": 10}]},
            ".destinations[0].cidr",
            "expected `str`, got `int`",
        ),
    ],
)
def test_fault_of_a_rule_is_named_by_its_field(
    rule: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(PolicyError, match=re.escape(problem)) as refused:
        read_policy(policy({"source": "Pod"}, rule))

    assert _place(refused.value) == f"spec.rules[1]{path}"
    assert str(refused.value).startswith(f"MasqueradePolicy shop: spec.rules[1]{path}: ")


@pytest.mark.parametrize(
    ("cidr", "problem"),
    [
        ("10.0.0.0/33", "is no CIDR"),
        ("10.0.0.0", "is no CIDR"),
        ("10.0.0.0/255.0.0.0", "is no CIDR"),
        ("10.0.0.0/8/8", "is no CIDR"),
        ("fe80::%1/64", "is no CIDR"),
        ("world", "is no CIDR"),
        ("", "is no CIDR"),
        ("10.0.0.1/8", "has bits behind its prefix: write 10.0.0.0/8"),
        ("2001:db8::1/64", "has bits behind its prefix: write 2001:db8::/64"),
        ("::ffff:10.0.0.0/104", "is IPv4 in IPv6"),
    ],
)
def test_destination_that_is_no_prefix_is_refused(cidr: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(problem)) as refused:
        read_policy(policy({"source": "Pod", "destinations": [{"cidr": cidr}]}))

    assert _place(refused.value) == "spec.rules[0].destinations[0].cidr"
    assert refused.value.value == cidr


@pytest.mark.parametrize("excepted", ["10.0.0.0/8", "10.0.0.0/7", "11.0.0.0/16", "2001:db8::/48"])
def test_except_that_is_no_part_of_its_prefix_is_refused(excepted: str) -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", excepted]}

    with pytest.raises(PolicyError, match=r"is not a part of 10\.0\.0\.0/8") as refused:
        read_policy(policy({"source": "Pod", "destinations": [{"cidr": "192.0.2.0/24"}, block]}))

    assert _place(refused.value) == "spec.rules[0].destinations[1].except[1]"
    assert refused.value.value == excepted


@pytest.mark.parametrize(
    ("port", "field", "problem"),
    [
        ({"protocol": "tcp"}, "protocol", "is no protocol: write one of TCP, UDP, SCTP, ICMP"),
        ({"protocol": "TCP", "port": 0}, "port", "is no port"),
        ({"protocol": "UDP", "port": 65536}, "port", "is no port"),
        ({"protocol": "TCP", "port": 80, "endPort": 70000}, "endPort", "is no port"),
        ({"protocol": "TCP", "port": 80, "endPort": 79}, "endPort", "is below port 80"),
        ({"protocol": "TCP", "endPort": 79}, "endPort", "stands without port"),
        ({"protocol": "ICMP", "port": 8}, "port", "which has no ports"),
    ],
)
def test_ports_that_no_packet_has_are_refused(
    port: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(PolicyError, match=problem) as refused:
        read_policy(policy({"source": "Pod", "ports": [port]}))

    assert _place(refused.value) == f"spec.rules[0].ports[0].{field}"
    assert refused.value.value == port[field]


@pytest.mark.parametrize(
    ("fields", "path", "problem"),
    [
        ({"source": "Address"}, "addresses", "is missing"),
        ({"source": "Address", "addresses": []}, "addresses", "is empty"),
        ({"source": "Device", "addresses": ["192.0.2.9"]}, "addresses", "stands beside source"),
        ({"source": "Pod", "addresses": []}, "addresses", "stands beside source"),
        ({"source": "Address", "addresses": ["192.0.2"]}, "addresses[0]", "is no IP address"),
        ({"source": "Address", "addresses": ["0.0.0.0"]}, "addresses[0]", "to send from"),
        ({"source": "Address", "addresses": ["ff02::1"]}, "addresses[0]", "to send from"),
        ({"source": "Address", "addresses": ["::1"]}, "addresses[0]", "to send from"),
        ({"source": "Address", "addresses": ["::ffff:192.0.2.9"]}, "addresses[0]", "in IPv6"),
        ({"source": "Address", "addresses": ["fe80::1%eth0"]}, "addresses[0]", "a zone"),
        (
            {
                "source": "Address",
                "addresses": ["192.0.2.9"],
                "destinations": [{"cidr": "192.0.2.0/24"}, {"cidr": "2001:db8::/32"}],
            },
            "destinations[1].cidr",
            "addresses name none of that family",
        ),
    ],
)
def test_addresses_that_no_packet_can_get_are_refused(
    fields: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(PolicyError, match=problem) as refused:
        read_policy(policy(fields))

    assert _place(refused.value) == f"spec.rules[0].{path}"


@pytest.mark.parametrize(
    ("rule", "path", "most"),
    [
        ({"destinations": [{"cidr": "10.0.0.0/8"}] * (DESTINATIONS_MAX + 1)}, "destinations", DESTINATIONS_MAX),
        ({"ports": [{"protocol": "TCP"}] * (PORTS_MAX + 1)}, "ports", PORTS_MAX),
        (
            {"destinations": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] * (EXCEPTS_MAX + 1)}]},
            "destinations[0].except",
            EXCEPTS_MAX,
        ),
        ({"source": "Address", "addresses": ["192.0.2.1"] * (ADDRESSES_MAX + 1)}, "addresses", ADDRESSES_MAX),
    ],
)  # fmt: skip
def test_more_than_a_rule_holds_is_refused(rule: dict[str, Any], path: str, most: int) -> None:
    with pytest.raises(PolicyError, match=f": {most + 1} [a-z ]+, more than {most}") as refused:
        read_policy(policy({"source": "Pod"} | rule))

    assert _place(refused.value) == f"spec.rules[0].{path}"


def test_object_holds_so_many_rules_and_no_more() -> None:
    assert len(read_policy(policy(*[{"source": "Pod"}] * RULES_MAX)).rules) == RULES_MAX
    with pytest.raises(PolicyError, match=f"more than {RULES_MAX}"):
        read_policy(policy(*[{"source": "Pod"}] * (RULES_MAX + 1)))
    with pytest.raises(PolicyError, match=r"spec\.rules: is empty"):
        read_policy(policy())


def test_two_rules_of_one_name_are_refused() -> None:
    rules = ({"source": "Pod", "name": "a"}, {"source": "Pod"}, {"source": "Device", "name": "a"})

    with pytest.raises(PolicyError, match=r"is the name of rules\[0\] too") as refused:
        read_policy(policy(*rules))

    assert _place(refused.value) == "spec.rules[2].name"


@pytest.mark.parametrize("priority", [-1, 1001])
def test_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(PolicyError, match="is out of range") as refused:
        read_policy(policy({"source": "Pod"}, priority=priority))

    assert _place(refused.value) == "spec.priority"
    assert refused.value.value == priority


@pytest.mark.parametrize("spec", [None, {}, [], "rules", {"priority": 1}, {"rules": []}])
def test_object_without_rules_or_priority_is_refused(spec: object) -> None:
    with pytest.raises(PolicyError, match=r"^MasqueradePolicy bad: spec"):
        read_policy(MasqueradePolicy(metadata=ObjectMeta(name="bad"), spec=spec))


@pytest.mark.parametrize("priority", [0, 1000])
def test_priority_has_its_ends(priority: int) -> None:
    assert read_policy(policy({"source": "Pod"}, priority=priority)).priority == priority


def test_selectors_fault_is_named_by_its_field() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}

    with pytest.raises(PolicyError, match='"Gt" is no operator') as refused:
        read_policy(policy({"source": "Pod", "namespaceSelector": selector}))

    assert _place(refused.value) == "spec.rules[0].namespaceSelector.matchExpressions[0].operator"


def test_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(PolicyError) as refused:
        read_policy(policy({"source": "x" * 100_000}))

    assert len(str(refused.value)) < 200


_texts = st.text(max_size=5) | st.sampled_from(
    [
        *("Pod", "Device", "Address", "TCP", "ICMP", "app", "In", "Exists", "192.0.2.9"),
        *("10.0.0.0/8", "10.1.0.0/16", "::/0", "10.0.0.0/-1", "1/1/1", "%", "::ffff:0:0/96"),
        *("2001:db8::9", "fe80::1%eth0"),
    ]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats() | _texts
_lists = st.lists(_texts, max_size=3) | _scalars
_expression = st.fixed_dictionaries(
    {"key": _texts, "operator": _texts}, optional={"values": _lists}
)
_selector = _scalars | st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(_texts, _texts, max_size=2) | _scalars,
        "matchExpressions": st.lists(_expression, max_size=2) | _scalars,
    },
)
_block = st.fixed_dictionaries({"cidr": _texts}, optional={"except": _lists})
_port = st.fixed_dictionaries(
    {"protocol": _texts}, optional={"port": _scalars, "endPort": _scalars}
)
_rule = _scalars | st.fixed_dictionaries(
    {"source": _texts},
    optional={
        "name": _texts,
        "pool": _texts,
        "namespaceSelector": _selector,
        "podSelector": _selector,
        "destinations": st.lists(_block, max_size=2) | _scalars,
        "ports": st.lists(_port, max_size=2) | _scalars,
        "addresses": _lists,
        "other": _scalars,
    },
)


@given(st.lists(_rule, min_size=1, max_size=3), st.just(1) | _scalars)
def test_whatever_an_object_holds_it_is_read_or_refused(rules: list[Any], priority: Any) -> None:
    """No document ends the agent or the operator: the kind's schema may be another's."""
    spec = {"priority": priority, "rules": rules}
    found = MasqueradePolicy(metadata=ObjectMeta(name="any"), spec=spec)

    with contextlib.suppress(PolicyError):
        assert len(read_policy(found).rules) == len(rules)
