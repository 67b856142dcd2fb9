"""Values by CIDR: the longest one around an address, and all that share an address with another.

`PrefixIndex` knows a CIDR as two numbers: its first address, and how many low bits are open in it
(8 for an IPv4 /24); one family has one index. `CIDRIndex` holds both families, IPv4 mapped into
128 bits as in the datapath. CIDRs nest or are disjoint, so what overlaps one is found by its own
prefixes and by what begins inside it, never by a scan of all of them.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from ciliate.net.address import IPNetwork, prefix_bits, to_octets

_WIDTH: Final = 128

V = TypeVar("V")


class _SameLength(Generic[V]):
    """The CIDRs of one length: values by prefix, which is the first address without open bits."""

    __slots__ = ("ordered", "values")

    def __init__(self) -> None:
        self.values: dict[int, V] = {}
        # Kept only from the first question on that needs it: most indexes have one length.
        self.ordered: list[int] | None = None

    def put(self, prefix: int, value: V) -> None:
        if self.ordered is not None and prefix not in self.values:
            insort(self.ordered, prefix)
        self.values[prefix] = value

    def remove(self, prefix: int) -> None:
        del self.values[prefix]
        if self.ordered is not None:
            del self.ordered[bisect_left(self.ordered, prefix)]

    def between(self, low: int, high: int) -> list[int]:
        if self.ordered is None:
            self.ordered = sorted(self.values)
        return self.ordered[bisect_left(self.ordered, low) : bisect_right(self.ordered, high)]


class PrefixIndex(Generic[V]):
    """One value, which is not None, for each CIDR of a family."""

    __slots__ = ("_lengths",)

    def __init__(self) -> None:
        #: By open bits, longest CIDRs first.
        self._lengths: dict[int, _SameLength[V]] = {}

    def put(self, first: int, open_bits: int, value: V) -> None:
        """Enter a CIDR's value, in place of one that is there."""
        same = self._lengths.get(open_bits) or self._new_length(open_bits)
        same.put(first >> open_bits, value)

    def setdefault(self, first: int, open_bits: int, value: V) -> V:
        """Enter a CIDR's value unless there is one; return the one that stands then."""
        same = self._lengths.get(open_bits) or self._new_length(open_bits)
        if same.ordered is None:
            return same.values.setdefault(first >> open_bits, value)
        prefix = first >> open_bits
        if prefix not in same.values:
            same.put(prefix, value)
        return same.values[prefix]

    def get(self, first: int, open_bits: int) -> V | None:
        """Return the value of exactly this CIDR, or None."""
        same = self._lengths.get(open_bits)
        return same.values.get(first >> open_bits) if same is not None else None

    def remove(self, first: int, open_bits: int) -> None:
        """Take out a CIDR that is entered."""
        same = self._lengths[open_bits]
        same.remove(first >> open_bits)
        if not same.values:
            del self._lengths[open_bits]

    def find(self, address: int) -> V | None:
        """Return the value of the longest CIDR that holds an address, or None."""
        for open_bits, same in self._lengths.items():
            value = same.values.get(address >> open_bits)
            if value is not None:
                return value
        return None

    def find_covering(self, first: int, open_bits: int) -> V | None:
        """Return the value of the longest CIDR that holds all of one, or None."""
        for length, same in self._lengths.items():
            value = same.values.get(first >> length) if length >= open_bits else None
            if value is not None:
                return value
        return None

    def overlapping(self, first: int, open_bits: int) -> Iterator[V]:
        """Yield the value of each CIDR that shares an address with one.

        Longest first, and by address among those of one length.
        """
        for length, same in self._lengths.items():
            if length >= open_bits:
                value = same.values.get(first >> length)
                if value is not None:
                    yield value
                continue
            low = first >> length
            for prefix in same.between(low, low | (1 << (open_bits - length)) - 1):
                yield same.values[prefix]

    def _new_length(self, open_bits: int) -> _SameLength[V]:
        """Return a new table for a length that has none, in its place among the others."""
        same: _SameLength[V] = _SameLength()
        self._lengths = dict(sorted({**self._lengths, open_bits: same}.items()))
        return same


class CIDRIndex(Generic[V]):
    """One value, which is not None, for each CIDR of either family."""

    __slots__ = ("_index",)

    def __init__(self) -> None:
        self._index: PrefixIndex[V] = PrefixIndex()

    def put(self, cidr: IPNetwork, value: V) -> None:
        """Enter a CIDR's value, in place of one that is there."""
        self._index.put(*_numbers(cidr), value)

    def remove(self, cidr: IPNetwork) -> None:
        """Take a CIDR out; an absent one is a success."""
        numbers = _numbers(cidr)
        if self._index.get(*numbers) is not None:
            self._index.remove(*numbers)

    def find(self, address: bytes) -> V | None:
        """Return the value of the longest CIDR that holds an address (16 octets), or None."""
        return self._index.find(int.from_bytes(address, "big"))

    def find_covering(self, cidr: IPNetwork) -> V | None:
        """Return the value of the longest CIDR that holds all of a CIDR, or None."""
        return self._index.find_covering(*_numbers(cidr))

    def overlapping(self, cidr: IPNetwork) -> Iterator[V]:
        """Yield the value of each CIDR that shares an address with one, longest first."""
        return self._index.overlapping(*_numbers(cidr))


def _numbers(cidr: IPNetwork) -> tuple[int, int]:
    first = int.from_bytes(to_octets(cidr.network_address), "big")
    return first, _WIDTH - prefix_bits(cidr)
