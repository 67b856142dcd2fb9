"""The Services' ranges, as the cluster's ServiceCIDRs say: no route to pods may cover them.

A cluster before Kubernetes 1.33 has no such objects, and an agent may lack the right to read them:
then claims are not compared with the ranges, which is logged once. It is asked again now and then.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ciliate.api.service_cidr import SERVICE_CIDRS, ServiceCIDR
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, KubeError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.retrying import pause_after
from ciliate.net.address import IPNetwork, ip_network
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)

#: Between two questions whether ServiceCIDRs may be read, at most.
_ASK_S: Final = 300.0


class ServiceRanges:
    """Follows the ranges; `changed` gets all of them after every change."""

    def __init__(
        self, client: ApiClient, changed: Callable[[frozenset[IPNetwork]], object]
    ) -> None:
        self._client = client
        self._changed = changed
        self._of_objects: dict[str, frozenset[IPNetwork]] = {}

    async def run(self) -> None:
        """Follow them until cancelled."""
        await self._readable()
        ranges: Informer[ServiceCIDR] = Informer(
            self._client, SERVICE_CIDRS, on_change=self._object_changed
        )
        await ranges.run()

    async def _readable(self) -> None:
        pause, told = Backoff(first_s=1.0, limit_s=_ASK_S), False
        while True:
            try:
                await self._client.get_json(SERVICE_CIDRS.path(), params={"limit": "1"})
            except (NotFoundError, ForbiddenError) as error:
                if not told:
                    _log.warning("pod CIDRs are not compared with the Services' range: %s", error)
                told = True
                await asyncio.sleep(pause.next())
            except KubeError as error:
                await asyncio.sleep(pause_after(error, pause))
            else:
                return

    def _object_changed(self, old: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        if old is not None:
            self._of_objects.pop(old.metadata.name, None)
        if new is not None:
            self._of_objects[new.metadata.name] = frozenset(_readable_ranges(new))
        self._changed(frozenset().union(*self._of_objects.values()))


def _readable_ranges(found: ServiceCIDR) -> list[IPNetwork]:
    ranges = []
    for text in found.spec.cidrs:
        try:
            ranges.append(ip_network(text))
        except ValueError as error:
            _log.warning("ServiceCIDR %s: %s", found.metadata.name, error)
    return ranges
