"""Keys and values of the maps of Services as octets, those of all maps in one mapping.

A key is the number of its map, one octet, and the octets that the kernel has; a value is what the
kernel has. Layouts are tuples, and tuples of different maps with the same numbers are equal; a
hundred thousand of them take three times the room as well.
"""

import struct
from enum import IntEnum
from typing import Final, NewType

from ciliate.datapath import layout

#: An octet of `ServiceMap`, then the key's own.
MapKey = NewType("MapKey", bytes)


class ServiceMap(IntEnum):
    """The maps, in the order in which they are written: what is referred to comes first."""

    SLOTS = 1
    AFFINITY_SLOTS = 2
    MAGLEV_TABLES = 3
    SOURCE_RANGES = 4
    SERVICES = 5
    FRONTENDS = 6


_NUMBER: Final = struct.Struct("=BI")
_NUMBERS: Final = struct.Struct("=BII")
_RANGE: Final = struct.Struct("=BII16s")
_FRONTEND: Final = struct.Struct(">B16sHBB")

#: layout.Backend, whose address and port are as on the wire.
BACKEND_FORM: Final = "=18s2xI"
_BACKEND: Final = struct.Struct(BACKEND_FORM)

#: An enum's own look-up takes three times as long, and is made for every entry.
_MAPS: Final = {int(one): one for one in ServiceMap}


def map_of(key: MapKey) -> ServiceMap:
    """Return the map that a key belongs to."""
    return _MAPS[key[0]]


def octets_of(key: MapKey) -> bytes:
    """Return the key as its map has it."""
    return key[1:]


def key_of(one: ServiceMap, octets: bytes) -> MapKey:
    """Return the key of an entry of a map."""
    return MapKey(bytes((one,)) + octets)


def slot_key(service: int, slot: int) -> MapKey:
    """Return the key of a slot of a set, counted from 1."""
    return MapKey(_NUMBERS.pack(ServiceMap.SLOTS, service, slot))


def affinity_key(service: int, backend: int) -> MapKey:
    """Return the key under which a backend's slot stands."""
    return MapKey(_NUMBERS.pack(ServiceMap.AFFINITY_SLOTS, service, backend))


def maglev_key(service: int, chunk: int) -> MapKey:
    """Return the key of a part of a set's table."""
    return MapKey(_NUMBERS.pack(ServiceMap.MAGLEV_TABLES, service, chunk))


def source_range_key(service: int, bits: int, address: bytes) -> MapKey:
    """Return the key of a range of clients; `bits` count over 128."""
    return MapKey(_RANGE.pack(ServiceMap.SOURCE_RANGES, 32 + bits, service, address))


def service_key(service: int) -> MapKey:
    """Return the key of a set of backends."""
    return MapKey(_NUMBER.pack(ServiceMap.SERVICES, service))


def frontend_key(
    address: bytes, port: int, protocol: int, scope: int = layout.FrontendScope.SCOPE_OUTSIDE
) -> MapKey:
    """Return the key of a frontend."""
    return MapKey(_FRONTEND.pack(ServiceMap.FRONTENDS, address, port, protocol, scope))


def unknown_port_key(address: bytes) -> MapKey:
    """Return the key of what no port of an address is for."""
    return frontend_key(address, 0, 0)


def inside_key(key: MapKey) -> MapKey:
    """Return the key of the same frontend for callers inside the cluster."""
    return MapKey(key[:-1] + bytes((layout.FrontendScope.SCOPE_INSIDE,)))


def outside_key(key: MapKey) -> MapKey:
    """Return the key of the same frontend for everybody else; the inverse."""
    return MapKey(key[:-1] + bytes((layout.FrontendScope.SCOPE_OUTSIDE,)))


def address_of(key: MapKey) -> bytes:
    """Return the address of a frontend's key."""
    return key[1:17]


def read_frontend_key(key: MapKey) -> layout.FrontendKey:
    """Return what a frontend's key says."""
    return layout.FrontendKey.unpack(octets_of(key))


def read_numbers(key: MapKey) -> tuple[int, int]:
    """Return the set, and the slot, backend or part, of a key of those three maps."""
    _, service, number = _NUMBERS.unpack(key)
    return service, number


def read_service(key: MapKey) -> int:
    """Return the set of a key of `services`."""
    number: int = _NUMBER.unpack(key)[1]
    return number


def read_source_range(key: MapKey) -> tuple[int, int, bytes]:
    """Return the set, the bits over 128 and the address of a range's key."""
    _, bits, service, address = _RANGE.unpack(key)
    return service, bits - 32, address


def backend_value(place: bytes, number: int) -> bytes:
    """Return the value of a slot: a backend's address and port, as on the wire, and its id."""
    return _BACKEND.pack(place, number)
