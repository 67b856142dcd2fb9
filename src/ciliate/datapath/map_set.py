"""All maps of the datapath together: taken over from an earlier agent, or created.

Maps outlive agents by their pins. When a version or a setting asks for another shape than the
pinned map has, a new map takes the pin; what fits is copied into it. The old map lives until the last
program that uses it is replaced. The maps of connections lead into each other and change under the
copying, so they are replaced together (connection_carry.py says what of them is copied).
"""

import contextlib
import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ciliate.datapath import libbpf, pins
from ciliate.datapath.bpf_map import BpfMap, OpenMap, shape_of
from ciliate.datapath.codec import U32, Octets
from ciliate.datapath.connection_carry import (
    carried_connections,
    carried_entries,
    counted_owners,
)
from ciliate.datapath.errors import DatapathError, MapFullError
from ciliate.datapath.layout import (
    MAP_SHAPES,
    Connection,
    ConnectionOwner,
    ConnectionRef,
    Tuple,
)
from ciliate.datapath.shape import ARRAYS, MapShape

_log: Final = logging.getLogger(__name__)

_COPY_BATCH: Final = 4096

#: An entry of the first leads to an element of the second, and the third counts those.
_CONNTRACK: Final = BpfMap("conntrack", key=Tuple, value=ConnectionRef)
_ELEMENTS: Final = BpfMap("connections", key=U32, value=Connection)
_OWNERS: Final = BpfMap("connection_owners", key=U32, value=ConnectionOwner)
_CONNECTIONS: Final = (_CONNTRACK.name, _ELEMENTS.name, _OWNERS.name)

#: Maps of earlier versions, which nothing uses any more.
_FORMER: Final = ("nat",)


class UnknownMapError(DatapathError):
    """A capacity was given for a map that does not exist."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            function="open", subject=f"map {name}", code=0, hint=f"maps: {', '.join(MAP_SHAPES)}"
        )


def wanted_shapes(capacities: Mapping[str, int]) -> dict[str, MapShape]:
    """Return the shape each map must have: that of bpf/maps.h, and the capacities given.

    Raises:
        UnknownMapError: `capacities` names something else.
    """
    for name in capacities:
        if name not in MAP_SHAPES:
            raise UnknownMapError(name)
    return {
        name: shape._replace(capacity=capacities.get(name, shape.capacity))
        for name, shape in MAP_SHAPES.items()
    }


class MapSet:
    """Descriptors of the maps by name; owns them. `replaced` holds pinned maps of other shapes."""

    def __init__(self, bpf_root: Path, wanted: Mapping[str, MapShape]) -> None:
        self._bpf_root = bpf_root
        self.wanted: Final = wanted
        self.fds: Final[dict[str, int]] = {}
        self._replaced: dict[str, int] = {}
        self._made: set[str] = set()

    def adopt_pinned(self) -> None:
        """Open what an earlier agent pinned; a map of another shape is set aside."""
        for name, wanted in self.wanted.items():
            fd = pins.open_pin(pins.map_path(self._bpf_root, name))
            if fd is None:
                continue
            if shape_of(fd) == wanted:
                self.fds[name] = fd
            else:
                self._replaced[name] = fd
        if not all(name in self.fds for name in _CONNECTIONS):
            for name in _CONNECTIONS:
                if name in self.fds:
                    self._replaced[name] = self.fds.pop(name)

    def add_made(self, name: str, fd: int) -> None:
        """Take over a map that loading an object made."""
        self.fds[name] = fd
        self._made.add(name)

    def pin(self) -> None:
        """Fill the new maps from those they replace, and give them their pins."""
        self._carry_connections()
        for name in sorted(self._made):
            old = self._replaced.pop(name, None)
            if old is not None:
                if name not in _CONNECTIONS:
                    self._carry_over(name, old)
                os.close(old)
            pins.replace_pin(self.fds[name], pins.map_path(self._bpf_root, name))
        self._made.clear()
        for name in _FORMER:
            pins.map_path(self._bpf_root, name).unlink(missing_ok=True)

    def ids(self) -> dict[str, int]:
        """Return the kernel's number of each map; numbers are not used twice."""
        return {name: libbpf.map_info(fd).id for name, fd in sorted(self.fds.items())}

    def close(self) -> None:
        """Close every descriptor."""
        for fd in [*self.fds.values(), *self._replaced.values()]:
            os.close(fd)
        self.fds.clear()
        self._replaced.clear()

    def _carry_connections(self) -> None:
        """Fill the new maps of connections from those they replace, before anybody sees them."""
        old = {name: self._replaced[name] for name in _CONNECTIONS if name in self._replaced}
        if not old:
            return
        if len(old) < len(_CONNECTIONS) or not all(
            (found := shape_of(fd)) is not None and self.wanted[name].holds_same_entries(found)
            for name, fd in old.items()
        ):
            _log.warning("connections: begun anew, those that live are cut")
            return
        tables = (_CONNTRACK, _ELEMENTS, _OWNERS)
        with ExitStack() as stack:
            refs, elements, owners = (
                stack.enter_context(OpenMap(which, os.dup(old[which.name]))) for which in tables
            )
            new_refs, new_elements, new_owners = (
                stack.enter_context(OpenMap(which, os.dup(self.fds[which.name])))
                for which in tables
            )
            kept = carried_connections(elements.items(), new_elements.capacity)
            new_elements.put_many(kept)
            new_refs.put_many(dict(carried_entries(refs.items(), kept)))
            new_owners.put_many(counted_owners(kept.values(), dict(owners.items())))
        _log.warning("connections: tables of another size, %d of them taken over", len(kept))

    def _carry_over(self, name: str, old: int) -> None:
        found, wanted = shape_of(old), self.wanted[name]
        if found is None or not wanted.holds_same_entries(found) or wanted.kind in ARRAYS:
            _log.warning(
                "map %s: replaced, its entries are lost: was %s, is %s", name, found, wanted
            )
            return
        # Octets stay what they are: what they mean is the feature's to know.
        key, value = Octets(wanted.key_bytes), Octets(wanted.value_bytes)
        which = BpfMap(name, key=key, value=value)
        with OpenMap(which, os.dup(old)) as source, OpenMap(which, os.dup(self.fds[name])) as new:
            copied = _copy(source, new)
        _log.warning(
            "map %s: replaced, %d entries copied: was %s, is %s", name, copied, found, wanted
        )


def _copy(source: OpenMap[Any, Any], target: OpenMap[Any, Any]) -> int:
    """Copy entries until the target is full; return how many it holds."""
    entries = source.items()
    with contextlib.suppress(MapFullError):  # A smaller map keeps what fits.
        while chunk := dict(islice(entries, _COPY_BATCH)):
            target.put_many(chunk)
    return target.count()
