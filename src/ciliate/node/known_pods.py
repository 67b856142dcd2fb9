"""The pods of the cluster, by name, by address and by node.

A cluster has many pods, and CiliumEndpoints are written often: each is read once, when it changes,
and kept as the octets the datapath works with. Listeners get the pod's name and its value before
and after.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.resource import ObjectKey
from ciliate.kube.informer import Informer
from ciliate.net.owner_index import OwnerIndex
from ciliate.node.known_pod import KnownPod, known_pod
from ciliate.reconcile.listeners import Listeners

_log = logging.getLogger(__name__)

#: Called with a pod's namespace and name, and what was known of it before and is now.
PodListener = Callable[[ObjectKey, KnownPod | None, KnownPod | None], object]


class KnownPods:
    """The pods that have a CiliumEndpoint, by name, by address and by node."""

    def __init__(self, informer: Informer[CiliumEndpoint]) -> None:
        self._pods: dict[ObjectKey, KnownPod] = {}
        self._owners: OwnerIndex[bytes, ObjectKey] = OwnerIndex()
        self._by_node: dict[bytes, set[ObjectKey]] = {}
        self._listeners: Listeners[ObjectKey, KnownPod | None, KnownPod | None] = Listeners()
        informer.add_listener(self._changed)

    @property
    def pods(self) -> Mapping[ObjectKey, KnownPod]:
        """Every pod; live."""
        return MappingProxyType(self._pods)

    def addresses(self) -> Iterator[bytes]:
        """Return every address that a pod has."""
        return iter(self._owners)

    def at(self, address: bytes) -> KnownPod | None:
        """Return the pod that has an address; of several, the latest."""
        owner = self._owners.get(address)
        return self._pods[owner] if owner is not None else None

    def on_node(self, node: bytes) -> tuple[ObjectKey, ...]:
        """Return the pods of the node that has this address."""
        return tuple(self._by_node.get(node, ()))

    def add_listener(self, listener: PodListener) -> None:
        """Call `listener` on every change, and now for every pod already known."""
        self._listeners.add(listener)
        for key, known in tuple(self._pods.items()):
            listener(key, None, known)

    def _changed(self, old: CiliumEndpoint | None, new: CiliumEndpoint | None) -> None:
        endpoint = new or old
        assert endpoint is not None, "a change has a before or an after"
        key = (endpoint.metadata.namespace, endpoint.metadata.name)
        before = self._pods.get(key)
        after = _read(new) if new is not None else None
        if before == after:
            return
        if before is not None:
            self._take_out(key, before)
        if after is not None:
            self._enter(key, after)
        self._listeners(key, before, after)

    def _enter(self, key: ObjectKey, known: KnownPod) -> None:
        self._pods[key] = known
        self._by_node.setdefault(known.node, set()).add(key)
        for address in known.addresses:
            self._owners.add(address, key)

    def _take_out(self, key: ObjectKey, known: KnownPod) -> None:
        del self._pods[key]
        for address in known.addresses:
            self._owners.remove(address, key)
        on_node = self._by_node[known.node]
        on_node.discard(key)
        if not on_node:
            del self._by_node[known.node]


def _read(endpoint: CiliumEndpoint) -> KnownPod | None:
    try:
        return known_pod(endpoint)
    except ValueError as error:
        meta = endpoint.metadata
        _log.warning("CiliumEndpoint %s/%s is left out: %s", meta.namespace, meta.name, error)
        return None
