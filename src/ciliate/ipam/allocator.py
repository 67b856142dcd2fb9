"""The addresses of one CIDR and their owners: exact under any order of operations, no I/O.

Memory follows the addresses in use, also of an IPv6 /64. Freed addresses are given last, so that
connections of a previous owner have time to expire.
"""

from collections.abc import Iterator
from typing import Final

from ciliate.ipam.errors import AddressOutOfRangeError, AddressTakenError, BlockExhaustedError
from ciliate.ipam.slots import Slots
from ciliate.net.address import IPAddress, IPNetwork

#: A block of at most this many addresses gives all, its first and last one too.
_WHOLE_MAX: Final = 2


class Block:
    """The usable addresses of one CIDR and their owners.

    `start` shifts where the first address comes from; nodes choose it at random, so that a node
    that lost its state does not give recently used addresses again at once. The CIDR's first and
    last address are not given unless `allow_first` and `allow_last` say so.
    """

    __slots__ = ("_first", "_make", "_slots", "cidr", "usable")

    def __init__(
        self,
        cidr: IPNetwork,
        *,
        start: int = 0,
        allow_first: bool = False,
        allow_last: bool = False,
    ) -> None:
        self.cidr = cidr
        whole = cidr.num_addresses <= _WHOLE_MAX
        spared = 0 if whole else (not allow_first) + (not allow_last)
        self.usable = cidr.num_addresses - spared
        self._first = int(cidr.network_address) + (not whole and not allow_first)
        self._make = type(cidr.network_address)
        self._slots = Slots(self.usable, start=start)

    @property
    def used(self) -> int:
        """How many addresses have an owner."""
        return self._slots.used

    def __contains__(self, address: IPAddress) -> bool:
        return isinstance(address, self._make) and 0 <= int(address) - self._first < self.usable

    def owner(self, address: IPAddress) -> str | None:
        """Return the owner of `address`, or None."""
        return self._slots.owner(int(address) - self._first) if address in self else None

    def allocations(self) -> Iterator[tuple[IPAddress, str]]:
        """Yield every address in use with its owner."""
        for slot, owner in self._slots.items():
            yield self._make(self._first + slot), owner

    def find_free(self, owner: str) -> IPAddress | None:
        """Give a free address to `owner`; None: every address has an owner."""
        slot = self._slots.allocate(owner)
        return None if slot is None else self._make(self._first + slot)

    def allocate(self, owner: str) -> IPAddress:
        """Give a free address to `owner`.

        Raises:
            BlockExhaustedError: Every address has an owner.
        """
        address = self.find_free(owner)
        if address is None:
            raise BlockExhaustedError(self.cidr, self.usable)
        return address

    def take(self, address: IPAddress, owner: str) -> None:
        """Give this very address to `owner`; the same owner may take it again.

        Raises:
            AddressOutOfRangeError: It is not a usable address of this block.
            AddressTakenError: It has another owner.
        """
        if address not in self:
            raise AddressOutOfRangeError(address, self.cidr)
        present = self._slots.take(int(address) - self._first, owner)
        if present != owner:
            raise AddressTakenError(address, present)

    def release(self, address: IPAddress) -> bool:
        """Free `address`; False when it had no owner, which is no error."""
        if not isinstance(address, self._make):
            return False
        return self._slots.release(int(address) - self._first)  # A slot out of range has no owner.
