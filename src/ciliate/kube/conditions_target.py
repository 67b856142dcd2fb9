"""The conditions of all objects of a kind, as a target that a reconciler keeps right.

They are observed in a table, which follows the API. A write is on condition that the object is still
as the table has it; of one that has changed meanwhile the table will tell.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from ciliate.api.conditions import Verdict, shown_conditions, written
from ciliate.api.metadata import Condition, KubeObject
from ciliate.api.resource import Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.reconcile.target import Failures, one_by_one


class _Status(Protocol):
    @property
    def conditions(self) -> tuple[Condition, ...]: ...


class Judged(KubeObject, Protocol):
    """An object of the cluster's whose status has conditions."""

    @property
    def status(self) -> _Status:
        """Its status."""
        ...


T = TypeVar("T", bound=Judged)


class ConditionsTarget(Generic[T]):
    """What the objects say of themselves, by name."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource[T],
        table: Informer[T],
        kinds: tuple[str, ...],
        desired: Callable[[], Mapping[str, Verdict] | None],
        *,
        may_act: Callable[[], bool],
    ) -> None:
        """Keep the conditions `kinds` at what `desired` says, which is None while it is not known."""
        self.name = f"conditions of {resource.kind}s"
        self._client = client
        self._resource = resource
        self._table = table
        self._kinds = kinds
        self._desired = desired
        self._may_act = may_act
        self._left_alone: set[str] = set()

    @property
    def left_alone(self) -> Collection[object]:
        """The objects that the last put found as they should be."""
        return self._left_alone

    def desired(self) -> Mapping[str, Verdict] | None:
        """Return what they should say; None while that is not known, or not ours to say."""
        return self._desired() if self._may_act() else None

    async def observe(self) -> Mapping[str, Verdict]:
        """Return what those say that say everything."""
        found = (
            (each.metadata.name, shown_conditions(each.status.conditions, self._kinds))
            for each in self._table.objects.values()
        )
        return {name: verdict for name, verdict in found if verdict is not None}

    async def put(self, entries: Mapping[str, Verdict]) -> Failures[str]:
        """Have them say that."""
        self._left_alone = set()
        return await one_by_one(entries, lambda name: self._put(name, entries[name]))

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: an object that is gone says nothing."""
        return {}

    async def last_writer(self, key: str) -> str:
        """Return who wrote to an object last, as the API server notes it."""
        return await find_last_writer(self._client, self._resource, ("", key))

    async def _put(self, name: str, verdict: Verdict) -> None:
        found = self._table.get(name)
        said = (
            shown_conditions(found.status.conditions, self._kinds) if found is not None else None
        )
        if found is None or said == verdict or not self._may_act():
            self._left_alone.add(name)
            return
        conditions = written(
            found.status.conditions, verdict.conditions, verdict.generation, datetime.now(UTC)
        )
        body = {
            "metadata": {"resourceVersion": found.metadata.resource_version},
            "status": {"conditions": conditions},
        }
        try:
            await self._client.patch(self._resource, name, body, subresource="status")
        except (NotFoundError, ConflictError):
            self._left_alone.add(name)  # Gone, or changed: the table will say so.
