"""What of a Service and of a slice counts, and what is said of the rest."""

from typing import Any

import pytest
from tests.unit.services.service_objects import (
    ENDING,
    GONE,
    SETTINGS,
    UNREADY,
    endpoint,
    endpoint_slice,
    known,
    known_slice,
    octets,
    service,
)

from ciliate.net.protocol import TCP, UDP
from ciliate.services.model import (
    EndpointState,
    Refusal,
    ServicePort,
    ServingSettings,
    SlicePort,
    SourceRange,
    Variant,
)
from ciliate.services.read import read_service, read_slice, refusal_problem

PROXY = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"
TOPOLOGY = "service.kubernetes.io/topology-mode"
HINTS = "service.kubernetes.io/topology-aware-hints"


@pytest.mark.parametrize(
    "fields",
    [
        {"clusterIP": "None"},
        {"labels": {HEADLESS: ""}},
        {"type": "ExternalName", "clusterIP": "", "externalName": "example.org"},
        {"labels": {PROXY: "another"}},
    ],
)
def test_a_service_that_dns_or_another_proxy_serves_has_no_frontends(fields: Any) -> None:
    assert read_service(service(**fields), SETTINGS) is None


def test_with_a_proxy_name_only_services_of_that_name_are_served() -> None:
    named = ServingSettings(proxy_name="ours")

    assert read_service(service(labels={PROXY: "ours"}), named) is not None
    assert read_service(service(), named) is None


def test_ports_of_protocols_that_are_not_translated_are_named_and_the_others_served() -> None:
    found = known(
        ports=[
            {"name": "a", "port": 80},
            {"name": "b", "port": 53, "protocol": "UDP"},
            {"name": "c", "port": 9, "protocol": "SCTP"},
        ]
    )

    assert found.ports == (ServicePort("a", TCP, 80), ServicePort("b", UDP, 53))
    assert found.problems == (
        (
            'Service shop/web: spec.ports[c].protocol: "SCTP" is not translated: the other ports are'
            " served; use TCP or UDP"
        ),
    )


def test_a_node_port_is_one_only_of_a_type_that_has_it() -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]

    assert known(type="NodePort", ports=ports).ports[0].node_port == 30080
    assert known(type="ClusterIP", ports=ports).ports[0].node_port == 0


def test_a_node_port_out_of_the_range_is_served_and_named() -> None:
    found = known(type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 8080}])

    assert found.ports[0].node_port == 8080
    (problem,) = found.problems
    assert problem == (
        'Service shop/web: spec.ports[http].nodePort: "8080" is outside of 30000-32767, so processes'
        " of the cluster do not find it at every address of a node: have node-port-range say what"
        " the API server's --service-node-port-range says"
    )


def test_both_families_of_a_service_are_read() -> None:
    found = known(clusterIPs=["10.96.0.7", "fd00::7"], ipFamilies=["IPv4", "IPv6"])

    assert found.cluster_ips == (octets("10.96.0.7"), octets("fd00::7"))
    assert found.versions == (4, 6)
    assert known(clusterIP="fd00::7").versions == (6,), "without ipFamilies"


def test_addresses_of_load_balancers_count_but_for_those_that_act_as_a_proxy() -> None:
    ingress = [
        {"ip": "203.0.113.9"},
        {"ip": "203.0.113.10", "ipMode": "Proxy"},
        {"ip": "203.0.113.11", "ipMode": "VIP"},
        {"hostname": "lb.example.org"},
    ]

    found = known(type="LoadBalancer", ingress=ingress)
    assert found.load_balancer_ips == (octets("203.0.113.9"), octets("203.0.113.11"))
    assert known(type="NodePort", ingress=ingress).load_balancer_ips == ()


def test_an_address_that_no_client_can_ask_is_left_out_by_name() -> None:
    found = known(externalIPs=["127.0.0.1", "192.0.2.1", "fd00::9", "nonsense"])

    assert found.external_ips == (octets("192.0.2.1"),)
    loopback, nonsense, family = found.problems
    assert loopback == (
        'Service shop/web: spec.externalIPs: "127.0.0.1" is loopback: it is left out; give another'
    )
    assert nonsense.startswith('Service shop/web: spec.externalIPs: "nonsense" ')
    assert family == (
        'Service shop/web: spec.externalIPs: "fd00::9" is IPv6, in which this Service has no'
        " endpoints: it is left out; have IPv6 in spec.ipFamilies"
    )


def test_traffic_policies_decide_who_has_which_endpoints() -> None:
    both = known(type="NodePort", internalTrafficPolicy="Local", externalTrafficPolicy="Local")
    inside = known(internalTrafficPolicy="Local", externalTrafficPolicy="Local")
    external_ips = known(externalTrafficPolicy="Local", externalIPs=["192.0.2.1"])

    assert (both.internal, both.external) == (Variant.LOCAL, Variant.LOCAL)
    assert (inside.internal, inside.external) == (Variant.LOCAL, Variant.ALL)
    assert (external_ips.internal, external_ips.external) == (Variant.ALL, Variant.LOCAL)


def test_affinity_has_its_time_unless_it_is_off() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    fields: Any = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}

    assert known(**fields).affinity_s == 60
    assert known(sessionAffinity="ClientIP").affinity_s == 10800
    assert known().affinity_s == 0
    assert known(settings=ServingSettings(session_affinity=False), **fields).affinity_s == 0


def test_source_ranges_of_a_load_balancer_are_read() -> None:
    found = known(
        type="LoadBalancer",
        loadBalancerSourceRanges=["198.51.100.0/24", " 2001:db8::/32", "x/8"],
        annotations={"service.cilium.io/src-ranges-policy": "deny"},
    )

    assert found.source_ranges == (
        SourceRange(120, octets("198.51.100.0")),
        SourceRange(32, octets("2001:db8::")),
    )
    assert found.denies_ranges
    assert len(found.problems) == 1
    assert known(loadBalancerSourceRanges=["198.51.100.0/24"]).source_ranges == ()
    assert not known().denies_ranges


@pytest.mark.parametrize(
    ("fields", "by_annotation", "follows"),
    [
        ({}, True, False),
        ({"trafficDistribution": "PreferClose"}, False, True),
        ({"trafficDistribution": "PreferSameZone"}, False, True),
        ({"trafficDistribution": "PreferSameNode"}, False, True),
        ({"trafficDistribution": "Whatever"}, False, False),
        ({"trafficDistribution": "PreferClose", "internalTrafficPolicy": "Local"}, True, False),
        ({"annotations": {TOPOLOGY: "Auto"}}, False, False),
        ({"annotations": {TOPOLOGY: "Auto"}}, True, True),
        ({"annotations": {TOPOLOGY: "Disabled"}}, True, False),
        ({"annotations": {TOPOLOGY: "Auto", HINTS: "disabled"}}, True, False),
        ({"annotations": {HINTS: "auto"}}, True, True),
    ],
)
def test_hints_are_followed_where_they_are_asked_for(
    fields: Any, *, by_annotation: bool, follows: bool
) -> None:
    settings = ServingSettings(topology_annotation=by_annotation)

    assert known(settings=settings, **fields).follows_hints is follows


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        (None, EndpointState.READY),
        ({"ready": True}, EndpointState.READY),
        ({"ready": True, "serving": True, "terminating": True}, EndpointState.READY),
        (ENDING, EndpointState.TERMINATING),
        (GONE, EndpointState.NOT_READY),
        (UNREADY, EndpointState.NOT_READY),
        ({"ready": False}, EndpointState.NOT_READY),
        ({"ready": False, "serving": True}, EndpointState.READY),
    ],
)
def test_conditions_make_the_state(conditions: Any, state: EndpointState) -> None:
    (place,) = known_slice(endpoint("10.0.1.5", conditions=conditions)).places

    assert place.state is state


def test_endpoints_keep_node_zone_and_hints_and_share_what_is_alike() -> None:
    one = endpoint("10.0.1.5", node="w2", zone="b", zones=("a", "b"), nodes=("w1",))
    found = known_slice(one, {**one, "addresses": ["10.0.1.6"]}, name="x")

    first, second = found.places
    assert first is second
    assert (first.node, first.zone) == ("w2", "b")
    assert (first.zone_hints, first.node_hints) == (("a", "b"), ("w1",))
    assert found.addresses == octets("10.0.1.5") + octets("10.0.1.6")
    assert (found.name, found.version) == ("x", 4)


def test_an_endpoint_with_an_address_of_nobody_is_refused_and_the_others_count() -> None:
    found = known_slice("10.0.1.5", "127.0.0.1", "192.168.0.1", "fd00::5", {"addresses": []})

    assert found.addresses == octets("10.0.1.5") + octets("192.168.0.1"), "a node's is allowed"
    assert len(found.places) == 2
    assert found.refused[:2] == (
        Refusal("127.0.0.1", "is loopback"),
        Refusal("fd00::5", "is IPv6, and IPv4 is wanted"),
    )
    assert refusal_problem("shop", found) == (
        'EndpointSlice shop/web-1: endpoints[].addresses: "127.0.0.1" is loopback (and 2 more'
        " endpoints): the other endpoints count; give addresses that pods or other machines have"
    )


def test_a_slice_of_names_has_no_endpoint() -> None:
    found = read_slice(endpoint_slice("web.example.org", family="FQDN"))

    assert (found.version, found.addresses, found.refused) == (0, b"", ())


def test_ports_of_a_slice_without_number_or_of_other_protocols_are_none() -> None:
    ports = [
        {"name": "http", "port": 8080},
        {"name": "all", "port": None},
        {"name": "sctp", "port": 9, "protocol": "SCTP"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]

    found = known_slice("10.0.1.5", ports=ports)
    assert found.ports == (SlicePort("http", TCP, 8080), SlicePort("dns", UDP, 53))
