"""Who holds which address of one CIDR: exact under any order of operations, no I/O.

Time and memory follow what is in use, not the size of the CIDR: an IPv6 /64 costs what its pods
cost. Addresses that were never given come first, in order from a starting point; then freed ones,
the longest free first, so that connections of a previous owner have time to expire.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from ciliate.ipam.errors import AddressOutOfRangeError, AddressTakenError, BlockExhaustedError
from ciliate.net.address import IPAddress, IPNetwork

#: A block's first and last address are nobody's (reference/ipam.md, 4.1).
_RESERVED: Final = 2


class Block:
    """The addresses of one CIDR and their owners.

    `start` shifts where the first address comes from; nodes choose it at random, so that a node
    that lost its memory does not repeat yesterday's addresses at once. Offsets count from the
    network address.
    """

    __slots__ = ("_base", "_freed", "_never", "_owners", "_start", "_type", "cidr", "usable")

    def __init__(self, cidr: IPNetwork, *, start: int = 0) -> None:
        self.cidr = cidr
        self.usable = max(cidr.num_addresses - _RESERVED, 0)
        self._base = int(cidr.network_address)
        self._type = type(cidr.network_address)
        self._owners: dict[int, str] = {}
        self._freed: OrderedDict[int, None] = OrderedDict()  # Longest free first.
        self._never = 0  # How many offsets the first sweep has passed.
        self._start = start % self.usable if self.usable else 0

    @property
    def used(self) -> int:
        """How many addresses have an owner."""
        return len(self._owners)

    def __contains__(self, address: IPAddress) -> bool:
        return address.version == self.cidr.version and 0 < self._offset(address) <= self.usable

    def owner(self, address: IPAddress) -> str | None:
        """Return who holds `address`, or None."""
        return self._owners.get(self._offset(address)) if address in self else None

    def allocations(self) -> Iterator[tuple[IPAddress, str]]:
        """Yield every address in use with its owner."""
        for offset, owner in self._owners.items():
            yield self._type(self._base + offset), owner

    def allocate(self, owner: str) -> IPAddress:
        """Give a free address to `owner`.

        Raises:
            BlockExhaustedError: Every address has an owner.
        """
        while self._never < self.usable:
            offset = 1 + (self._start + self._never) % self.usable
            self._never += 1
            if offset not in self._owners:  # It may have been taken by name before.
                return self._give(offset, owner)
        if self._freed:
            return self._give(self._freed.popitem(last=False)[0], owner)
        raise BlockExhaustedError(self.cidr, self.usable)

    def take(self, address: IPAddress, owner: str) -> None:
        """Give this very address to `owner`; the same owner may take it again.

        Raises:
            AddressOutOfRangeError: It is not a usable address of this block.
            AddressTakenError: Somebody else holds it.
        """
        if address not in self:
            raise AddressOutOfRangeError(address, self.cidr)
        offset = self._offset(address)
        holder = self._owners.get(offset)
        if holder not in (None, owner):
            raise AddressTakenError(address, str(holder))
        self._freed.pop(offset, None)
        self._owners[offset] = owner

    def release(self, address: IPAddress) -> bool:
        """Free `address`; False when nobody held it, which is a success too."""
        if address not in self:
            return False
        offset = self._offset(address)
        if self._owners.pop(offset, None) is None:
            return False
        if self._swept(offset):  # Otherwise the first sweep will come to it.
            self._freed[offset] = None
        return True

    def _give(self, offset: int, owner: str) -> IPAddress:
        self._owners[offset] = owner
        return self._type(self._base + offset)

    def _offset(self, address: IPAddress) -> int:
        return int(address) - self._base

    def _swept(self, offset: int) -> bool:
        return (offset - 1 - self._start) % self.usable < self._never
