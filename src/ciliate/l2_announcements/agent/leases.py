"""This node as a candidate for Services' Leases, one task each."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping

from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.election import LeaderElector, Timing
from ciliate.kube.errors import LeadershipLostError

_log = logging.getLogger(__name__)


class Leases:
    """Which Leases this node holds; `changed` is called when that changes."""

    def __init__(
        self,
        client: ApiClient,
        *,
        namespace: str,
        node: str,
        timing: Timing,
        changed: Callable[[], object],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._node = node
        self._timing = timing
        self._changed = changed
        self._tasks: dict[ObjectKey, tuple[str, asyncio.Task[None]]] = {}
        self.held: set[ObjectKey] = set()

    def follow(self, wanted: Mapping[ObjectKey, str], tasks: asyncio.TaskGroup) -> None:
        """Compete for these Leases, by Service, and let go of all others."""
        for key, (lease, task) in tuple(self._tasks.items()):
            if wanted.get(key) != lease:
                del self._tasks[key]
                task.cancel()
        for key, lease in wanted.items():
            if key not in self._tasks:
                task = tasks.create_task(self._compete(key, lease), name=f"lease {lease}")
                self._tasks[key] = (lease, task)

    async def _compete(self, key: ObjectKey, lease: str) -> None:
        # Spread over the period: else all Leases of a node are renewed at the same moment.
        await asyncio.sleep(random.uniform(0, self._timing.retry_s))
        while True:
            elector = LeaderElector(
                self._client,
                name=lease,
                namespace=self._namespace,
                identity=self._node,
                timing=self._timing,
            )
            try:
                await elector.run(lambda: self._hold(key))
            except LeadershipLostError as error:
                _log.warning("%s", error)

    async def _hold(self, key: ObjectKey) -> None:
        """Announce until the Lease is lost: what is done here is undone before it is released."""
        self.held.add(key)
        self._changed()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.held.discard(key)
            self._changed()
