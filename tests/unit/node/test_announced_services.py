"""What is announced of Services and endpoints, as the API has them."""

from ipaddress import ip_address

import pytest
from msgspec import structs

from ciliate.api.endpoint_slice import Endpoint, EndpointConditions, EndpointSlice
from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServiceSpec,
    ServiceStatus,
)
from ciliate.node.announced_services import has_endpoint_on, known_service

META = ObjectMeta(name="web", namespace="shop", labels={"app": "web"})


def balanced(*ips: str, **spec: object) -> Service:
    status = ServiceStatus(
        load_balancer=LoadBalancerStatus(tuple(LoadBalancerIngress(ip=ip) for ip in ips))
    )
    stated = {"type": "LoadBalancer", "cluster_ip": "10.96.0.9", **spec}
    return Service(metadata=META, spec=ServiceSpec(**stated), status=status)  # type: ignore[arg-type]


def test_addresses_of_every_kind_are_read_and_what_is_none_is_left_out() -> None:
    found = known_service(
        balanced(
            "198.51.100.1",
            "",
            "name.example",
            cluster_ips=("10.96.0.1", "2001:db8::1"),
            external_ips=("203.0.113.1", "203.0.113.300"),
        )
    )

    assert found is not None
    assert found.load_balancer_ips == (ip_address("198.51.100.1"),)
    assert found.cluster_ips == (ip_address("10.96.0.1"), ip_address("2001:db8::1"))
    assert found.external_ips == (ip_address("203.0.113.1"),)
    assert found.selectable["io.kubernetes.service.namespace"] == "shop"
    assert found.selectable["app"] == "web"


@pytest.mark.parametrize(
    ("of_class", "is_ours"),
    [("", True), ("io.cilium/bgp-control-plane", True), ("io.cilium/l2-announcer", False)],
)
def test_the_balancers_address_is_announced_by_its_class(of_class: str, *, is_ours: bool) -> None:
    found = known_service(balanced("198.51.100.1", load_balancer_class=of_class))

    assert found is not None
    assert bool(found.load_balancer_ips) is is_ours


def test_policies_say_from_where() -> None:
    found = known_service(
        balanced(external_traffic_policy="Local", internal_traffic_policy="Cluster")
    )

    assert found is not None
    assert (found.external_is_local, found.internal_is_local) == (True, False)


def test_what_another_proxy_serves_is_nothing() -> None:
    label = {"service.kubernetes.io/service-proxy-name": "other"}
    found = structs.replace(balanced("198.51.100.1"), metadata=structs.replace(META, labels=label))

    assert known_service(found) is None
    assert known_service(found, "other") is not None


@pytest.mark.parametrize(
    ("annotations", "labels", "is_served"),
    [
        ({}, {}, True),
        ({"service.cilium.io/node": "edge"}, {"service.cilium.io/node": "edge"}, True),
        ({"service.cilium.io/node": "edge"}, {}, False),
        ({"service.cilium.io/node-selector": "zone in (a, b)"}, {"zone": "b"}, True),
        ({"service.cilium.io/node-selector": "zone in (a, b)"}, {"zone": "c"}, False),
        ({"service.cilium.io/node-selector": "zone in ("}, {}, True),
    ],
)
def test_it_is_announced_by_the_nodes_that_serve_it(
    annotations: dict[str, str], labels: dict[str, str], *, is_served: bool
) -> None:
    meta = structs.replace(META, annotations=annotations)

    found = known_service(structs.replace(balanced("198.51.100.1"), metadata=meta))

    assert found is not None
    assert found.is_served_on(labels) is is_served


def test_frontends_of_one_type_alone_are_announced_alone() -> None:
    meta = structs.replace(META, annotations={"service.cilium.io/type": "LoadBalancer"})

    found = known_service(structs.replace(balanced("198.51.100.1"), metadata=meta))

    assert found is not None
    assert found.load_balancer_ips
    assert found.cluster_ips == ()


def test_a_service_without_an_address_is_nothing() -> None:
    assert known_service(Service(metadata=META, spec=ServiceSpec(cluster_ip="None"))) is None
    assert known_service(Service(metadata=META, spec=ServiceSpec(type="ExternalName"))) is None


@pytest.mark.parametrize(
    ("endpoint", "version"),
    [
        (Endpoint(node_name="here"), 4),
        (Endpoint(node_name="there"), 0),
        (Endpoint(node_name="here", conditions=EndpointConditions(ready=False)), 0),
        (Endpoint(node_name="here", conditions=EndpointConditions(terminating=True)), 0),
    ],
)
def test_an_endpoint_counts_where_it_is_ready_and_stays(endpoint: Endpoint, version: int) -> None:
    found = EndpointSlice(address_type="IPv4", endpoints=(endpoint,))

    assert has_endpoint_on(found, "here") == version
