from tests.unit.lab.controllers.pod_samples import pod

from ciliate.api.core import ContainerPort
from ciliate.api.metadata import ObjectMeta
from ciliate.lab.controllers.endpoints import backends, endpoints_of, slices_of
from ciliate.lab.objects import Container, Pod, Service, ServicePort, ServiceSpec

LABELS = {"app": "web"}


def service(*ports: ServicePort, families: tuple[str, ...] = ("IPv4",)) -> Service:
    return Service(
        metadata=ObjectMeta(
            name="web", namespace="default", uid="s", labels={"app": "web", "tier": "front"}
        ),
        spec=ServiceSpec(
            selector=LABELS,
            ports=ports or (ServicePort(80, target_port=80),),
            ip_families=families,
        ),
    )


def web(name: str, *ips: str, ready: bool = True, deleted: bool = False, port: int = 0) -> Pod:
    containers = (Container("c", ports=(ContainerPort(port, name="http"),)),) if port else ()
    return pod(
        name, "n1", ready=ready, deleted=deleted, labels=LABELS, ips=ips, containers=containers
    )


def test_slice_lists_pods_with_their_conditions() -> None:
    pods = [
        web("a", "10.0.0.1"),
        web("b", "10.0.0.2", ready=False),
        web("c", "10.0.0.3", deleted=True),
    ]

    (found,) = slices_of(service(), pods).values()

    assert found.address_type == "IPv4"
    assert found.endpoints is not None
    assert [
        (e["addresses"], e["conditions"]["ready"], e["conditions"]["terminating"])
        for e in found.endpoints
    ] == [
        (["10.0.0.1"], True, False),
        (["10.0.0.2"], False, False),
        (["10.0.0.3"], False, True),
    ]
    assert found.ports == ({"name": "", "protocol": "TCP", "port": 80},)


def test_slice_carries_the_services_labels_and_name() -> None:
    (found,) = slices_of(service(), []).values()

    assert found.metadata.labels["tier"] == "front"
    assert found.metadata.labels["kubernetes.io/service-name"] == "web"
    assert found.metadata.owner_references[0].kind == "Service"


def test_each_family_has_its_slice() -> None:
    found = slices_of(service(families=("IPv4", "IPv6")), [web("a", "10.0.0.1", "fd00::1")])

    by_type = {
        each.address_type: [e["addresses"] for e in each.endpoints or ()]
        for each in found.values()
    }
    assert by_type == {"IPv4": [["10.0.0.1"]], "IPv6": [["fd00::1"]]}


def test_named_port_is_looked_up_in_each_pod() -> None:
    named = service(ServicePort(80, name="web", target_port="http"))
    pods = [web("a", "10.0.0.1", port=8080), web("b", "10.0.0.2", port=9090)]

    found = slices_of(named, pods)

    ports = sorted((each.ports or ())[0]["port"] for each in found.values())
    assert ports == [8080, 9090]


def test_same_state_gives_the_same_slices() -> None:
    pods = [web("a", "10.0.0.1"), web("b", "10.0.0.2")]

    assert slices_of(service(), pods) == slices_of(service(), pods)


def test_backends_are_selected_placed_and_alive() -> None:
    pods = [
        web("b", "10.0.0.2"),
        web("a", "10.0.0.1"),
        web("pending"),
        pod("other", "n1", labels={"app": "db"}, ips=("10.0.0.9",)),
        pod("done", "n1", labels=LABELS, ips=("10.0.0.8",), phase="Succeeded"),
    ]

    assert [each.metadata.name for each in backends(service(), pods)] == ["a", "b"]


def test_endpoints_keep_ready_and_unready_apart() -> None:
    found = endpoints_of(service(), [web("a", "10.0.0.1"), web("b", "10.0.0.2", ready=False)])

    (subset,) = found.subsets or ()
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.1"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert subset["ports"] == [{"protocol": "TCP", "port": 80}]


def test_service_without_pods_has_no_subsets() -> None:
    assert endpoints_of(service(), []).subsets == ()
