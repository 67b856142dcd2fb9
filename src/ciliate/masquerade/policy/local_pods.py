"""What rules select this node's pods by: labels of pod and namespace, and pools of addresses.

Out of the tables that the agent has already. A pod's labels are in the watch before its kubelet asks
for its network, most often, since both hear of it at once; where the watch is behind, the ADD waits.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ciliate.api.core import Namespace, Pod
from ciliate.kube.informer import Informer
from ciliate.masquerade.policy.classes import LocalPod, PodClasses
from ciliate.masquerade.rules import Rule, Selection
from ciliate.net.address import IPAddress
from ciliate.node.cluster import Cluster
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.listeners import Listeners

#: How long an ADD waits for the watch to show the pod; a kubelet asks again.
WAIT_S: Final = 5.0


class LocalPods:
    """The pods whose labels are known, by endpoint; `changed` is called when one's are others.

    A pod's sandbox may outlive its object: what is known of it stays as long as its endpoint.
    """

    def __init__(
        self, cluster: Cluster, endpoints: EndpointTable, pool_of: Callable[[IPAddress], str]
    ) -> None:
        self.current: dict[int, LocalPod] = {}
        self.changed: Listeners[[]] = Listeners()
        self._pods: Informer[Pod] = cluster.pods
        self._namespaces: Informer[Namespace] = cluster.namespaces
        self._endpoints = endpoints
        self._pool_of = pool_of
        self._news = asyncio.Event()
        self._classes: PodClasses | None = None  # Of the rules that were asked for last.
        endpoints.listen(self._endpoint_changed)
        self._pods.add_listener(self._pod_changed)
        self._namespaces.add_listener(self._namespace_changed)
        self.look()

    def selections(self, rules: Sequence[Rule]) -> Mapping[int, Selection]:
        """Return which rules of a list select each endpoint whose pod's labels are known."""
        if self._classes is None or self._classes.rules is not rules:
            self._classes = PodClasses(rules)
        return self._classes.selections(self.current) if self._classes else {}

    async def listed(self) -> None:
        """Wait until the labels of all pods and namespaces have been read once."""
        await self._pods.synced()
        await self._namespaces.synced()

    async def known(self, endpoint: Endpoint) -> bool:
        """Wait until the labels of an endpoint's pod are known; False: not within WAIT_S."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while endpoint.id not in self.current:
                    self._news.clear()
                    await self._news.wait()
        return endpoint.id in self.current

    def look(self) -> None:
        """Look at all anew: blocks of addresses are of other pools, maybe."""
        for endpoint in self._endpoints:
            self._look_at(endpoint)

    def _endpoint_changed(self, old: Endpoint | None, new: Endpoint | None) -> None:
        if new is not None:
            self._look_at(new)
        elif old is not None and self.current.pop(old.id, None) is not None:
            self.changed()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None or (old is not None and old.metadata.labels == new.metadata.labels):
            return
        key = new.metadata.namespace, new.metadata.name
        for endpoint in self._endpoints:
            if endpoint.pod_key == key:
                self._look_at(endpoint)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is None or (old is not None and old.metadata.labels == new.metadata.labels):
            return
        for endpoint in self._endpoints:
            if endpoint.namespace == new.metadata.name:
                self._look_at(endpoint)

    def _pool(self, endpoint: Endpoint, address: IPAddress) -> str:
        # Another plugin's range may overlap a block of ours.
        return "" if endpoint.external_ipam else self._pool_of(address)

    def _look_at(self, endpoint: Endpoint) -> None:
        pod = self._pods.get(endpoint.pod, endpoint.namespace)
        namespace = self._namespaces.get(endpoint.namespace)
        if pod is None or namespace is None:
            return
        if endpoint.pod_uid and not pod.is_known_as(endpoint.pod_uid):
            return  # Of the same name, and not this one: the watch is behind, or ahead.
        found = LocalPod(
            namespace_labels=namespace.metadata.labels,
            labels=pod.metadata.labels,
            pools={each.version: self._pool(endpoint, each) for each in endpoint.addresses},
        )
        if found != self.current.get(endpoint.id):
            self.current[endpoint.id] = found
            self._news.set()
            self.changed()
