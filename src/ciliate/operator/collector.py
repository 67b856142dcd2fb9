"""Deletes what `collection` says is left over.

Each deletion is conditional on uid and resourceVersion of what was decided upon: an object that
somebody touched or made anew meanwhile is not the one that was a leftover. A failure ends the
round; the next one decides again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NODES
from ciliate.api.metadata import KubeObject, format_micro_time
from ciliate.api.resource import Resource
from ciliate.cluster.tables import Tables
from ciliate.cluster.views import ENDPOINT_PRESENCES, POD_PRESENCES, EndpointPresence
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, KubeError, NotFoundError
from ciliate.operator.collection import (
    MARK,
    IdentityLedger,
    IdentityVerdict,
    NodeLedger,
    endpoints_without_pod,
)
from ciliate.operator.settings import CollectionSettings

T = TypeVar("T", bound=KubeObject)

#: Writes of one round (Cilium's identity-gc-rate-limit); the rest waits for the next.
WRITES_MAX: Final = 2500

_log = logging.getLogger(__name__)


class Collector:
    """Searches the tables for leftovers, each kind at its interval.

    `may_act` is asked before every write: leadership may have ended since the last.
    """

    def __init__(
        self,
        client: ApiClient,
        tables: Tables,
        settings: CollectionSettings,
        *,
        may_act: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tables = tables
        self._settings = settings
        self._may_act = may_act
        self._clock = clock
        self._nodes = NodeLedger(grace_s=settings.nodes_every_s)
        self._identities = IdentityLedger(timeout_s=settings.identity_timeout_s, began_s=clock())
        tables.endpoints.add_listener(self._note_use)

    def run(self, tasks: asyncio.TaskGroup) -> None:
        """Search for ever, in tasks of `tasks`."""
        rounds = (
            ("CiliumEndpoints", self._settings.endpoints_every_s, self.collect_endpoints),
            ("CiliumNodes", self._settings.nodes_every_s, self.collect_nodes),
            ("CiliumIdentities", self._settings.identities_every_s, self.collect_identities),
        )
        for what, every_s, search in rounds:
            if every_s > 0:
                tasks.create_task(self._repeat(what, every_s, search), name=f"collect {what}")

    async def collect_endpoints(self) -> None:
        """Delete the CiliumEndpoints whose pod is gone.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        leftovers = endpoints_without_pod(
            self._tables.endpoints.objects, self._tables.pods.objects
        )
        for endpoint in leftovers[:WRITES_MAX]:
            # The tables follow two watches, and that of the pods may lag behind.
            if await self._has_pod(endpoint):
                continue
            await self._delete(ENDPOINT_PRESENCES, endpoint, "its pod is gone")

    async def collect_nodes(self) -> None:
        """Delete the CiliumNodes that nothing else will, and whose Node is gone.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        leftovers: list[CiliumNode] = self._nodes.leftovers(
            self._tables.cilium_nodes.objects.values(),
            self._tables.nodes.objects,
            self._clock(),
        )
        for cilium_node in leftovers[:WRITES_MAX]:
            try:
                await self._client.get(NODES, cilium_node.metadata.name)
            except NotFoundError:
                await self._delete(CILIUM_NODES, cilium_node, "its node is gone")

    async def collect_identities(self) -> None:
        """Mark identities that nothing uses, delete those marked before, unmark used ones.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        now_s = self._clock()
        for endpoint in self._tables.endpoints.objects.values():
            self._identities.use(endpoint.identity, now_s)
        identities = self._tables.identities.objects
        self._identities.forget(identities)
        due = [
            (identity, verdict)
            for identity in identities.values()
            if (verdict := self._identities.verdict(identity, now_s)) is not IdentityVerdict.KEEP
        ]
        for identity, verdict in due[:WRITES_MAX]:
            if verdict is IdentityVerdict.DELETE:
                await self._delete(CILIUM_IDENTITIES, identity, "unused since it was marked")
            else:
                await self._mark(identity, marked=verdict is IdentityVerdict.MARK)

    async def _repeat(
        self, what: str, every_s: float, search: Callable[[], Awaitable[None]]
    ) -> None:
        while True:
            if self._tables.current:
                try:
                    await search()
                except KubeError as error:
                    _log.warning("collecting %s: %s; the rest waits", what, error)
            else:
                _log.warning("collecting %s: left out, a watch is interrupted", what)
            # A little less at random, so that searches do not run in step.
            await asyncio.sleep(every_s * random.uniform(0.9, 1.0))

    def _note_use(self, old: EndpointPresence | None, new: EndpointPresence | None) -> None:
        # The end of a use counts as one: the grace time begins there.
        for endpoint in (old, new):
            if endpoint is not None:
                self._identities.use(endpoint.identity, self._clock())

    async def _has_pod(self, endpoint: EndpointPresence) -> bool:
        meta = endpoint.metadata
        try:
            pod = await self._client.get(POD_PRESENCES, meta.name, namespace=meta.namespace)
        except NotFoundError:
            return False
        return not pod.ended

    async def _delete(self, resource: Resource[T], item: T, reason: str) -> None:
        meta = item.metadata
        if not self._may_act():
            return
        label = "/".join(filter(None, (meta.namespace, meta.name)))
        try:
            await self._client.delete(
                resource,
                meta.name,
                namespace=meta.namespace,
                uid=meta.uid,
                resource_version=meta.resource_version,
            )
        except NotFoundError:
            return
        except ConflictError:
            _log.info("%s %s kept: changed meanwhile", resource.kind, label)
        else:
            _log.info("%s %s deleted: %s", resource.kind, label, reason)

    async def _mark(self, identity: CiliumIdentity, *, marked: bool) -> None:
        if not self._may_act():
            return
        meta = identity.metadata
        value = format_micro_time(datetime.now(UTC)) if marked else None
        body = {
            "metadata": {
                "resourceVersion": meta.resource_version,
                "annotations": {MARK: value},
            }
        }
        try:
            await self._client.patch(CILIUM_IDENTITIES, meta.name, body)
        except (NotFoundError, ConflictError):
            return  # Gone, or in somebody's hands: the next round looks again.
        action = "marked for deletion" if marked else "in use again, mark removed"
        _log.info("CiliumIdentity %s %s", meta.name, action)
