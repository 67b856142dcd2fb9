"""Where a Service is asked for, and by whom."""

from typing import Any

import pytest
from tests.unit.services.service_objects import (
    NODE,
    NODE_IP,
    NODE_IP6,
    OTHER_IP,
    SETTINGS,
    key,
    known,
    octets,
)

from ciliate.datapath.layout import FrontendFlag, FrontendType
from ciliate.net.address import from_octets, socket_text
from ciliate.net.protocol import TCP, UDP
from ciliate.services.frontends import Wanted, barred_problems, frontends_of
from ciliate.services.host_ports import host_port_key, host_port_problem, host_port_service
from ciliate.services.map_keys import read_frontend_key
from ciliate.services.model import HostPort, KnownService, ServiceKey, ServingSettings, Variant

ALL, LOCAL = Variant.ALL, Variant.LOCAL
CLUSTER_IP, NODE_PORT = FrontendType.FRONTEND_CLUSTER_IP, FrontendType.FRONTEND_NODE_PORT
EXTERNAL_IP, BALANCER = FrontendType.FRONTEND_EXTERNAL_IP, FrontendType.FRONTEND_LOAD_BALANCER
HOST_PORT = FrontendType.FRONTEND_HOST_PORT
INSIDE_ONLY = FrontendFlag.FRONTEND_INSIDE_ONLY
TWO_SCOPES, IF_EMPTY = FrontendFlag.FRONTEND_TWO_SCOPES, FrontendFlag.FRONTEND_DROP_IF_EMPTY
RANGES, DENIED = FrontendFlag.FRONTEND_SOURCE_RANGES, FrontendFlag.FRONTEND_DENY_RANGES
NODE_PORTS = [{"name": "http", "port": 80, "nodePort": 30080}]


def at(found: dict[Any, Wanted]) -> dict[str, Wanted]:
    texts = {}
    for each, wanted in found.items():
        address, port, protocol, _ = read_frontend_key(each)
        name = {TCP: "TCP", UDP: "UDP"}[protocol]
        texts[f"{socket_text(str(from_octets(address)), port)}/{name}"] = wanted
    return texts


def frontends(service: KnownService, settings: ServingSettings = SETTINGS) -> dict[str, Wanted]:
    return at(frontends_of(service, NODE, settings))


def types(service: KnownService, settings: ServingSettings = SETTINGS) -> dict[str, FrontendType]:
    return {text: each.type for text, each in frontends(service, settings).items()}


def test_a_cluster_ip_is_asked_for_inside_alone() -> None:
    found = frontends(known(ports=[{"name": "a", "port": 53, "protocol": "UDP"}]))

    assert list(found) == ["10.96.0.7:53/UDP"]
    (one,) = found.values()
    assert (one.type, one.flags, one.outside, one.inside) == (CLUSTER_IP, INSIDE_ONLY, ALL, None)


def test_a_cluster_ip_may_be_opened_to_the_outside() -> None:
    (one,) = frontends(known(), ServingSettings(cluster_ips_from_outside=True)).values()

    assert one.flags == 0


def test_each_port_and_each_family_has_a_frontend_at_each_address() -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]
    service = known(clusterIPs=["10.96.0.7", "fd00::7"], ipFamilies=["IPv4", "IPv6"], ports=ports)

    assert set(frontends(service)) == {
        "10.96.0.7:80/TCP",
        "10.96.0.7:80/UDP",
        "[fd00::7]:80/TCP",
        "[fd00::7]:80/UDP",
    }


def test_a_node_port_is_at_any_address_and_at_those_of_the_node_in_the_families_it_has() -> None:
    one = known(type="NodePort", ports=NODE_PORTS, ipFamilies=["IPv4"])
    both = known(type="NodePort", ports=NODE_PORTS, ipFamilies=["IPv6", "IPv4"])

    assert types(one) == {
        "10.96.0.7:80/TCP": CLUSTER_IP,
        "0.0.0.0:30080/TCP": NODE_PORT,
        f"{NODE_IP}:30080/TCP": NODE_PORT,
    }
    assert types(both).keys() - types(one).keys() == {
        "[::]:30080/TCP",
        f"[{NODE_IP6}]:30080/TCP",
    }


def test_a_load_balancer_has_every_kind() -> None:
    service = known(
        type="LoadBalancer",
        ports=NODE_PORTS,
        ipFamilies=["IPv4"],
        ingress=[{"ip": "203.0.113.9"}],
        externalIPs=["192.0.2.1", "203.0.113.9"],
    )

    assert types(service) == {
        "10.96.0.7:80/TCP": CLUSTER_IP,
        "203.0.113.9:80/TCP": BALANCER,
        "192.0.2.1:80/TCP": EXTERNAL_IP,
        "0.0.0.0:30080/TCP": NODE_PORT,
        f"{NODE_IP}:30080/TCP": NODE_PORT,
    }


@pytest.mark.parametrize(
    ("internal", "external", "outside", "inside", "flags"),
    [
        ("Cluster", "Cluster", ALL, None, 0),
        ("Cluster", "Local", LOCAL, ALL, TWO_SCOPES | IF_EMPTY),
        ("Local", "Cluster", ALL, LOCAL, TWO_SCOPES),
        ("Local", "Local", LOCAL, None, IF_EMPTY),
    ],
)
def test_policies_that_differ_make_two_scopes(
    internal: str, external: str, outside: Variant, inside: Variant | None, flags: int
) -> None:
    service = known(
        type="LoadBalancer",
        ports=NODE_PORTS,
        ipFamilies=["IPv4"],
        ingress=[{"ip": "203.0.113.9"}],
        externalIPs=["192.0.2.1"],
        internalTrafficPolicy=internal,
        externalTrafficPolicy=external,
    )
    found = frontends(service)

    cluster_ip = found.pop("10.96.0.7:80/TCP")
    expected = LOCAL if internal == "Local" else ALL
    assert (cluster_ip.outside, cluster_ip.inside) == (expected, None)
    assert len(found) == 4
    for each in found.values():
        assert (each.outside, each.inside, each.flags) == (outside, inside, flags)


@pytest.mark.parametrize(
    ("settings", "annotations", "balancer", "node_port"),
    [
        (SETTINGS, None, RANGES, 0),
        (SETTINGS, {"service.cilium.io/src-ranges-policy": "deny"}, RANGES | DENIED, 0),
        (ServingSettings(checks_source_ranges=False), None, 0, 0),
        (ServingSettings(checks_them_for_all_types=True), None, RANGES, RANGES),
    ],
)
def test_source_ranges_are_looked_at_where_they_are_meant(
    settings: ServingSettings, annotations: Any, balancer: int, node_port: int
) -> None:
    service = known(
        type="LoadBalancer",
        ports=NODE_PORTS,
        ingress=[{"ip": "203.0.113.9"}],
        loadBalancerSourceRanges=["198.51.100.0/24"],
        annotations=annotations,
    )
    found = frontends(service, settings)

    assert found["203.0.113.9:80/TCP"].flags == balancer
    assert found[f"{NODE_IP}:30080/TCP"].flags == node_port
    assert found["10.96.0.7:80/TCP"].flags == INSIDE_ONLY


def test_an_address_of_a_node_does_not_take_a_node_port() -> None:
    service = known(
        type="LoadBalancer",
        ports=[{"name": "a", "port": 30081}, {"name": "b", "port": 80}],
        ingress=[{"ip": OTHER_IP}],
        externalIPs=[NODE_IP],
    )

    found = set(frontends(service))
    assert found == {
        "10.96.0.7:30081/TCP",
        "10.96.0.7:80/TCP",
        f"{OTHER_IP}:80/TCP",
        f"{NODE_IP}:80/TCP",
    }
    assert list(barred_problems(service, key(), NODE, SETTINGS)) == [
        (
            f'Service shop/web: status.loadBalancer.ingress: "{OTHER_IP}:30081" is an address of a node'
            " and a port in the range of node ports (30000-32767): it is left out; use another port or"
            " address"
        ),
        (
            f'Service shop/web: spec.externalIPs: "{NODE_IP}:30081" is an address of a node and a port'
            " in the range of node ports (30000-32767): it is left out; use another port or address"
        ),
    ]


def host_port(port: int = 8080, host_ip: str = "", *addresses: str) -> HostPort:
    return HostPort(
        pod=ServiceKey("shop", "web-0"),
        uid="u",
        created="2026-01-01T00:00:00Z",
        protocol=TCP,
        port=port,
        container_port=80,
        addresses=tuple(map(octets, addresses or ("10.0.1.5", "fd00::5"))),
        host_ip=octets(host_ip) if host_ip else b"",
    )


def test_a_host_port_is_at_any_address_or_at_the_one_it_names() -> None:
    everywhere = host_port_service(host_port())
    one_family = host_port_service(host_port(8080, "", "10.0.1.5"))
    here = host_port_service(host_port(8080, NODE_IP))

    assert types(everywhere) == {
        "0.0.0.0:8080/TCP": HOST_PORT,
        "[::]:8080/TCP": HOST_PORT,
        f"{NODE_IP}:8080/TCP": HOST_PORT,
        f"[{NODE_IP6}]:8080/TCP": HOST_PORT,
    }
    assert set(types(one_family)) == {"0.0.0.0:8080/TCP", f"{NODE_IP}:8080/TCP"}
    assert set(types(here)) == {f"{NODE_IP}:8080/TCP"}


@pytest.mark.parametrize(
    ("host_ip", "where"), [("127.0.0.1", "0.0.0.0:8080/TCP"), ("::1", "[::]:8080/TCP")]
)
def test_a_host_port_of_loopback_is_found_by_sockets_alone(host_ip: str, where: str) -> None:
    found = frontends(host_port_service(host_port(8080, host_ip)))

    assert set(found) == {where}
    assert found[where].flags == FrontendFlag.FRONTEND_LOOPBACK_ONLY


def test_a_host_port_in_the_range_of_node_ports_is_not_served_and_says_so() -> None:
    service = host_port_service(host_port(30080))

    assert frontends(service) == {}
    assert host_port_problem(service, host_port_key(host_port(30080)), SETTINGS) == (
        "Pod shop/web-0: hostPort: 30080 is in the range of node ports (30000-32767), where"
        " Services come first: it is not served; choose one outside"
    )
    assert not host_port_problem(host_port_service(host_port()), key(), SETTINGS)
