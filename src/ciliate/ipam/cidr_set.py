"""A CIDR set: one CIDR cut into blocks of one length, and the owners of each block. Pure.

A *use* is anything of an owner that lies in a block: a CIDR the owner was given, one it drains,
the address of one of its pods. Uses have any size: one larger than a block occupies every block
it overlaps, several may lie in one block, and a block is free only when the last of them has
ended. The order of owners is kept, so that a later one gets an error and never the block.

Blocks come in the order of `Slots`: ascending, those that were never given first. An owner is
a node's name or, with a blank in it, a text for something that no node may have.
"""

from functools import lru_cache

from msgspec import Struct

from ciliate.ipam.slots import Slots
from ciliate.net.address import IPNetwork, IPv4Network, IPv6Network, ip_network

_BITS = {4: 32, 6: 128}

#: Blocks that are counted together, 2^16: one claim over millions of blocks costs one entry for
#: each full segment, not one a block.
SEGMENT_BITS = 16
_SEGMENT_BLOCKS = 1 << SEGMENT_BITS


class Cidr(Struct, frozen=True, gc=False, order=True):
    """A prefix as numbers; `ipaddress` objects cost ten times as much to make and compare."""

    version: int
    first: int
    length: int

    @staticmethod
    def parse(text: str) -> "Cidr":
        """Return the prefix that `text` names; bits behind the prefix do not matter.

        Raises:
            ValueError: It names none.
        """
        return _parse(text)

    @staticmethod
    def of(network: IPNetwork) -> "Cidr":
        """Return the prefix of an `ipaddress` object."""
        return Cidr(network.version, int(network.network_address), network.prefixlen)

    @staticmethod
    def host(version: int, address: int) -> "Cidr":
        """Return the prefix of one address."""
        return Cidr(version, address, _BITS[version])

    @property
    def network(self) -> IPNetwork:
        """The prefix as an `ipaddress` object."""
        if self.version == 4:
            return IPv4Network((self.first, self.length))
        return IPv6Network((self.first, self.length))

    @property
    def last(self) -> int:
        """The number of the last address."""
        return self.first | ((1 << (_BITS[self.version] - self.length)) - 1)

    def overlaps(self, other: "Cidr") -> bool:
        """Whether any address is in both."""
        return (
            self.version == other.version and self.first <= other.last and other.first <= self.last
        )

    def contains(self, other: "Cidr") -> bool:
        """Whether every address of `other` is in this one."""
        return (
            self.version == other.version
            and self.length <= other.length
            and self.first <= other.first <= self.last
        )

    def __str__(self) -> str:
        return str(self.network)


# The same texts are parsed again with every event of a node and every decision.
@lru_cache(maxsize=1 << 16)
def _parse(text: str) -> Cidr:
    return Cidr.of(ip_network(text, strict=False))


class CidrSet:
    """The blocks of `cidr`, each of prefix length `block_length`, and their owners."""

    __slots__ = (
        "_covered",
        "_open",
        "_reserved",
        "_segments",
        "_shared",
        "_shift",
        "block_length",
        "blocks",
        "cidr",
        "last",
        "pool",
    )

    def __init__(self, cidr: Cidr, block_length: int, *, pool: str = "") -> None:
        assert cidr.length <= block_length <= _BITS[cidr.version], "a block of another size"
        self.cidr = cidr
        self.last = cidr.last
        self.pool = pool
        self.block_length = block_length
        self.blocks = 1 << (block_length - cidr.length)
        self._shift = _BITS[cidr.version] - block_length
        self._segments: dict[int, Slots] = {}
        #: Uses of a block beyond the first, by owner.
        self._shared: dict[int, dict[str, int]] = {}
        #: Uses that cover a whole segment, by owner.
        self._covered: dict[int, dict[str, int]] = {}
        self._open = 0  # No segment before this one has a free block.
        #: The same blocks with the reservations alone, to count those in `reserved`.
        self._reserved: CidrSet | None = None

    @property
    def used(self) -> int:
        """How many blocks have an owner."""
        used = sum(self._size(segment) for segment in self._covered)
        return used + sum(s.used for n, s in self._segments.items() if n not in self._covered)

    @property
    def reserved(self) -> int:
        """How many blocks are reserved."""
        return self._reserved.used if self._reserved else 0

    def block(self, number: int) -> Cidr:
        """Return block `number`."""
        first = self.cidr.first + (number << self._shift)
        return Cidr(self.cidr.version, first, self.block_length)

    def number(self, address: int) -> int:
        """Return the number of the block that `address`, inside this CIDR, lies in."""
        return (address - self.cidr.first) >> self._shift

    def whole(self, block: Cidr) -> bool:
        """Whether `block` is exactly one of the blocks."""
        return block.length == self.block_length and self.cidr.contains(block)

    def allocate(self, owner: str) -> Cidr | None:
        """Give a block without an owner to `owner`; None: there is none."""
        while self._open <= (self.blocks - 1) >> SEGMENT_BITS:
            if self._open not in self._covered:
                slots = self._segments.get(self._open) or self._segment(self._open)
                slot = slots.allocate(owner)
                if slot is not None:
                    number = (self._open << SEGMENT_BITS) + slot
                    first = self.cidr.first + (number << self._shift)
                    return Cidr(self.cidr.version, first, self.block_length)
            self._open += 1
        return None

    def owners(self, number: int) -> set[str]:
        """Return every owner of a use in block `number`."""
        segment, slot = number >> SEGMENT_BITS, number & (_SEGMENT_BLOCKS - 1)
        found = {*self._shared.get(number, ()), *self._covered.get(segment, ())}
        slots = self._segments.get(segment)
        owner = slots.owner(slot) if slots else None
        if owner is not None:
            found.add(owner)
        return found

    def occupy(self, use: Cidr, owner: str) -> None:
        """Enter a use that overlaps this CIDR; the same may be entered several times."""
        for segment, first, last in self._parts(use):
            if last - first + 1 == self._size(segment) > 1:
                uses = self._covered.setdefault(segment, {})
                uses[owner] = uses.get(owner, 0) + 1
            else:
                for number in range(first, last + 1):
                    self._gain(number, owner)

    def vacate(self, use: Cidr, owner: str) -> bool:
        """Remove a use that was entered; return whether a block became free by it."""
        freed = False
        for segment, first, last in self._parts(use):
            if last - first + 1 == self._size(segment) > 1:
                uses = self._covered[segment]
                _reduce(uses, owner)
                if not uses:
                    del self._covered[segment]
                    self._open = min(self._open, segment)
                    freed = True
            else:
                for number in range(first, last + 1):
                    freed |= self._lose(number, owner)
        return freed

    def reserve(self, use: Cidr, why: str) -> None:
        """Enter a use that belongs to no node; `why` is its owner."""
        if self._reserved is None:
            self._reserved = CidrSet(self.cidr, self.block_length)
        self._reserved.occupy(use, why)
        self.occupy(use, why)

    def unreserve(self, use: Cidr, why: str) -> bool:
        """Remove a reservation; return whether a block became free by it."""
        assert self._reserved is not None, "nothing was reserved"
        self._reserved.vacate(use, why)
        return self.vacate(use, why)

    def _size(self, segment: int) -> int:
        return min(_SEGMENT_BLOCKS, self.blocks - (segment << SEGMENT_BITS))

    def _segment(self, segment: int) -> Slots:
        slots = self._segments.get(segment)
        if slots is None:
            slots = self._segments[segment] = Slots(self._size(segment))
        return slots

    def _parts(self, use: Cidr) -> list[tuple[int, int, int]]:
        """Return segment, first and last block of each part that `use` has in a segment."""
        low = self.number(max(use.first, self.cidr.first))
        high = self.number(min(use.last, self.last))
        if low >> SEGMENT_BITS == high >> SEGMENT_BITS:
            return [(low >> SEGMENT_BITS, low, high)]
        return [
            (
                segment,
                max(low, segment << SEGMENT_BITS),
                min(high, (segment << SEGMENT_BITS) + self._size(segment) - 1),
            )
            for segment in range(low >> SEGMENT_BITS, (high >> SEGMENT_BITS) + 1)
        ]

    def _gain(self, number: int, owner: str) -> None:
        slots = self._segment(number >> SEGMENT_BITS)
        slot = number & (_SEGMENT_BLOCKS - 1)
        if slots.owner(slot) is None:
            slots.take(slot, owner)
        else:
            uses = self._shared.setdefault(number, {})
            uses[owner] = uses.get(owner, 0) + 1

    def _lose(self, number: int, owner: str) -> bool:
        segment, slot = number >> SEGMENT_BITS, number & (_SEGMENT_BLOCKS - 1)
        uses = self._shared.get(number)
        slots = self._segments[segment]
        if uses is None:
            slots.release(slot)
            self._open = min(self._open, segment)
            return segment not in self._covered
        if owner in uses:
            _reduce(uses, owner)
        else:
            # The first owner leaves: the next one takes its place, the block is never free.
            heir = next(iter(uses))
            _reduce(uses, heir)
            slots.release(slot)
            slots.take(slot, heir)
        if not uses:
            del self._shared[number]
        return False


def _reduce(uses: dict[str, int], owner: str) -> None:
    """Take one use of `owner` away."""
    left = uses[owner] - 1
    if left:
        uses[owner] = left
    else:
        del uses[owner]
