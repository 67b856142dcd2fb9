"""`lab/controllers/endpoints.py`: the older form of EndpointSlices."""

from tests.unit.lab.controllers.pod_samples import pod

from ciliate.api.metadata import ObjectMeta
from ciliate.api.service import Service, ServicePort, ServiceSpec
from ciliate.lab.controllers.endpoints import ADDRESSES_MAX, OVER_CAPACITY, endpoints_of
from ciliate.lab.objects import Pod

WEB = Service(
    metadata=ObjectMeta(name="web", namespace="default", uid="s"),
    spec=ServiceSpec(
        selector={"app": "web"},
        ports=(ServicePort(port=80, target_port=80),),
        ip_families=("IPv4",),
    ),
)


def web(name: str, *ips: str, ready: bool = True, deleted: bool = False) -> Pod:
    return pod(name, "n1", ready=ready, deleted=deleted, labels={"app": "web"}, ips=ips)


def test_endpoints_keep_ready_and_unready_apart() -> None:
    found = endpoints_of(WEB, [web("a", "10.0.0.1"), web("b", "10.0.0.2", ready=False)])

    (subset,) = found.subsets or ()
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.1"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert subset["ports"] == [{"protocol": "TCP", "port": 80}]


def test_service_without_pods_has_no_subsets() -> None:
    assert endpoints_of(WEB, []).subsets == ()


def test_a_terminating_pod_is_no_address_unless_all_are_published() -> None:
    pods = [web("a", "10.0.0.1", deleted=True)]
    publishing = Service(
        metadata=WEB.metadata,
        spec=ServiceSpec(
            ports=WEB.spec.ports, ip_families=("IPv4",), publish_not_ready_addresses=True
        ),
    )

    assert endpoints_of(WEB, pods).subsets == ()
    (subset,) = endpoints_of(publishing, pods).subsets or ()
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.1"]


def test_too_many_addresses_are_cut_and_the_ready_ones_stay() -> None:
    pods = [
        web(f"p{number:04}", f"10.0.{number // 256}.{number % 256}", ready=number % 2 == 0)
        for number in range(ADDRESSES_MAX + 100)
    ]

    found = endpoints_of(WEB, pods)

    (subset,) = found.subsets or ()
    assert found.metadata.annotations == {OVER_CAPACITY: "truncated"}
    assert len(subset["addresses"]) == 550
    assert len(subset["notReadyAddresses"]) == ADDRESSES_MAX - 550
    assert endpoints_of(WEB, pods[:10]).metadata.annotations == {}
