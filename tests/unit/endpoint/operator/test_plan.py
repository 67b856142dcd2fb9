from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import ObjectKey
from ciliate.cluster.views import EndpointPresence, PodPhase, PodPresence
from ciliate.endpoint.operator.plan import endpoints_without_pod


def endpoint(name: str) -> EndpointPresence:
    return EndpointPresence(metadata=ObjectMeta(name=name, namespace="shop"))


def pod(name: str, phase: str = "Running") -> PodPresence:
    meta = ObjectMeta(name=name, namespace="shop")
    return PodPresence(metadata=meta, status=PodPhase(phase))


def garbage_beside(pods: list[PodPresence]) -> list[str]:
    endpoints = {("shop", name): endpoint(name) for name in ("web", "job")}
    found = endpoints_without_pod(endpoints, {("shop", p.metadata.name): p for p in pods})
    return [item.metadata.name for item in found]


def test_an_endpoint_with_its_pod_stays() -> None:
    assert garbage_beside([pod("web"), pod("job", "Pending")]) == []


def test_an_endpoint_without_its_pod_is_garbage() -> None:
    assert garbage_beside([pod("web")]) == ["job"]


def test_the_endpoint_of_a_finished_pod_is_garbage() -> None:
    assert garbage_beside([pod("web"), pod("job", "Succeeded")]) == ["job"]


def test_a_pod_of_that_name_in_another_namespace_does_not_count() -> None:
    pods: dict[ObjectKey, PodPresence] = {("elsewhere", "web"): pod("web")}

    assert endpoints_without_pod({("shop", "web"): endpoint("web")}, pods) == [endpoint("web")]
