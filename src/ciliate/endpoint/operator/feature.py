"""Garbage collection of CiliumEndpoints, as the operator runs it."""

from collections.abc import Sequence

from ciliate.cluster.context import Context
from ciliate.cluster.feature import Feature, Task
from ciliate.cluster.garbage_collection import WRITES_MAX, collect_every, delete_unchanged
from ciliate.cluster.views import ENDPOINT_PRESENCES, POD_PRESENCES, EndpointPresence
from ciliate.endpoint.operator.plan import endpoints_without_pod
from ciliate.endpoint.operator.settings import EndpointGCSettings
from ciliate.kube.errors import NotFoundError


class EndpointGC(Feature):
    """Deletes the CiliumEndpoints whose pod is gone."""

    name = "CiliumEndpoint GC"

    def __init__(self, context: Context, settings: EndpointGCSettings) -> None:
        self._context = context
        self._settings = settings

    def tasks(self) -> Sequence[Task]:
        """Collect at the interval that is set."""
        interval_s = self._settings.interval_s
        return collect_every(interval_s, "CiliumEndpoints", self.collect, self._context.tables)

    async def collect(self) -> None:
        """Delete what is garbage now.

        Raises:
            KubeError: A request failed; the rest waits for the next round.
        """
        tables = self._context.tables
        garbage = endpoints_without_pod(tables.endpoints.objects, tables.pods.objects)
        for endpoint in garbage[:WRITES_MAX]:
            # The tables follow two watches, and that of the pods may lag behind.
            if await self._has_pod(endpoint):
                continue
            await delete_unchanged(
                self._context, ENDPOINT_PRESENCES, endpoint, reason="its pod is gone"
            )

    async def _has_pod(self, endpoint: EndpointPresence) -> bool:
        meta = endpoint.metadata
        try:
            pod = await self._context.client.get(
                POD_PRESENCES, meta.name, namespace=meta.namespace
            )
        except NotFoundError:
            return False
        return not pod.ended
