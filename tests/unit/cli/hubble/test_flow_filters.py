"""Flags made into filters: the same lists that Cilium's command sends."""

import json
from typing import Any

import pytest

from ciliate.cli.hubble.errors import FlagConflictError, FlagError
from ciliate.cli.hubble.flow_filters import FlagUse, flow_filters
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.flow import flow_pb2


def uses(words: str) -> list[FlagUse]:
    """Flags as they are typed, each with its value behind "="."""
    found = []
    negated = False
    for word in words.split():
        if word == "not":
            negated = True
            continue
        name, _, value = word.partition("=")
        found.append(FlagUse(name, value, negated))
        negated = False
    return found


def lists(words: str) -> tuple[list[Any], list[Any]]:
    filters = flow_filters(uses(words))
    return (
        [json.loads(message_line(each)) for each in filters.allowed],
        [json.loads(message_line(each)) for each in filters.denied],
    )


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("", []),
        (
            "pod=curl-pod protocol=tcp",
            [
                {"source_pod": ["curl-pod"], "protocol": ["tcp"]},
                {"destination_pod": ["curl-pod"], "protocol": ["tcp"]},
            ],
        ),
        ("to-pod=curl-pod", [{"destination_pod": ["curl-pod"]}]),
        (
            "ip=1.1.1.1 port=80",
            [
                {"source_ip": ["1.1.1.1"], "source_port": ["80"]},
                {"destination_ip": ["1.1.1.1"], "destination_port": ["80"]},
            ],
        ),
        ("namespace=foo", [{"source_pod": ["foo/"]}, {"destination_pod": ["foo/"]}]),
        (
            "namespace=foo pod=bar",
            [{"source_pod": ["foo/bar"]}, {"destination_pod": ["foo/bar"]}],
        ),
        (
            "service=web namespace=prod",
            [{"source_service": ["prod/web"]}, {"destination_service": ["prod/web"]}],
        ),
        (
            "from-namespace=foo to-namespace=bar",
            [{"source_pod": ["foo/"], "destination_pod": ["bar/"]}],
        ),
        ("from-namespace=foo from-pod=a from-pod=b", [{"source_pod": ["foo/a", "foo/b"]}]),
        (
            "namespace=a namespace=b pod=a/x",
            [{"source_pod": ["a/x"]}, {"destination_pod": ["a/x"]}],
        ),
        ("all-namespaces", [{"source_pod": ["/"]}, {"destination_pod": ["/"]}]),
        (
            "from-all-namespaces to-all-namespaces",
            [{"source_pod": ["/"], "destination_pod": ["/"]}],
        ),
        ("all-namespaces pod=x/y", [{"source_pod": ["x/y"]}, {"destination_pod": ["x/y"]}]),
        (
            "type=trace:to-endpoint type=drop",
            [{"event_type": [{"type": 4, "match_sub_type": True}, {"type": 1}]}],
        ),
        (
            "type=1:133 type=trace:11 type=agent:policy-updated type=7",
            [
                {
                    "event_type": [
                        {"type": 1, "match_sub_type": True, "sub_type": 133},
                        {"type": 4, "match_sub_type": True, "sub_type": 11},
                        {"type": 130, "match_sub_type": True, "sub_type": 5},
                        {"type": 7},
                    ]
                }
            ],
        ),
        ("verdict=DROPPED verdict=error", [{"verdict": ["DROPPED", "ERROR"]}]),
        ("drop-reason-desc=policy_denied", [{"drop_reason_desc": ["POLICY_DENIED"]}]),
        ("traffic-direction=ingress", [{"traffic_direction": ["INGRESS"]}]),
        (
            "tcp-flags=SYN,ack tcp-flags=RST",
            [{"tcp_flags": [{"SYN": True, "ACK": True}, {"RST": True}]}],
        ),
        ("ipv4 ipv6", [{"ip_version": ["IPv4", "IPv6"]}]),
        ("ip-version=none", [{"ip_version": ["IP_NOT_USED"]}]),
        ("encrypted", [{"encrypted": [True]}]),
        ("unencrypted", [{"encrypted": [False]}]),
        (
            "from-workload=Deployment/web from-workload=job",
            [
                {
                    "source_workload": [
                        {"name": "web", "kind": "Deployment"},
                        {"name": "job"},
                    ]
                },
            ],
        ),
        (
            "from-identity=host to-identity=13646",
            [{"source_identity": [1], "destination_identity": [13646]}],
        ),
        ("from-identity=overlay-to-encrypt", [{"source_identity": [11]}]),
        ("snat-ip=1.2.3.4", [{"source_ip_xlated": ["1.2.3.4"]}]),
        ("cluster=a", [{"source_cluster_name": ["a"]}, {"destination_cluster_name": ["a"]}]),
        ("interface=eth0", [{"interface": [{"name": "eth0"}]}]),
        ("ip-trace-id=7 trace-id=ab", [{"trace_id": ["ab"], "ip_trace_id": ["7"]}]),
        ("node-name=w1 node-label=a=b", [{"node_name": ["w1"], "node_labels": ["a=b"]}]),
        ("http-status=5+ http-path=/x", [{"http_status_code": ["5+"], "http_path": ["/x"]}]),
        ("http-header=a:b:c", [{"http_header": [{"key": "a", "value": "b:c"}]}]),
        ("cel-expression=true", [{"experimental": {"cel_expression": ["true"]}}]),
    ],
)
def test_flags_become_the_filters_of_cilium(words: str, allowed: list[Any]) -> None:
    assert lists(words) == (allowed, [])


def test_not_makes_a_list_of_its_own() -> None:
    assert lists("not namespace=kube-system verdict=DROPPED") == (
        [{"verdict": ["DROPPED"]}],
        [{"source_pod": ["kube-system/"]}, {"destination_pod": ["kube-system/"]}],
    )


def test_negated_flags_all_have_to_hold_to_deny() -> None:
    assert lists("not http-method=put not to-namespace=foo") == (
        [],
        [{"destination_pod": ["foo/"], "http_method": ["put"]}],
    )


def test_contradiction_is_looked_for_within_a_list() -> None:
    allowed, denied = lists("pod=a not ip=1.1.1.1")

    assert [len(allowed), len(denied)] == [2, 2]


def test_given_filters_stand_behind_those_of_flags() -> None:
    given = flow_pb2.FlowFilter(uuid=["1"])

    filters = flow_filters(uses("uuid=2"), allowed=[given], denied=[given])

    assert [list(each.uuid) for each in filters.allowed] == [["2"], ["1"]]
    assert filters.denied == (given,)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("port=65536", "65536"),
        ("port=http", "http"),
        ("identity=unknown", "overlay-to-encrypt"),
        ("identity=4294967296", "4294967296"),
        ("verdict=DENIED", "FORWARDED, DROPPED"),
        ("type=nope", "policy-verdict"),
        ("type=trace:nope", "to-endpoint"),
        ("type=drop:policy", "a number"),
        ("tcp-flags=SYN,FOO", "'FOO'"),
        ("ip-version=5", "v4, v6"),
        ("ip-trace-id=0", "above 0"),
        ("http-header=x", "name:value"),
        ("traffic-direction=both", "EGRESS"),
    ],
)
def test_value_that_cannot_be_read_is_refused_with_what_can(words: str, told: str) -> None:
    with pytest.raises(FlagError, match="--") as refused:
        lists(words)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    "words",
    ["namespace=foo pod=bar/x", "from-namespace=a from-service=b/c", "namespace=a service=b/c"],
)
def test_name_of_another_namespace_is_refused(words: str) -> None:
    with pytest.raises(FlagConflictError, match="is not of namespace"):
        lists(words)
