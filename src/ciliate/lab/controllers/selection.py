"""Which Services select a pod, and which pods a Service, without asking every one of them.

Both are found by a pair of label and value: a change of one pod then costs its labels, and not the
number of Services in its namespace.
"""

from collections import defaultdict
from collections.abc import Iterator

from ciliate.api.label_selectors import matches_all
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.kube.informer import Informer
from ciliate.lab.objects import Pod

#: Namespace, label, value.
_Pair = tuple[str, str, str]


class Selection:
    """Services and pods as watched; made before those that ask it in their listeners."""

    def __init__(self, services: Informer[Service], pods: Informer[Pod]) -> None:
        self._services = services
        self._pods = pods
        #: By the first pair of its selector: whoever is selected has it.
        self._services_by: dict[_Pair, set[ObjectKey]] = defaultdict(set)
        self._pods_by: dict[_Pair, set[ObjectKey]] = defaultdict(set)
        services.add_listener(self._service_changed)
        pods.add_listener(self._pod_changed)

    def services(self, pod: Pod) -> Iterator[ObjectKey]:
        """Yield the Services that select a pod."""
        for pair in _label_pairs(pod):
            for key in self._services_by.get(pair, ()):
                service = self._services.objects[key]
                if matches_all(service.spec.selector, pod.metadata.labels):
                    yield key

    def pods(self, service: Service) -> list[Pod]:
        """Return the pods that a Service selects, by name."""
        pairs = _selector_pairs(service)
        if not pairs:
            return []
        fewest = min((self._pods_by.get(pair, set()) for pair in pairs), key=len)
        found = [self._pods.objects[key] for key in sorted(fewest)]
        return [pod for pod in found if selects(service, pod)]

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        for service, is_there in ((old, False), (new, True)):
            pairs = _selector_pairs(service) if service is not None else []
            if service is not None and pairs:
                key = (service.metadata.namespace, service.metadata.name)
                _set_member(self._services_by, pairs[0], key, is_there=is_there)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        for pod, is_there in ((old, False), (new, True)):
            for pair in _label_pairs(pod) if pod is not None else ():
                assert pod is not None
                key = (pod.metadata.namespace, pod.metadata.name)
                _set_member(self._pods_by, pair, key, is_there=is_there)


def selects(service: Service, pod: Pod) -> bool:
    """Whether a Service selects a pod; without a selector it selects none."""
    selector = service.spec.selector
    same = service.metadata.namespace == pod.metadata.namespace
    return bool(selector) and same and matches_all(selector, pod.metadata.labels)


def _label_pairs(pod: Pod) -> list[_Pair]:
    return [(pod.metadata.namespace, key, value) for key, value in pod.metadata.labels.items()]


def _selector_pairs(service: Service) -> list[_Pair]:
    namespace = service.metadata.namespace
    return [(namespace, key, value) for key, value in sorted(service.spec.selector.items())]


def _set_member(
    table: dict[_Pair, set[ObjectKey]], pair: _Pair, key: ObjectKey, *, is_there: bool
) -> None:
    if is_there:
        table[pair].add(key)
        return
    table[pair].discard(key)
    if not table[pair]:
        del table[pair]
