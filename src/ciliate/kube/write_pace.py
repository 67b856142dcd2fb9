"""The pace of writers of the API that have no reconciler: what is undone again and again waits.

Such a writer is told of a change, looks at its tables, and writes what is missing; who undoes that
makes the next change. It asks here before each write, and notes it here afterwards: equal writes
count as in `reconcile/rewrites.py`. Tables lag behind, so before anybody is accused the object is
read: where the write stands, nothing is wrong.
"""

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.last_writer import last_writer
from ciliate.kube.lookup import Document, find_document
from ciliate.reconcile.rewrites import Rewrites

K = TypeVar("K")
V = TypeVar("V")


class WritePace(Generic[K, V]):
    """Counts writes by place, such as an object's name, and by what is written there."""

    def __init__(self, client: ApiClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._rewrites: Rewrites[K, V] = Rewrites(clock=clock)

    async def wait_for_turn(
        self,
        place: K,
        value: V,
        resource: Resource[Any],
        key: ObjectKey,
        *,
        undoing: str = "something changes it",
        stands: Callable[[Document | None], bool] = lambda _document: False,
    ) -> None:
        """Return when the write may be made now; `undoing` says what becomes of it.

        `stands` says of the object, None where there is none, whether the last write is in place.

        Raises:
            UndoneError: It is undone each time, and has to wait.
        """
        writes: dict[K, V | None] = {place: value}
        who = {}
        if self._rewrites.untold(writes):
            try:
                document = await find_document(self._client, resource, key)
            except KubeError as error:
                who[place] = f"{undoing} (by whom is not known: {error})"
            else:
                if stands(document):
                    self._rewrites.forget(place)
                    return
                by = last_writer(document, beside=self._client.field_manager)
                who[place] = f"{undoing} ({by})"
        undone = self._rewrites.take_lacking(writes, who)
        if place not in writes:
            raise undone[place]

    def note(self, place: K, value: V) -> None:
        """Note that the write was made."""
        self._rewrites.note({place: value}, lacked=True)

    def forget(self, place: K) -> None:
        """Note that a write was taken back by ourselves."""
        self._rewrites.forget(place)
