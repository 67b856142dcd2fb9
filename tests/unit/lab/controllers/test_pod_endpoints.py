"""`lab/controllers/pod_endpoints.py`: a pod as an endpoint, by kube-controller-manager's rules."""

from typing import Any

import pytest
from tests.unit.lab.controllers.pod_samples import node, pod

from ciliate.api.core import ContainerPort
from ciliate.api.endpoint_slice import Endpoint, EndpointHints, EndpointPort, Hint
from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import Service, ServicePort, ServiceSpec
from ciliate.lab.controllers.pod_endpoints import endpoint_of, ports_of
from ciliate.lab.objects import Container, Node

ZONED = node("n1", labels={"topology.kubernetes.io/zone": "a"})


def service(
    *ports: ServicePort, annotations: dict[str, str] | None = None, **spec: Any
) -> Service:
    return Service(
        metadata=ObjectMeta(
            name="web", namespace="default", uid="s", annotations=annotations or {}
        ),
        spec=ServiceSpec(ports=ports, selector={"app": "web"}, **spec),
    )


def made(of: Service, *, on: Node | None = ZONED, family: str = "IPv4", **pods: Any) -> Endpoint:
    ips = pods.pop("ips", ("10.0.0.1", "fd00::1"))
    found = endpoint_of(of, pod("a", "n1", ips=ips, **pods), on, family)
    assert found is not None
    return found


def states(found: Endpoint) -> tuple[bool | None, bool | None, bool | None]:
    return found.conditions.ready, found.conditions.serving, found.conditions.terminating


@pytest.mark.parametrize(
    ("how", "ready", "serving", "terminating"),
    [
        ({}, True, True, False),
        ({"ready": False}, False, False, False),
        ({"deleted": True}, False, True, True),
        ({"deleted": True, "ready": False}, False, False, True),
    ],
)
def test_conditions_say_how_a_pod_is(
    how: dict[str, Any], *, ready: bool, serving: bool, terminating: bool
) -> None:
    assert states(made(service(), **how)) == (ready, serving, terminating)
    publishing = made(service(publish_not_ready_addresses=True), **how)
    assert states(publishing) == (True, serving, terminating)


def test_an_endpoint_says_where_it_runs_and_which_pod_it_is() -> None:
    found = made(service(), family="IPv6")

    assert found.addresses == ("fd00::1",)
    assert (found.node_name, found.zone) == ("n1", "a")
    assert found.target_ref is not None
    assert (found.target_ref.kind, found.target_ref.name) == ("Pod", "a")
    assert made(service(), hostname="a-0", subdomain="web").hostname == "a-0"
    assert made(service(), hostname="a-0", subdomain="other").hostname == ""


@pytest.mark.parametrize(
    "how",
    [{"ips": ()}, {"phase": "Succeeded"}, {"phase": "Failed"}, {"ips": ("fd00::1",)}],
)
def test_a_pod_without_an_address_of_the_family_or_that_has_ended_is_none(
    how: dict[str, Any],
) -> None:
    one = pod("a", "n1", **{"ips": ("10.0.0.1",), **how})

    assert endpoint_of(service(), one, ZONED, "IPv4") is None


def test_a_pod_whose_node_is_gone_is_none_unless_all_addresses_are_published() -> None:
    one = pod("a", "n1", ips=("10.0.0.1",))

    assert endpoint_of(service(), one, None, "IPv4") is None
    assert made(service(publish_not_ready_addresses=True), on=None).zone == ""


@pytest.mark.parametrize(
    ("wanted", "annotations", "hints"),
    [
        ("", {}, None),
        ("PreferClose", {}, EndpointHints((Hint("a"),))),
        ("PreferSameZone", {}, EndpointHints((Hint("a"),))),
        ("PreferSameNode", {}, EndpointHints((Hint("a"),), (Hint("n1"),))),
        ("PreferClose", {"service.kubernetes.io/topology-mode": "Auto"}, None),
        (
            "PreferClose",
            {
                "service.kubernetes.io/topology-mode": "Auto",
                "service.kubernetes.io/topology-aware-hints": "Disabled",
            },
            EndpointHints((Hint("a"),)),
        ),
    ],
)
def test_hints_follow_traffic_distribution(
    wanted: str, annotations: dict[str, str], hints: EndpointHints | None
) -> None:
    asking = service(traffic_distribution=wanted, annotations=annotations)

    assert made(asking).hints == hints
    assert made(asking, ready=False).hints is None
    on_node = made(asking, on=node("n1")).hints
    assert on_node == (EndpointHints((), (Hint("n1"),)) if wanted == "PreferSameNode" else None)


def test_a_named_port_is_looked_up_in_each_pod() -> None:
    named = service(
        ServicePort(port=80, name="web", target_port="http", app_protocol="h2c"),
        ServicePort(port=53, name="dns", protocol="UDP", target_port="http"),
        ServicePort(port=90, name="plain"),
    )

    def on(port: int, *, sidecar: bool = False) -> tuple[EndpointPort, ...]:
        declared = (ContainerPort(port, name="http"),)
        each = Container("c", ports=declared, restart_policy="Always" if sidecar else "")
        spec: dict[str, Any] = {"init_containers" if sidecar else "containers": (each,)}
        return ports_of(named, pod("a", "n1", **spec))

    plain = EndpointPort("plain", "TCP", 90)
    assert on(8080) == (EndpointPort("web", "TCP", 8080, "h2c"), plain), "of the protocol alone"
    assert on(9090, sidecar=True) == (EndpointPort("web", "TCP", 9090, "h2c"), plain)
