"""Garbage collection of CiliumIdentities, as the operator runs it."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity
from ciliate.api.metadata import format_micro_time
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.cluster.garbage_collection import WRITES_MAX, collect_every, delete_unchanged
from ciliate.cluster.views import EndpointPresence
from ciliate.identity.operator.plan import MARK, IdentityUses, IdentityVerdict
from ciliate.identity.operator.settings import IdentityGCSettings
from ciliate.kube.errors import ConflictError, NotFoundError

_log = logging.getLogger(__name__)


class IdentityGC(Feature):
    """Marks the identities that no endpoint uses, and deletes those marked before."""

    name = "CiliumIdentity GC"

    def __init__(
        self,
        context: Context,
        settings: IdentityGCSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._settings = settings
        self._clock = clock
        self._uses = IdentityUses(timeout_s=settings.timeout_s, began_s=clock())
        context.tables.endpoints.add_listener(self._note_use)

    def tasks(self) -> Sequence[Task]:
        """Collect at the interval that is set."""
        interval_s = self._settings.interval_s
        return collect_every(interval_s, "CiliumIdentities", self.collect, self._context.tables)

    async def collect(self) -> None:
        """Mark identities that nothing uses, delete those marked before, unmark used ones.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        now_s = self._clock()
        for endpoint in self._context.tables.endpoints.objects.values():
            self._uses.use(endpoint.identity, now_s)
        identities = self._context.tables.identities.objects
        self._uses.forget(identities)
        due = [
            (identity, verdict)
            for identity in identities.values()
            if (verdict := self._uses.verdict(identity, now_s)) is not IdentityVerdict.KEEP
        ]
        for identity, verdict in due[:WRITES_MAX]:
            if verdict is IdentityVerdict.DELETE:
                await delete_unchanged(
                    self._context, CILIUM_IDENTITIES, identity, reason="unused since it was marked"
                )
            else:
                await self._mark(identity, marked=verdict is IdentityVerdict.MARK)

    def _note_use(self, old: EndpointPresence | None, new: EndpointPresence | None) -> None:
        # The end of a use counts as one: the grace time begins there.
        for endpoint in (old, new):
            if endpoint is not None:
                self._uses.use(endpoint.identity, self._clock())

    async def _mark(self, identity: CiliumIdentity, *, marked: bool) -> None:
        if not self._context.may_act():
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
            await self._context.client.patch(CILIUM_IDENTITIES, meta.name, body)
        except (NotFoundError, ConflictError):
            return  # Gone, or changed meanwhile: the next round decides again.
        action = "marked for deletion" if marked else "in use again, mark removed"
        _log.info("CiliumIdentity %s %s", meta.name, action)
