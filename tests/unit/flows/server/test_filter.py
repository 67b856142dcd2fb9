"""`flows/server/filter.py`: a flow is wanted as Hubble's server would say, whatever a filter holds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import json_format

from ciliate.errors import CiliateError
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.errors import FilterBoundError, FlowFilterError, HttpEventTypeError
from ciliate.flows.server.filter import (
    _FIELDS,
    FILTERS_MAX,
    PATTERNS_MAX,
    TEXT_CHARACTERS_MAX,
    VALUES_MAX,
    compile_filters,
)
from ciliate.flows.server.message_view import MessageView

Json = Mapping[str, Any]

#: One flow of TCP that has everything a packet's flow can have.
FLOW: Json = {
    "uuid": "u-1",
    "verdict": "FORWARDED",
    "IP": {
        "source": "10.0.1.5",
        "destination": "fd00::7",
        "ipVersion": "IPv4",
        "source_xlated": "192.168.1.2",
        "encrypted": True,
    },
    "l4": {
        "TCP": {
            "source_port": 40000,
            "destination_port": 8080,
            "flags": {"SYN": True, "ACK": True},
        }
    },
    "source": {
        "identity": 7000,
        "namespace": "shop",
        "pod_name": "web-5d4f-x2",
        "labels": ["k8s:app=web", "k8s:tier=front", "container:zone=a"],
        "workloads": [{"kind": "Deployment", "name": "web"}, {"kind": "Job", "name": "once"}],
        "cluster_name": "prod-1",
    },
    "destination": {"identity": 2, "labels": ["reserved:world", "cidr:10.0.0.0/8"]},
    "node_name": "prod-1/k8s-w1",
    "node_labels": ["kubernetes.io/arch=amd64"],
    "source_names": ["web.shop.example", "a_b.example"],
    "source_service": {"namespace": "shop", "name": "web-front"},
    "event_type": {"type": 4, "sub_type": 3},
    "is_reply": True,
    "traffic_direction": "EGRESS",
    "interface": {"index": 7, "name": "eth0"},
    "trace_context": {"parent": {"trace_id": "abc1"}},
    "ip_trace_id": {"trace_id": 9},
}
HTTP: Json = {
    "event_type": {"type": 129},
    "l7": {
        "http": {
            "code": 404,
            "method": "GET",
            "url": "http://web:8080/a%20b/c?q=/x",
            "headers": [{"key": "X-Id", "value": "1"}, {"key": "Accept", "value": "*"}],
        }
    },
}
DNS: Json = {"l7": {"dns": {"query": "www.example.com."}}}
DROP: Json = {"verdict": "DROPPED", "drop_reason_desc": "POLICY_DENIED", "event_type": {"type": 1}}


def asked(of: Json) -> flow_pb2.FlowFilter:
    return json_format.ParseDict(dict(of), flow_pb2.FlowFilter())


def view(of: Json) -> MessageView:
    return MessageView(json_format.ParseDict(dict(of), flow_pb2.Flow()))


def is_wanted(flow: Json, white: Sequence[Json], black: Sequence[Json] = ()) -> bool:
    return compile_filters([asked(each) for each in white], [asked(each) for each in black])(
        view(flow)
    )


def with_l4(protocol: str, **fields: object) -> Json:
    return {"l4": {protocol: fields}}


def with_http(**fields: object) -> Json:
    return {"l7": {"http": fields}}


#: What is claimed, the flow, one filter, whether it matches.
CASES: list[tuple[str, Json, Json, bool]] = [
    ("a filter without fields matches all", {}, {}, True),
    ("uuid is exact", FLOW, {"uuid": ["u-2", "u-1"]}, True),
    ("no beginning of uuid", FLOW, {"uuid": ["u-"]}, False),
    # Addresses.
    ("an address is equal", FLOW, {"source_ip": ["10.0.1.5"]}, True),
    ("another is not", FLOW, {"source_ip": ["10.0.1.6"]}, False),
    ("text counts: other spelling of IPv6", FLOW, {"destination_ip": ["fd00:0::7"]}, False),
    ("text counts: upper case", FLOW, {"destination_ip": ["FD00::7"]}, False),
    ("text counts: same spelling", FLOW, {"destination_ip": ["fd00::7"]}, True),
    ("a prefix contains", FLOW, {"source_ip": ["10.0.0.0/16"]}, True),
    ("a prefix with host bits contains", FLOW, {"source_ip": ["10.0.9.9/16"]}, True),
    ("another prefix does not", FLOW, {"source_ip": ["10.1.0.0/16"]}, False),
    ("/0 contains", FLOW, {"source_ip": ["0.0.0.0/0"]}, True),
    ("::/0 contains no IPv4", FLOW, {"source_ip": ["::/0"]}, False),
    ("0.0.0.0/0 contains no IPv6", FLOW, {"destination_ip": ["0.0.0.0/0"]}, False),
    ("a prefix of IPv6 contains", FLOW, {"destination_ip": ["FD00::/64"]}, True),
    ("/128 contains", FLOW, {"destination_ip": ["fd00:0::7/128"]}, True),
    ("address or prefix", FLOW, {"source_ip": ["1.1.1.1", "10.0.1.4/31"]}, True),
    ("prefix or address", FLOW, {"source_ip": ["1.1.1.0/24", "10.0.1.5"]}, True),
    ("no address, none matches", {}, {"source_ip": ["0.0.0.0/0", "::/0"]}, False),
    ("the translated address", FLOW, {"source_ip_xlated": ["192.168.0.0/16"]}, True),
    ("not the source itself", FLOW, {"source_ip_xlated": ["10.0.1.5"]}, False),
    # Pods and Services.
    ("ns/name", FLOW, {"source_pod": ["shop/web-5d4f-x2"]}, True),
    ("the beginning of a name", FLOW, {"source_pod": ["shop/web"]}, True),
    ("not the end of a name", FLOW, {"source_pod": ["shop/x2"]}, False),
    ("a namespace is whole", FLOW, {"source_pod": ["sho/web"]}, False),
    ("a name alone is one in default", FLOW, {"source_pod": ["web"]}, False),
    (
        "a name alone in default",
        {"source": {"namespace": "default", "pod_name": "web-1"}},
        {"source_pod": ["web"]},
        True,
    ),
    ("ns/", FLOW, {"source_pod": ["shop/"]}, True),
    ("other ns/", FLOW, {"source_pod": ["kube-system/"]}, False),
    ("ns/ without a pod's name", {"source": {"namespace": "a"}}, {"source_pod": ["a/"]}, True),
    ("/name in any namespace", FLOW, {"source_pod": ["/web"]}, True),
    ("/other name", FLOW, {"source_pod": ["/db"]}, False),
    ("/ is any pod", FLOW, {"source_pod": ["/"]}, True),
    ("/ is not what has no name", FLOW, {"destination_pod": ["/"]}, False),
    ("more than two parts are two", FLOW, {"source_pod": ["shop/web/other"]}, True),
    ("one of several", FLOW, {"source_pod": ["a/b", "shop/w"]}, True),
    ("a Service's beginning", FLOW, {"source_service": ["shop/web-"]}, True),
    ("a Service in default", FLOW, {"source_service": ["web-front"]}, False),
    ("no Service", FLOW, {"destination_service": ["/"]}, False),
    # Names in DNS.
    ("a name", FLOW, {"source_fqdn": ["web.shop.example"]}, True),
    ("a name as people write it", FLOW, {"source_fqdn": [" WEB.shop.Example. "]}, True),
    ("a name is whole", FLOW, {"source_fqdn": ["web.shop"]}, False),
    ("a dot is a dot", FLOW, {"source_fqdn": ["web-shop.example"]}, False),
    ("a star", FLOW, {"source_fqdn": ["*.example"]}, True),
    ("a star is also nothing", FLOW, {"source_fqdn": ["web*.shop.example"]}, True),
    ("stars are anchored", FLOW, {"source_fqdn": ["*.shop"]}, False),
    (
        "a star takes no underscore",
        {"source_names": ["a_b.example"]},
        {"source_fqdn": ["*"]},
        False,
    ),
    ("an underscore itself", FLOW, {"source_fqdn": ["a_*.example"]}, True),
    ("no names", FLOW, {"destination_fqdn": ["*"]}, False),
    ("DNS: anywhere", DNS, {"dns_query": ["ample"]}, True),
    ("DNS: anchored", DNS, {"dns_query": [r"^www\..*\.com\.$"]}, True),
    ("DNS: the last dot counts", DNS, {"dns_query": ["com$"]}, False),
    ("DNS: one of several", DNS, {"dns_query": ["^x$", "^www"]}, True),
    ("not DNS", FLOW, {"dns_query": [".*"]}, False),
    # Labels.
    ("key=value of any source", FLOW, {"source_label": ["app=web"]}, True),
    ("key==value", FLOW, {"source_label": ["app==web"]}, True),
    ("another value", FLOW, {"source_label": ["app=db"]}, False),
    ("with its source", FLOW, {"source_label": ["k8s:app = web"]}, True),
    ("with any source", FLOW, {"source_label": ["any:zone=a"]}, True),
    ("with another source", FLOW, {"source_label": ["k8s:zone=a"]}, False),
    ("!=", FLOW, {"source_label": ["app!=web"]}, False),
    ("!= of an absent label", FLOW, {"source_label": ["gone!=x"]}, True),
    ("in", FLOW, {"source_label": ["tier in (back, front)"]}, True),
    ("not in", FLOW, {"source_label": ["tier in (back,side)"]}, False),
    ("notin", FLOW, {"source_label": ["tier notin (front)"]}, False),
    ("notin of an absent label", FLOW, {"source_label": ["gone notin (a)"]}, True),
    ("exists", FLOW, {"source_label": ["k8s:tier"]}, True),
    ("does not exist", FLOW, {"source_label": ["!tier"]}, False),
    ("does not exist, with source", FLOW, {"source_label": ["!container:tier"]}, True),
    ("a comma is and", FLOW, {"source_label": ["app=web,tier=back"]}, False),
    ("a comma is and, in sets too", FLOW, {"source_label": ["tier in (a,front),app"]}, True),
    ("a list is or", FLOW, {"source_label": ["app=db", "tier=front"]}, True),
    ("an empty selector", FLOW, {"source_label": [""]}, True),
    ("reserved", FLOW, {"destination_label": ["reserved:world"]}, True),
    ("reserved, another", FLOW, {"destination_label": ["reserved:host"]}, False),
    ("reserved has no value", FLOW, {"destination_label": ["world="]}, True),
    ("a prefix as a label", FLOW, {"destination_label": ["cidr:10.0.0.0/8"]}, True),
    ("a node's label", FLOW, {"node_labels": ["kubernetes.io/arch in (amd64)"]}, True),
    ("a node's label has no source", FLOW, {"node_labels": ["k8s:kubernetes.io/arch"]}, False),
    # Workloads, clusters, identities.
    ("workload", FLOW, {"source_workload": [{"kind": "Deployment", "name": "web"}]}, True),
    ("workload's name alone", FLOW, {"source_workload": [{"name": "once"}]}, True),
    ("workload's kind alone", FLOW, {"source_workload": [{"kind": "Job"}]}, True),
    ("of one workload", FLOW, {"source_workload": [{"kind": "Job", "name": "web"}]}, False),
    ("no beginning", FLOW, {"source_workload": [{"name": "we"}]}, False),
    ("no workload", FLOW, {"destination_workload": [{}]}, False),
    ("cluster", FLOW, {"source_cluster_name": ["prod-1"]}, True),
    ("no glob of clusters", FLOW, {"source_cluster_name": ["prod-*"]}, False),
    ("no cluster", FLOW, {"destination_cluster_name": ["prod-1"]}, False),
    ("identity", FLOW, {"source_identity": [1, 7000]}, True),
    ("other identity", FLOW, {"destination_identity": [7000]}, False),
    # Protocols.
    ("port", FLOW, {"destination_port": ["80", "8080"]}, True),
    ("other side's port", FLOW, {"source_port": ["8080"]}, False),
    ("port with zeros in front", FLOW, {"destination_port": ["0008080"]}, True),
    ("UDP", with_l4("UDP", destination_port=53), {"destination_port": ["53"]}, True),
    ("SCTP", with_l4("SCTP", source_port=99), {"source_port": ["99"]}, True),
    ("port 0 of a socket", with_l4("TCP", destination_port=80), {"source_port": ["0"]}, True),
    ("ICMP has no port 0", with_l4("ICMPv4", type=8), {"source_port": ["0"]}, False),
    ("protocol", FLOW, {"protocol": ["TCP"]}, True),
    ("other protocol", FLOW, {"protocol": ["udp", "sctp"]}, False),
    ("icmp is 4", with_l4("ICMPv4"), {"protocol": ["icmp"]}, True),
    ("icmp is 6", with_l4("ICMPv6"), {"protocol": ["icmp"]}, True),
    ("icmpv4 is not 6", with_l4("ICMPv6"), {"protocol": ["icmpv4"]}, False),
    ("vrrp", with_l4("VRRP"), {"protocol": ["vrrp"]}, True),
    ("igmp", with_l4("IGMP"), {"protocol": ["igmp"]}, True),
    ("dns", DNS, {"protocol": ["DNS"]}, True),
    ("http", HTTP, {"protocol": ["tcp", "http"]}, True),
    ("not kafka", HTTP, {"protocol": ["kafka"]}, False),
    ("no protocol", {}, {"protocol": ["tcp", "dns"]}, False),
    ("all flags of a value", FLOW, {"tcp_flags": [{"SYN": True, "ACK": True}]}, True),
    ("some flags of a flow", FLOW, {"tcp_flags": [{"SYN": True}]}, True),
    ("a flag too many", FLOW, {"tcp_flags": [{"SYN": True, "FIN": True}]}, False),
    ("one of two", FLOW, {"tcp_flags": [{"RST": True}, {"ACK": True}]}, True),
    ("no flags asked", FLOW, {"tcp_flags": [{}]}, True),
    ("no flags there", with_l4("TCP"), {"tcp_flags": [{}]}, False),
    ("not TCP", with_l4("UDP"), {"tcp_flags": [{}]}, False),
    ("IPv4", FLOW, {"ip_version": ["IPv4"]}, True),
    ("not IPv6", FLOW, {"ip_version": ["IPv6"]}, False),
    ("no IP", {}, {"ip_version": ["IP_NOT_USED"]}, True),
    ("encrypted", FLOW, {"encrypted": [True]}, True),
    ("not unencrypted", FLOW, {"encrypted": [False]}, False),
    ("unknown is unencrypted", {}, {"encrypted": [False]}, True),
    # Events.
    ("verdict", FLOW, {"verdict": ["DROPPED", "FORWARDED"]}, True),
    ("other verdict", FLOW, {"verdict": ["DROPPED"]}, False),
    ("reason", DROP, {"drop_reason_desc": ["POLICY_DENIED"]}, True),
    ("other reason", DROP, {"drop_reason_desc": ["INVALID_SOURCE_IP"]}, False),
    (
        "a reason of what was not dropped",
        {**DROP, "verdict": "AUDIT"},
        {"drop_reason_desc": ["POLICY_DENIED"]},
        False,
    ),
    ("type", FLOW, {"event_type": [{"type": 1}, {"type": 4}]}, True),
    ("other type", FLOW, {"event_type": [{"type": 1}]}, False),
    ("a sub-type that does not count", FLOW, {"event_type": [{"type": 4, "sub_type": 9}]}, True),
    (
        "a sub-type",
        FLOW,
        {"event_type": [{"type": 4, "match_sub_type": True, "sub_type": 3}]},
        True,
    ),
    ("sub-type 0", FLOW, {"event_type": [{"type": 4, "match_sub_type": True}]}, False),
    ("any type", FLOW, {"event_type": [{}]}, True),
    (
        "any type, a sub-type",
        FLOW,
        {"event_type": [{"match_sub_type": True, "sub_type": 3}]},
        True,
    ),
    ("any type, other sub-type", FLOW, {"event_type": [{"match_sub_type": True}]}, False),
    ("no type", {}, {"event_type": [{}]}, False),
    ("reply", FLOW, {"reply": [True]}, True),
    ("not a reply", FLOW, {"reply": [False]}, False),
    ("unknown is no reply", {}, {"reply": [True]}, False),
    ("unknown is not no reply either", {}, {"reply": [True, False]}, False),
    ("a dropped packet is no reply", DROP, {"reply": [False]}, True),
    ("nor is it one", DROP, {"reply": [True]}, False),
    ("a known reply that was dropped", {**DROP, "is_reply": True}, {"reply": [False]}, False),
    ("direction", FLOW, {"traffic_direction": ["EGRESS"]}, True),
    ("other direction", FLOW, {"traffic_direction": ["INGRESS"]}, False),
    ("no direction", {}, {"traffic_direction": ["TRAFFIC_DIRECTION_UNKNOWN"]}, True),
    # Nodes, devices, traces.
    ("node of any cluster", FLOW, {"node_name": ["k8s-w1"]}, True),
    ("node in capitals", FLOW, {"node_name": ["K8S-W1"]}, True),
    ("a node's name is whole", FLOW, {"node_name": ["k8s"]}, False),
    ("node with a star", FLOW, {"node_name": ["*/k8s-w*"]}, True),
    ("node of a cluster", FLOW, {"node_name": ["prod-1/k8s-w1"]}, True),
    ("node of another", FLOW, {"node_name": ["default/k8s-w1"]}, False),
    ("all of a cluster", FLOW, {"node_name": ["prod-*/"]}, True),
    ("all", FLOW, {"node_name": ["/"]}, True),
    ("the cluster default", {"node_name": "w1"}, {"node_name": ["default/w1"]}, True),
    ("not the cluster default", {"node_name": "w1"}, {"node_name": ["prod-1/w1"]}, False),
    ("a flow's name in capitals", {"node_name": "W1"}, {"node_name": ["W1"]}, False),
    ("no node", {}, {"node_name": ["/"]}, False),
    ("device's index", FLOW, {"interface": [{"index": 7}]}, True),
    ("device's name", FLOW, {"interface": [{"name": "eth0"}]}, True),
    ("both", FLOW, {"interface": [{"index": 7, "name": "eth1"}]}, False),
    ("one of two", FLOW, {"interface": [{"index": 8}, {"name": "eth0"}]}, True),
    ("no device", {}, {"interface": [{}]}, False),
    ("trace", FLOW, {"trace_id": ["abc1"]}, True),
    ("other trace", FLOW, {"trace_id": ["abc"]}, False),
    ("trace of IP", FLOW, {"ip_trace_id": ["9"]}, True),
    ("no trace of IP", {}, {"ip_trace_id": ["0"]}, False),
    # HTTP.
    ("status", HTTP, {"http_status_code": ["200", "404"]}, True),
    ("other status", HTTP, {"http_status_code": ["400"]}, False),
    ("4+", HTTP, {"http_status_code": ["4+"]}, True),
    ("40+", HTTP, {"http_status_code": ["5+", "40+"]}, True),
    ("41+", HTTP, {"http_status_code": ["41+"]}, False),
    ("a request has no status", with_http(method="GET"), {"http_status_code": ["1+"]}, False),
    ("method in any case", HTTP, {"http_method": ["put", "get"]}, True),
    ("other method", HTTP, {"http_method": ["put"]}, False),
    ("no method", with_http(code=200), {"http_method": [""]}, False),
    ("path, escapes resolved", HTTP, {"http_path": ["^/a b/c$"]}, True),
    ("not host or query", HTTP, {"http_path": ["web", "x"]}, False),
    ("path of a request's line", with_http(url="/a?b"), {"http_path": ["^/a$"]}, True),
    ("no URL", with_http(url=""), {"http_path": [".*"]}, False),
    ("unreadable URL: escape", with_http(url="/%zz"), {"http_path": [".*"]}, False),
    ("unreadable URL: port", with_http(url="http://a:b/"), {"http_path": [".*"]}, False),
    ("unreadable URL: host", with_http(url="http://[a/"), {"http_path": [".*"]}, False),
    ("unreadable URL: relative", with_http(url="a/b"), {"http_path": [".*"]}, False),
    ("URL", HTTP, {"http_url": [r"8080.*\?q"]}, True),
    ("other URL", HTTP, {"http_url": ["^/a"]}, False),
    ("header", HTTP, {"http_header": [{"key": "X-Id", "value": "1"}]}, True),
    ("a header's case counts", HTTP, {"http_header": [{"key": "x-id", "value": "1"}]}, False),
    ("of one header", HTTP, {"http_header": [{"key": "X-Id", "value": "*"}]}, False),
    ("not HTTP", FLOW, {"http_url": [".*"]}, False),
    ("HTTP of l7", HTTP, {"http_url": ["web"], "event_type": [{"type": 1}, {"type": 129}]}, True),
    # All fields of a filter.
    ("two fields are and", FLOW, {"source_pod": ["shop/"], "protocol": ["udp"]}, False),
    ("two that match", FLOW, {"source_pod": ["shop/"], "protocol": ["tcp"]}, True),
    (
        "three that match",
        FLOW,
        {"source_pod": ["shop/"], "protocol": ["tcp"], "verdict": ["FORWARDED"]},
        True,
    ),
    (
        "three of which one does not",
        FLOW,
        {"source_pod": ["shop/"], "protocol": ["tcp"], "source_fqdn": ["x"]},
        False,
    ),
]


@pytest.mark.parametrize(
    ("flow", "filters", "expected"),
    [case[1:] for case in CASES],
    ids=[f"{next(iter(case[2]), 'none')}: {case[0]}" for case in CASES],
)
def test_a_filter_matches_as_its_fields_say(flow: Json, filters: Json, *, expected: bool) -> None:
    assert is_wanted(flow, [filters]) is expected
    assert is_wanted(flow, [], [filters]) is not expected


def test_every_field_of_the_api_is_acted_on_and_has_a_case() -> None:
    fields = {field.name for field in flow_pb2.FlowFilter.DESCRIPTOR.fields}

    assert set(_FIELDS) | {"experimental"} == fields
    assert {field for case in CASES for field in case[2]} == set(_FIELDS)


YES: Json = {"verdict": ["FORWARDED"]}
NO: Json = {"verdict": ["ERROR"]}


@pytest.mark.parametrize(
    ("white", "black", "expected"),
    [
        ([], [], True),
        ([NO], [], False),
        ([NO, YES], [], True),
        ([NO, NO, YES], [], True),
        ([NO, NO, NO], [], False),
        ([NO, {}], [], True),
        ([], [NO], True),
        ([], [YES], False),
        ([], [NO, NO, YES], False),
        ([], [{}], False),
        ([YES], [NO], True),
        ([YES], [YES], False),
        ([NO], [NO], False),
        ([NO], [YES], False),
        ([{}], [NO], True),
    ],
)
def test_wanted_is_any_of_the_whitelist_and_none_of_the_blacklist(
    white: Sequence[Json], black: Sequence[Json], *, expected: bool
) -> None:
    assert is_wanted(FLOW, white, black) is expected


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("source_ip", "10.0.0", 'invalid source ip filter: "10.0.0": an IP address or prefix'),
        ("source_ip", "", "an IP address or prefix is needed"),
        ("destination_ip", "10.0.0.0/33", "an IP address or prefix is needed"),
        ("destination_ip", "10.0.0.0/255.0.0.0", "an IP address or prefix is needed"),
        ("destination_ip", "10.0.0.0/+8", "an IP address or prefix is needed"),
        ("source_ip_xlated", "10.0.0.0/", "an IP address or prefix is needed"),
        ("source_pod", "", 'invalid source pod filter: "": name, namespace/name'),
        ("destination_service", "", "invalid destination service filter"),
        ("source_fqdn", " . ", "empty pattern"),
        ("source_fqdn", "a..", "one dot at most"),
        ("destination_fqdn", "a/b", 'invalid destination fqdn filter: "a/b": a name has letters'),
        ("destination_fqdn", "ä.example", "a name has letters"),
        ("node_name", "a/b/c", 'invalid node name filter: "a/b/c": node, cluster/node or'),
        ("node_name", "", "node, cluster/node or"),
        ("node_name", "a/b?", "a name has letters"),
        ("source_label", "app in web", 'invalid source label filter: "app in web"'),
        ("source_label", "app in (a", "a closing parenthesis is missing"),
        ("source_label", "app in", "values in parentheses are missing"),
        ("source_label", "app,", "a key is missing"),
        ("source_label", "!", "a key is missing"),
        ("source_label", "=web", '"=" is no key'),
        ("source_label", "a:b:c", '"a:b:c" is no key'),
        ("source_label", "n>5", '"n>5" is no key'),
        ("source_label", "a=b=c", 'found "="'),
        ("source_label", "a=b c", 'found "c"'),
        ("node_labels", "a=b:c", '"b:c" is no value of a label'),
        ("node_labels", "a (b)", 'found "(" after a'),
        ("source_cluster_name", "", "invalid source cluster name filter: a name is empty"),
        ("source_port", "65536", '"65536": a number from 0 to 65535 is needed'),
        ("source_port", "-1", "a number from 0 to 65535 is needed"),
        ("source_port", "", "a number from 0 to 65535 is needed"),
        ("source_port", "٣", "a number from 0 to 65535 is needed"),
        ("destination_port", "http", 'invalid destination port filter: "http"'),
        ("protocol", "foo", 'invalid protocol filter: unknown protocol: "foo"'),
        ("ip_version", 7, "7: IP_NOT_USED (0), IPv4 (1) or IPv6 (2) is needed"),
        ("http_status_code", "6+", 'invalid http status code filter: "6+": a status as 404'),
        ("http_status_code", "404+", "a status as 404"),
        ("http_status_code", "099", "a status as 404"),
        ("http_path", "(", 'invalid http path filter: "(": missing )'),
        ("http_url", "(?=a)", "write it in RE2's syntax"),
        ("dns_query", r"(a)\1", "write it in RE2's syntax"),
        ("dns_query", r"\C", "invalid escape sequence"),
        ("dns_query", "((a{100}){100}){100}", "write it in RE2's syntax"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_can(
    field: str, value: object, told: str
) -> None:
    with pytest.raises(FlowFilterError) as refused:
        is_wanted(FLOW, [], [{field: [value]}])

    assert told in str(refused.value)
    assert refused.value.field == field


def test_octets_of_a_quoted_text_are_its_text() -> None:
    assert is_wanted({"l7": {"dns": {"query": r"a\C"}}}, [{"dns_query": [r"\Qa\C\E"]}])


def test_cel_expressions_are_refused_by_name() -> None:
    with pytest.raises(FlowFilterError, match="not supported: CEL") as refused:
        is_wanted(FLOW, [{"experimental": {"cel_expression": ["true"]}}])

    assert refused.value.field == "experimental.cel_expression"


def test_an_experimental_message_without_fields_asks_for_nothing() -> None:
    assert is_wanted(FLOW, [{"experimental": {}}])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("http_status_code", "404", "http status code"),
        ("http_method", "GET", "http method"),
        ("http_path", "a", "http path"),
        ("http_url", "a", "http url"),
        ("http_header", {"key": "a"}, "http headers"),
    ],
)
def test_http_of_other_events_is_refused(field: str, value: object, words: str) -> None:
    with pytest.raises(HttpEventTypeError) as refused:
        is_wanted(FLOW, [{field: [value], "event_type": [{"type": 4}, {}]}])

    expected = f"filtering by {words} requires the event type filter to only match 'l7' events"
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("white", "told"),
    [
        ([{}] * (FILTERS_MAX + 1), "1,001 filters, at most 1,000"),
        ([{"dns_query": ["a" * 10_000]}], "10,000 characters in a value of dns_query"),
        ([{"source_label": ["a" * (TEXT_CHARACTERS_MAX + 1)]}], "in a value of source_label"),
        ([{"http_header": [{"value": "a" * 600}]}], "600 characters in a value of http_header"),
        ([{"uuid": [""] * (VALUES_MAX + 1)}], "10,001 values"),
        ([{"source_identity": [1] * 6000}] * 2, "12,000 values"),
        ([{"http_url": ["a"] * PATTERNS_MAX}, {"source_fqdn": ["*"]}], "101 patterns"),
        ([{"node_name": ["*/a"]}] * (PATTERNS_MAX + 1), "101 patterns"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_too_much_is_refused_before_it_is_compiled(white: Sequence[Json], told: str) -> None:
    filters = [asked(each) for each in white]
    begun = time.process_time()

    with pytest.raises(FilterBoundError, match=told):
        compile_filters(filters, [])
    with pytest.raises(FilterBoundError, match=told):
        compile_filters([], filters)

    assert time.process_time() - begun < 5


def test_a_hundred_thousand_filters_are_refused() -> None:
    with pytest.raises(FilterBoundError, match="100,000 filters"):
        compile_filters([flow_pb2.FlowFilter()] * 60_000, [flow_pb2.FlowFilter()] * 40_000)


def test_as_much_as_is_allowed_is_taken() -> None:
    longest = "a" * TEXT_CHARACTERS_MAX
    filters: list[Json] = [{"http_url": [longest] * PATTERNS_MAX}, *[NO] * (FILTERS_MAX - 1)]

    assert not is_wanted(FLOW, filters)


@pytest.mark.parametrize(
    ("filters", "flow"),
    [
        ({"dns_query": ["(a+)+$"]}, {"l7": {"dns": {"query": "a" * 100_000 + "!"}}}),
        ({"http_url": ["(a|aa)+$"]}, with_http(url="a" * 100_000 + "!")),
        ({"source_fqdn": ["*a" * 60]}, {"source_names": ["a" * 10_000 + "_"]}),
    ],
)
def test_no_pattern_holds_the_server(filters: Json, flow: Json) -> None:
    wanted, hostile = compile_filters([asked(filters)], []), view(flow)
    begun = time.process_time()

    assert not wanted(hostile)

    assert time.process_time() - begun < 5


def test_pattern_that_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(FlowFilterError, match="pattern too large"):
        compile_filters([asked({"source_fqdn": ["*a" * 250]})], [])


def test_a_refusal_repeats_no_more_than_can_be_read() -> None:
    with pytest.raises(CiliateError) as refused:
        is_wanted(FLOW, [{"protocol": ["x" * 500]}])

    assert len(str(refused.value)) < 200


@dataclass
class Records:
    """A view of which only the verdict can be asked."""

    verdict: int


def test_what_a_number_rules_out_costs_no_name() -> None:
    filters = asked({"source_label": ["app=web"], "source_pod": ["a/"], "verdict": ["DROPPED"]})

    wanted: Any = compile_filters([filters], [])

    assert not wanted(Records(verdict=flow_pb2.FORWARDED))
