"""Gives every endpoint the number of its pod's labels, and keeps it right when labels change.

An ADD does not wait for this: a pod whose labels are not known yet starts as `init` and gets its
identity when the API server has answered. Level-triggered: woken by any change of pods,
namespaces, identities or endpoints, it resolves all endpoints of the node anew. One that fails
pauses by itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.cilium_identity import label_texts
from ciliate.api.core import Pod
from ciliate.config.label_filter import LabelFilter
from ciliate.errors import CiliateError
from ciliate.identity.labels import PodLabels, security_labels
from ciliate.identity.registry import IdentityRegistry
from ciliate.kube.informer import Informer
from ciliate.node.cluster import Cluster
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.failing_keys import FailingKeys
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

_RESYNC_S = 60.0

#: Pods come in bursts; one pass serves them all.
_SETTLE_S = 0.02


class IdentityResolver:
    """Keeps the identities of this node's endpoints."""

    def __init__(
        self,
        cluster: Cluster,
        registry: IdentityRegistry,
        table: EndpointTable,
        store: EndpointStore,
        *,
        cluster_name: str,
        label_filter: LabelFilter,
    ) -> None:
        self.status = RunStatus("resolve-identities")
        self._cluster = cluster
        self._registry = registry
        self._table = table
        self._store = store
        self._cluster_name = cluster_name
        self._label_filter = label_filter
        self._woken = asyncio.Event()
        self._failing: FailingKeys[int] = FailingKeys(partial(Backoff, first_s=0.2, limit_s=10.0))
        table.listen(lambda _old, _new: self.wake())
        watched: tuple[Informer[Any], ...] = (
            cluster.pods,
            cluster.namespaces,
            cluster.identities,
        )
        for informer in watched:
            informer.add_listener(lambda _old, _new: self.wake())

    def wake(self) -> None:
        """Request another pass."""
        self._woken.set()

    def labels_of(self, namespace: str, name: str, uid: str) -> dict[str, str] | None:
        """Return the security-relevant labels of a pod, or None while they are not known.

        A pod of the same name with another uid is its predecessor: the watch has not caught up.
        """
        pod = self._cluster.pods.get(name, namespace)
        place = self._cluster.namespaces.get(namespace)
        if pod is None or place is None or (uid and not pod.is_known_as(uid)):
            return None
        return self._labels(pod, place.metadata.labels)

    def known(self, namespace: str, name: str, uid: str) -> tuple[int, tuple[str, ...]] | None:
        """Return number and labels of a pod if no question to the API server is needed."""
        labels = self.labels_of(namespace, name, uid)
        number = self._registry.find(labels) if labels is not None else None
        return None if labels is None or number is None else (number, label_texts(labels))

    def _labels(self, pod: Pod, namespace_labels: Mapping[str, str]) -> dict[str, str]:
        return security_labels(
            PodLabels(
                namespace=pod.metadata.namespace,
                labels=pod.metadata.labels,
                namespace_labels=namespace_labels,
                service_account=pod.spec.service_account_name,
                cluster=self._cluster_name,
            ),
            self._label_filter,
        )

    async def run(self) -> None:
        """Keep identities right until cancelled."""
        while True:
            self._woken.clear()
            await self._resolve_all()
            retry_s = self._failing.wait_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RESYNC_S if retry_s is None else retry_s):
                    await self._woken.wait()
                    await asyncio.sleep(_SETTLE_S)

    async def _resolve_all(self) -> bool:
        """Resolve every endpoint that does not pause; return whether all have their identity."""
        tried = self._failing.due()
        pausing = set(self._failing) - tried
        failures: dict[int, CiliateError] = {}
        for endpoint in self._table:
            if endpoint.id in pausing:
                continue
            tried.add(endpoint.id)
            try:
                await self._resolve(endpoint)
            except CiliateError as error:
                failures[endpoint.id] = error
        self._failing.note(tried, failures)
        self.status.failing_keys = self._failing.shown()
        if not self._failing:
            self.status.succeeded()
            return True
        message = self._failing.summary()
        if message != self.status.last_failure:
            _log.warning("identities: %s", message)
        self.status.failed(message)
        return False

    async def _resolve(self, endpoint: Endpoint) -> None:
        labels = self.labels_of(*endpoint.pod_key, endpoint.pod_uid)
        if labels is None or endpoint.state is EndpointState.DISCONNECTING:
            return
        number = self._registry.find(labels) or await self._registry.allocate(labels)
        await self._registry.claim(number)
        latest = self._table.get(endpoint.id)
        if latest is None or latest.container_id != endpoint.container_id:
            return  # It was removed while we asked.
        texts = label_texts(labels)
        pod = self._cluster.pods.get(endpoint.pod, endpoint.namespace)
        uid = latest.pod_uid or (pod.metadata.uid if pod else "")
        changed = replace(
            latest, identity=number, labels=texts, pod_uid=uid, state=EndpointState.READY
        )
        if changed != latest and latest.state is not EndpointState.DISCONNECTING:
            self._store.save(changed)
            self._table.put(changed)
