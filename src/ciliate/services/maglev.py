"""Maglev tables (Eisenbud and others, NSDI 2016, section 3.4), as Cilium fills them. Pure.

A flow's hash picks a cell, and the cell a backend: every node that serves a flow picks the same, and
a backend that comes or goes moves few flows of others. So the table must depend on nothing but the
backends: not on the slots that a node has them in, nor on the order in which it heard of them.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from ciliate.datapath.layout import MaglevBound
from ciliate.net.address import address_text, socket_text
from ciliate.net.protocol import protocol_name
from ciliate.services.murmur3 import hash128

#: Cells of a table: primes, so that every step but 0 reaches all of them.
TABLE_SIZES: Final = (251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071)

#: Slots by cell.
Table: TypeAlias = "array[int]"


@dataclass(frozen=True, slots=True)
class Maglev:
    """The settings of tables, the same on all nodes; `cells` 0: there are none."""

    cells: int = 0
    seed: int = 0

    @property
    def chunks(self) -> int:
        """The entries of the map that a table has."""
        return -(-self.cells // MaglevBound.MAGLEV_CHUNK_SLOTS)

    def table(self, backends: Sequence[bytes]) -> Table:
        """Return the table of backends by slot."""
        return lookup_table(backends, self.cells, self.seed)

    @classmethod
    def seeded(cls, cells: int, seed: bytes) -> "Maglev":
        """Return the settings for a seed of 12 octets, of which tables take the first four."""
        return cls(cells, int.from_bytes(seed[:4], "big"))


def lookup_table(
    backends: Sequence[bytes], cells: int, seed: int, weights: Sequence[int] | None = None
) -> Table:
    """Return the slot of each cell, counted from 1, for backends by slot.

    A backend is its key: address, port and protocol. `seed` is the first of the seed's three words.
    One with twice another's weight gets twice as many cells; no weights: all have the same.
    """
    names = [_name(each) for each in backends]
    order = sorted(range(len(backends)), key=names.__getitem__)
    starts = [_start(names[each], cells, seed) for each in order]
    shares = [1 if weights is None else weights[each] for each in order]
    return _filled([each + 1 for each in order], starts, shares, cells)


def _filled(
    slots: Sequence[int], starts: Sequence[tuple[int, int]], shares: Sequence[int], cells: int
) -> Table:
    """Have backends take free cells in turn, each along its own way through the table."""
    table = array("H", (0,)) * cells
    at = [offset for offset, _ in starts]
    heaviest = max(shares, default=0)
    due = [0] * len(slots)
    left = cells if heaviest else 0
    while left:
        for each, slot in enumerate(slots):
            due[each] += shares[each]
            if due[each] < heaviest:
                continue
            due[each] -= heaviest
            cell, step = at[each], starts[each][1]
            while table[cell]:
                cell += step
                if cell >= cells:
                    cell -= cells
            table[cell] = slot
            at[each] = cell
            left -= 1
            if not left:
                break
    return table


@lru_cache(maxsize=65536)
def _start(name: str, cells: int, seed: int) -> tuple[int, int]:
    """Return where a backend's way begins, and its step."""
    first, second = hash128(name.encode(), seed)
    return first % cells, second % (cells - 1) + 1


def _name(backend: bytes) -> str:
    """Return what is hashed. It must never change: nodes of two releases would disagree."""
    at = socket_text(address_text(backend[:16]), int.from_bytes(backend[16:18], "big"))
    return f"[{at}/{protocol_name(backend[18])},State:active]"
