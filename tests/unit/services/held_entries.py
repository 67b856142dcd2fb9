"""What an agent finds in its maps when it starts, out of the entries that a book wants in them."""

from collections.abc import Mapping
from typing import Any

from ciliate.datapath.codec import Fields
from ciliate.services.adoption import Held, read_held
from ciliate.services.map_keys import (
    BACKEND_FORM,
    MapKey,
    ServiceMap,
    map_of,
    read_numbers,
    read_service,
)


def adopted(entries: Mapping[MapKey, bytes]) -> Held:
    """Return it; the maps are read in this order."""
    of: dict[ServiceMap, list[tuple[MapKey, bytes]]] = {one: [] for one in ServiceMap}
    for key, value in entries.items():
        of[map_of(key)].append((key, value))
    backend: Any = Fields(BACKEND_FORM)
    return read_held(
        of[ServiceMap.FRONTENDS],
        [read_service(key) for key, _ in of[ServiceMap.SERVICES]],
        [(read_numbers(key), backend.unpack(value)) for key, value in of[ServiceMap.SLOTS]],
    )
