from typing import Any

import msgspec
from tests.unit.lab.kubelet.pod_samples import container_of, pod_of

from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.lab.kubelet.service_links import SERVICE_BYTES_MAX, service_variables

API_SERVER: dict[str, Any] = {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}
#: What the real kubelet sets in every container of a cluster with this range.
OF_THE_API_SERVER = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
}


def services_of(**specs: dict[str, Any]) -> dict[ObjectKey, Service]:
    """Services by NAMESPACE__NAME, an underscore for a hyphen, and their fields."""
    found = {}
    for place, spec in specs.items():
        namespace, _, name = place.partition("__")
        meta = {"name": name.replace("_", "-"), "namespace": namespace}
        service = msgspec.convert({"metadata": meta, "spec": spec}, Service)
        found[namespace, service.metadata.name] = service
    return found


def variables(services: dict[ObjectKey, Service], **spec: Any) -> dict[str, str]:
    """What a pod of namespace `shop` is told."""
    return service_variables(services, pod_of(container_of(), **spec))


def test_every_pod_is_told_of_the_api_servers_service() -> None:
    services = services_of(default__kubernetes=API_SERVER)

    assert variables(services) == OF_THE_API_SERVER
    assert variables(services, enableServiceLinks=False) == OF_THE_API_SERVER


def test_ipv6_address_stands_in_brackets_in_urls_alone() -> None:
    found = variables(services_of(default__kubernetes=API_SERVER | {"clusterIP": "fd00:10:96::1"}))

    assert found["KUBERNETES_SERVICE_HOST"] == "fd00:10:96::1"
    assert found["KUBERNETES_PORT"] == "tcp://[fd00:10:96::1]:443"
    assert found["KUBERNETES_PORT_443_TCP_ADDR"] == "fd00:10:96::1"


def test_service_of_the_pods_namespace_is_told_port_by_port() -> None:
    ports = [
        {"name": "web", "port": 80},
        {"name": "dns-udp", "port": 53, "protocol": "UDP"},
    ]
    spec = {"clusterIP": "10.96.7.7", "ports": ports}

    assert variables(services_of(shop__my_web=spec)) == {
        "MY_WEB_SERVICE_HOST": "10.96.7.7",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_WEB": "80",
        "MY_WEB_SERVICE_PORT_DNS_UDP": "53",
        "MY_WEB_PORT": "tcp://10.96.7.7:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.96.7.7:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.96.7.7",
        "MY_WEB_PORT_53_UDP": "udp://10.96.7.7:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.96.7.7",
    }


def test_services_of_other_namespaces_and_without_an_address_are_not_told() -> None:
    services = services_of(
        other__web={"clusterIP": "10.96.7.7", "ports": [{"port": 80}]},
        shop__headless={"clusterIP": "None", "ports": [{"port": 80}]},
        shop__alias={"type": "ExternalName", "externalName": "example.com"},
    )

    assert variables(services) == {}


def test_pod_may_do_without_those_of_its_namespace() -> None:
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}

    assert variables(services_of(shop__web=spec), enableServiceLinks=False) == {}


def test_namespaces_own_service_counts_more_than_the_api_servers_of_its_name() -> None:
    own = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    services = services_of(default__kubernetes=API_SERVER, shop__kubernetes=own)

    assert set(variables(services).values()) == {"10.96.7.7", "80", "tcp", "tcp://10.96.7.7:80"}
    assert variables(services, enableServiceLinks=False) == OF_THE_API_SERVER


def test_no_variable_begins_with_a_digit() -> None:
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}

    assert variables(services_of(shop__3com=spec))["_3COM_SERVICE_HOST"] == "10.96.7.7"


def test_of_very_many_services_those_are_told_that_there_is_room_for() -> None:
    """A container is asked for in one message of 128 KiB, its variables among the rest."""
    spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
    many = {f"shop__s{number}": spec for number in range(10_000, 15_000)}
    services = services_of(**many, default__kubernetes=API_SERVER)

    found = variables(services)

    assert SERVICE_BYTES_MAX * 0.9 < sum(map(len, [*found, *found.values()])) <= SERVICE_BYTES_MAX
    assert found.items() >= OF_THE_API_SERVER.items()
    assert "S10000_SERVICE_HOST" in found
    assert "S14999_SERVICE_HOST" not in found
