"""The book's frontends as the Services' names at their places, for who names flows.

Pods' hostPorts are served likewise, and are no Services.
"""

from collections.abc import Collection, Iterator

from ciliate.api.resource import ObjectKey
from ciliate.node.service_names import Place, ServiceNames
from ciliate.services.book import ServiceBook
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    map_of,
    outside_key,
    read_frontend_key,
)


class FrontendNames:
    """Tells `names` what the book has at each place."""

    def __init__(self, book: ServiceBook, names: ServiceNames) -> None:
        self._book = book
        self._names = names
        names.provide(self._all)

    def touch(self, keys: Collection[MapKey]) -> None:
        """Tell what changed under keys of the maps, if it is a frontend's and anybody listens."""
        if not self._names.is_followed:
            return
        touched = {outside_key(key) for key in keys if map_of(key) is ServiceMap.FRONTENDS}
        if touched:
            self._names.tell(
                [(_place(key), self._book.service_at(key)) for key in sorted(touched)]
            )

    def _all(self) -> Iterator[tuple[Place, ObjectKey]]:
        for key, service in self._book.services_by_frontend():
            yield _place(key), service


def _place(key: MapKey) -> Place:
    return Place(*read_frontend_key(key)[:3])
