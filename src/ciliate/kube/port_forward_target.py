"""Which pod of a Service a forwarded connection goes to, and which of its ports.

As for whoever is in the cluster: a pod that its Service's selector names, ready and not about to end.
Its port is the one that stands behind the Service's, which may be named in the pod alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ciliate.api.core import PODS, Pod
from ciliate.api.resource import ObjectKey
from ciliate.api.service import SERVICES, Service, ServicePort
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient

#: Pods that an error tells of.
_TOLD_MAX = 4


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """A pod that is ready, and the port of it."""

    namespace: str
    pod: str
    port: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}:{self.port}"


class NotForwardableError(CiliateError):
    """A Service has nothing that a connection could be forwarded to, whatever its pods do."""

    def __init__(self, service: ObjectKey, problem: str) -> None:
        self.service = service
        super().__init__(f"Service {'/'.join(service)} cannot be forwarded to: {problem}")


class NoReadyPodError(CiliateError):
    """No pod behind a Service is ready; the next moment one may be."""

    def __init__(self, service: ObjectKey, problem: str) -> None:
        self.service = service
        super().__init__(f"Service {'/'.join(service)} has no ready pod: {problem}")


async def ready_targets(
    client: ApiClient, service: ObjectKey, port: int = 0
) -> Sequence[ForwardTarget]:
    """Return where connections to a port of a Service may go, one at least; 0 is its first port.

    Raises:
        NotFoundError: There is no such Service.
        NotForwardableError: It has no such port, or names no pods.
        NoReadyPodError: None is ready.
        KubeError: Refused or unreachable.
    """
    namespace, name = service
    found = await client.get(SERVICES, name, namespace=namespace)
    wanted = service_port(found, port)
    if not found.spec.selector:
        problem = "it has no selector, so its pods are not known"
        raise NotForwardableError(service, problem)
    selector = ",".join(f"{key}={value}" for key, value in found.spec.selector.items())
    pods = await client.list(PODS, namespace=namespace, label_selector=selector)
    return choose(service, wanted, selector, pods.items)


def service_port(service: Service, port: int) -> ServicePort:
    """Return a Service's port by its number, or its first.

    Raises:
        NotForwardableError: It has no such port over TCP.
    """
    key = (service.metadata.namespace, service.metadata.name)
    offered = [each for each in service.spec.ports if each.protocol == "TCP"]
    for each in offered:
        if port in (0, each.port):
            return each
    known = ", ".join(str(each.port) for each in offered)
    if not known:
        raise NotForwardableError(key, "it has no TCP port, and only those can be forwarded")
    raise NotForwardableError(key, f"it has no TCP port {port}; it has: {known}")


def choose(
    service: ObjectKey, port: ServicePort, selector: str, pods: Iterable[Pod]
) -> Sequence[ForwardTarget]:
    """Return the pods that are ready, with the number of the port in each, in the order of names.

    Raises:
        NoReadyPodError: There is none.
        NotForwardableError: None of those that are ready has the named port.
    """
    living = sorted((pod for pod in pods if not pod.status.has_ended), key=_name)
    ready = [pod for pod in living if _is_ready(pod)]
    if not ready:
        raise NoReadyPodError(service, _why(living, selector))
    numbers = [(pod, _number(pod, port)) for pod in ready]
    found = [
        ForwardTarget(pod.metadata.namespace, pod.metadata.name, number)
        for pod, number in numbers
        if number
    ]
    if not found:
        problem = f"its port {port.port} is {port.target_port!r} in pods, and {_name(ready[0])} has none of that name"
        raise NotForwardableError(service, problem)
    return found


def _name(pod: Pod) -> str:
    return pod.metadata.name


def _is_ready(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is None and any(
        each.type == "Ready" and each.status == "True" for each in pod.status.conditions
    )


def _number(pod: Pod, port: ServicePort) -> int:
    """Return the number of a Service's port in a pod; 0: none of its containers names it."""
    if isinstance(port.target_port, int):
        return port.target_port or port.port
    named = (
        each.container_port
        for container in pod.spec.containers
        for each in container.ports
        if each.name == port.target_port and each.protocol == port.protocol
    )
    return next(named, 0)


def _why(pods: Sequence[Pod], selector: str) -> str:
    if not pods:
        return f"there is no pod with the labels {selector}"
    told = [f"{_name(pod)} is {_state(pod)}" for pod in pods[:_TOLD_MAX]]
    if len(pods) > _TOLD_MAX:
        told.append(f"and {len(pods) - _TOLD_MAX} more are not ready")
    return ", ".join(told)


def _state(pod: Pod) -> str:
    if pod.metadata.deletion_timestamp is not None:
        return "ending"
    return "not ready" if pod.status.phase == "Running" else pod.status.phase or "new"
