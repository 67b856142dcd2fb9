"""What pods ask of a node's processors and memory, and what is left there. Pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from ciliate.apiserver.quantities import QuantityError, amount
from ciliate.lab.objects import Container, Node, Pod

RESOURCES: Final = ("cpu", "memory")

#: What a container that asks for nothing counts as when nodes are compared, as with the real
#: scheduler: else such pods would all go to one node. In thousandths, as all amounts here.
_ASSUMED: Final = {"cpu": 100, "memory": 1000 * 200 * 1024 * 1024}
_NOTHING: Final = dict.fromkeys(RESOURCES, 0)


def requested(pod: Pod, resource: str, least: Mapping[str, int] = _NOTHING) -> int:
    """Return how much of a resource a pod asks for; `least` is for containers that do not."""
    together = sum(_of(each, resource, least) for each in pod.spec.containers)
    return max([together, *(_of(each, resource, least) for each in pod.spec.init_containers)])


def _of(container: Container, resource: str, least: Mapping[str, int]) -> int:
    asked = (container.resources.get("requests") or {}).get(resource)
    return least[resource] if asked is None else _amount(str(asked))


@lru_cache(maxsize=1024)
def _amount(text: str) -> int:
    try:
        return int(amount(text) * 1000)
    except QuantityError:
        return 0


def lacking(pod: Pod, node: Node, there: Sequence[Pod]) -> str:
    """Return the first resource of which a node has too little left for the pod, or nothing."""
    for name in sorted(_extended(pod)):
        if allocatable(node, name) is None:
            return name  # A device or the like, which no node of a lab has.
    for resource in RESOURCES:
        wanted = requested(pod, resource)
        offered = allocatable(node, resource)
        if wanted and offered is not None:
            taken = sum(requested(each, resource) for each in there)
            if wanted > offered - taken:
                return resource
    return ""


def _extended(pod: Pod) -> set[str]:
    """Return what a pod asks for besides processors, memory and disk."""
    return {
        name
        for container in (*pod.spec.init_containers, *pod.spec.containers)
        for kind in ("requests", "limits")
        for name in container.resources.get(kind) or {}
        if "/" in name or name.startswith("hugepages-")
    }


def allocatable(node: Node, resource: str) -> int | None:
    """Return what a node has for pods; None: it does not say."""
    known: Mapping[str, object] = node.status.get("allocatable") or {}
    return _amount(str(known[resource])) if resource in known else None


def left_percent(node: Node, there: Sequence[Pod]) -> float:
    """Return how much a node has left in the mean of its resources: LeastAllocated's score."""
    shares = []
    for resource in RESOURCES:
        offered = allocatable(node, resource)
        if offered:
            taken = sum(requested(pod, resource, _ASSUMED) for pod in there)
            shares.append(max((offered - taken) / offered, 0.0))
    return 100.0 * sum(shares) / len(shares) if shares else 0.0
