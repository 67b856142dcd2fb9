"""What the maps held when the agent started: ids, and the order of slots. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from ciliate.datapath import layout
from ciliate.services.map_keys import (
    MapKey,
    ServiceMap,
    map_of,
    read_backend,
    read_frontend_key,
    read_numbers,
    read_service,
)
from ciliate.services.slots import Ids


@dataclass(slots=True)
class Held:
    """The ids of frontends, of backends by their keys, and of each set's backends by slot.

    A set that nothing is known of but its number has no slot.
    """

    frontends: dict[MapKey, layout.Frontend] = field(default_factory=dict)
    backends: dict[bytes, int] = field(default_factory=dict)
    slots: dict[int, Ids] = field(default_factory=dict)


def read_held(entries: Mapping[MapKey, bytes]) -> Held:
    """Return what the entries of the maps say; what makes no sense counts for nothing."""
    held = Held()
    slots: defaultdict[int, dict[int, int]] = defaultdict(dict)
    # A backend's protocol is that of the frontends which lead to it.
    protocols: dict[int, bytes] = {}
    for key, value in entries.items():
        if map_of(key) is ServiceMap.FRONTENDS:
            frontend = held.frontends[key] = layout.Frontend.unpack(value)
            protocols[frontend.service] = bytes((read_frontend_key(key).protocol,))
            slots[frontend.service]  # An unknown port leads to set 0, which nobody has.
        elif map_of(key) is ServiceMap.SERVICES:
            slots[read_service(key)]
    for key, value in entries.items():
        if map_of(key) is ServiceMap.SLOTS:
            service, slot = read_numbers(key)
            place, number = read_backend(value)
            slots[service][slot] = number
            if service in protocols:
                held.backends.setdefault(place + protocols[service], number)
    for service, by_slot in slots.items():
        ordered = held.slots[service] = array("I", (0,)) * len(by_slot)
        for slot, number in by_slot.items():
            if 0 < slot <= len(ordered):
                ordered[slot - 1] = number
    return held
