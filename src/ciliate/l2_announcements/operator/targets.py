"""The Leases of Services that no policy selects any more, as a reconciler removes them."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from ciliate.api.coordination import LEASES, Lease
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.l2_announcements.lease_names import PREFIX
from ciliate.reconcile.target import Failures, one_by_one


class LeaseTarget:
    """Leases by name: nodes make them, this removes those that are in no use."""

    name: Final = "l2 announcement leases"

    def __init__(
        self,
        client: ApiClient,
        table: Informer[Lease],
        namespace: str,
        wanted: Callable[[], Collection[str] | None],
        *,
        may_act: Callable[[], bool],
    ) -> None:
        self._client = client
        self._table = table
        self._namespace = namespace
        self._wanted = wanted
        self._may_act = may_act

    def desired(self) -> Mapping[str, bool] | None:
        """Return the Leases that stay; None while that is not known, or not ours to say."""
        wanted = self._wanted() if self._may_act() and self._table.has_synced else None
        return (
            {name: True for name in self._names() if name in wanted}
            if wanted is not None
            else None
        )

    async def observe(self) -> Mapping[str, bool]:
        """Return the Leases that are there."""
        return dict.fromkeys(self._names(), True)

    async def put(self, entries: Mapping[str, bool]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: nodes make them."""
        return {}

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Delete Leases."""
        return await one_by_one(keys, self._remove)

    async def last_writer(self, key: str) -> str:
        """Return who wrote to a Lease last, as the API server notes it."""
        return await find_last_writer(self._client, LEASES, (self._namespace, key))

    def _names(self) -> list[str]:
        names = (each.metadata.name for each in self._table.objects.values())
        return [name for name in names if name.startswith(PREFIX)]

    async def _remove(self, name: str) -> None:
        found = self._table.get(name, self._namespace)
        if found is None:
            return
        try:
            await self._client.delete(
                LEASES, name, namespace=self._namespace, uid=found.metadata.uid
            )
        except (NotFoundError, ConflictError):
            return  # Gone, or another: the table will say so.
