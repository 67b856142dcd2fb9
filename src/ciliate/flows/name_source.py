"""The names that the agent knows, as the flow server is told them."""

import time
from collections.abc import Callable, Iterator

from ciliate.api.cilium_identity import CiliumIdentity, label_texts
from ciliate.api.resource import ObjectKey
from ciliate.api.workload import workload_of
from ciliate.flows.feed import IdentityLabels, Line, PodGone, PodName
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.known_pod import KnownPod
from ciliate.reconcile.listeners import Listeners

#: By the clock of events.
Clock = Callable[[], int]


class NameSource:
    """Pods of this node and of others, and identities; `changed` gets each line that follows."""

    def __init__(self, context: Context, *, clock: Clock = time.monotonic_ns) -> None:
        self.changed: Listeners[Line] = Listeners()
        self._context = context
        self._clock = clock

    def listen(self) -> None:
        """Follow what changes, from now on."""
        self._context.endpoints.listen(self._endpoint_changed)
        self._context.cluster.known_pods.add_listener(self._pod_changed)
        self._context.cluster.identities.add_listener(self._identity_changed)

    def all(self) -> Iterator[Line]:
        """Yield every name there is now; who is told them anew has forgotten the others."""
        for identity in tuple(self._context.cluster.identities.objects.values()):
            yield from _identity_lines(identity)
        for key, known in tuple(self._context.cluster.known_pods.pods.items()):
            if self._is_elsewhere(known):
                yield _remote_pod(key, known, since_ns=0)
        for endpoint in self._context.endpoints:
            if endpoint.is_connected:
                yield self._local_pod(endpoint, since_ns=0)

    def _endpoint_changed(self, old: Endpoint | None, new: Endpoint | None) -> None:
        was, stays = old is not None and old.is_connected, new is not None and new.is_connected
        if new is not None and stays:
            self.changed(self._local_pod(new, since_ns=self._clock()))
        elif old is not None and was:
            self.changed(PodGone(key=_local_key(old), at_ns=self._clock()))

    def _pod_changed(self, key: ObjectKey, old: KnownPod | None, new: KnownPod | None) -> None:
        if new is not None and self._is_elsewhere(new):
            self.changed(_remote_pod(key, new, since_ns=self._clock()))
        elif old is not None and self._is_elsewhere(old):
            self.changed(PodGone(key=_remote_key(key), at_ns=self._clock()))

    def _identity_changed(self, _old: CiliumIdentity | None, new: CiliumIdentity | None) -> None:
        for line in _identity_lines(new):
            self.changed(line)

    def _is_elsewhere(self, known: KnownPod) -> bool:
        """Whether another node has the pod: of those here the endpoints tell."""
        return not self._context.cluster.own.has(known.node)

    def _local_pod(self, endpoint: Endpoint, *, since_ns: int) -> PodName:
        pod = self._context.cluster.pods.get(endpoint.pod, endpoint.namespace)
        kind, name = workload_of(pod.metadata) if pod is not None else ("", "")
        return PodName(
            key=_local_key(endpoint),
            since_ns=since_ns,
            addresses=endpoint.octets,
            namespace=endpoint.namespace,
            pod=endpoint.pod,
            identity=endpoint.identity,
            endpoint=endpoint.id,
            labels=tuple(sorted(endpoint.labels)),
            workload_kind=kind,
            workload=name,
            uid=endpoint.pod_uid,
        )


def _local_key(endpoint: Endpoint) -> str:
    return f"endpoint {endpoint.id}"


def _remote_key(key: ObjectKey) -> str:
    return f"pod {key[0]}/{key[1]}"


def _remote_pod(key: ObjectKey, known: KnownPod, *, since_ns: int) -> PodName:
    return PodName(
        key=_remote_key(key),
        since_ns=since_ns,
        addresses=known.addresses,
        namespace=key[0],
        pod=key[1],
        identity=known.identity,
    )


def _identity_lines(identity: CiliumIdentity | None) -> Iterator[IdentityLabels]:
    """Yield what an identity's labels are, where its name is a number."""
    if identity is None or not identity.metadata.name.isdecimal():
        return
    number = int(identity.metadata.name)
    yield IdentityLabels(number=number, labels=label_texts(identity.security_labels))
