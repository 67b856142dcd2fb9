"""Which CIDR holds an address: the longest of those that were put. Pure.

Addresses are numbers of 128 bits, IPv4 mapped into them as in the datapath.
"""

from typing import Final, Generic, TypeVar

from ciliate.net.address import IPNetwork, prefix_bits, to_octets

_WIDTH: Final = 128

V = TypeVar("V")


class CIDRIndex(Generic[V]):
    """A value for each CIDR, found by an address in it."""

    def __init__(self) -> None:
        #: By how many low bits a prefix leaves out, fewest first: network number -> value.
        self._tables: dict[int, dict[int, V]] = {}

    def put(self, cidr: IPNetwork, value: V) -> None:
        """Enter a CIDR, or give it another value."""
        shift, network = _place(cidr)
        if shift not in self._tables:
            self._tables = dict(sorted({**self._tables, shift: {}}.items()))
        self._tables[shift][network] = value

    def remove(self, cidr: IPNetwork) -> None:
        """Take a CIDR out; an absent one is a success."""
        shift, network = _place(cidr)
        table = self._tables.get(shift, {})
        table.pop(network, None)
        if not table:
            self._tables.pop(shift, None)

    def find(self, address: bytes) -> V | None:
        """Return the value of the longest CIDR that holds an address (16 octets), or None."""
        number = int.from_bytes(address, "big")
        for shift, table in self._tables.items():
            value = table.get(number >> shift)
            if value is not None:
                return value
        return None


def _place(cidr: IPNetwork) -> tuple[int, int]:
    shift = _WIDTH - prefix_bits(cidr)
    return shift, int.from_bytes(to_octets(cidr.network_address), "big") >> shift
