"""What the maps held when the agent started: ids, and the order of slots. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ciliate.datapath import layout
from ciliate.services.map_keys import MapKey, read_frontend_key
from ciliate.services.slots import Ids

#: An entry of the map of slots: the set and the slot; a backend's address and port as on the wire,
#: and its id.
HeldSlot = tuple[tuple[int, int], tuple[bytes, int]]


@dataclass(slots=True)
class Held:
    """The ids of frontends, of backends by their keys, and of each set's backends by slot.

    A set that nothing is known of but its number has no slot.
    """

    frontends: dict[MapKey, layout.Frontend] = field(default_factory=dict)
    backends: dict[bytes, int] = field(default_factory=dict)
    slots: dict[int, Ids] = field(default_factory=dict)


def read_held(
    frontends: Iterable[tuple[MapKey, bytes]], sets: Iterable[int], slots: Iterable[HeldSlot]
) -> Held:
    """Return what the entries of the maps say; what makes no sense counts for nothing."""
    held = Held()
    by_set: defaultdict[int, dict[int, int]] = defaultdict(dict)
    # A backend's protocol is that of the frontends which lead to it.
    protocols: dict[int, bytes] = {}
    for key, value in frontends:
        frontend = held.frontends[key] = layout.Frontend.unpack(value)
        protocols[frontend.service] = bytes((read_frontend_key(key).protocol,))
        by_set[frontend.service]  # An unknown port leads to set 0, which nobody has.
    for number in sets:
        by_set[number]
    for (number, slot), (place, backend) in slots:
        by_set[number][slot] = backend
        if number in protocols:
            held.backends.setdefault(place + protocols[number], backend)
    for number, by_slot in by_set.items():
        ordered = held.slots[number] = array("I", (0,)) * len(by_slot)
        for slot, backend in by_slot.items():
            if 0 < slot <= len(ordered):
                ordered[slot - 1] = backend
    return held
