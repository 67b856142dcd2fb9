"""The Services' ranges, as the cluster's ServiceCIDRs say: no route to pods may cover them.

A cluster before Kubernetes 1.33 has no such objects, and an agent may lack the right to read them:
then claims are not compared with the ranges, which is logged once. It is asked again now and then.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ciliate.api.service_cidr import SERVICE_CIDRS, ServiceCIDR, service_ranges
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.kube.listable import list_refusal
from ciliate.net.address import IPNetwork
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)

#: Between two questions whether ServiceCIDRs may be read.
_ASK_FIRST_S: Final = 1.0
_ASK_LIMIT_S: Final = 300.0

#: A start waits so long for the ranges: the API server that has just listed the nodes has them in
#: milliseconds, and pods must not wait for one that does not.
_START_S: Final = 5.0


class ServiceRanges:
    """Follows the ranges; `changed` gets all of them after every change."""

    def __init__(
        self, client: ApiClient, changed: Callable[[frozenset[IPNetwork]], object]
    ) -> None:
        self._client = client
        self._changed = changed
        self._of_objects: dict[str, frozenset[IPNetwork]] = {}
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Follow them until cancelled."""
        await self._readable()
        ranges: Informer[ServiceCIDR] = Informer(
            self._client, SERVICE_CIDRS, on_change=self._object_changed
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ranges.run(), name=f"watch {ranges.name}")
            await ranges.synced()
            self._answered.set()

    async def answered(self) -> None:
        """Wait until the ranges are known, or known not to be had; `_START_S` at most."""
        try:
            async with asyncio.timeout(_START_S):
                await self._answered.wait()
        except TimeoutError:
            _log.warning(
                "ServiceCIDRs are not known after %g s: pod CIDRs are compared with the Services'"
                " range once they are",
                _START_S,
            )

    async def _readable(self) -> None:
        pause, told = Backoff(first_s=_ASK_FIRST_S, limit_s=_ASK_LIMIT_S), False
        while (refusal := await list_refusal(self._client, SERVICE_CIDRS)) is not None:
            self._answered.set()
            if not told:
                _log.warning("pod CIDRs are not compared with the Services' range: %s", refusal)
            told = True
            await asyncio.sleep(pause.next())

    def _object_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        if old is not None:
            self._of_objects.pop(old.metadata.name, None)
        if new is not None:
            ranges, unreadable = service_ranges(new)
            for problem in unreadable:
                _log.warning("%s", problem)
            self._of_objects[new.metadata.name] = frozenset(ranges)
        self._changed(frozenset().union(*self._of_objects.values()))
