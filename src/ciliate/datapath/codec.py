"""How a key or value of a map becomes octets and back.

The classes of `layout.py` are codecs themselves (the class object is); here are the scalars.
"""

import sys
from typing import Protocol, TypeVar

T = TypeVar("T")


class Codec(Protocol[T]):
    """Octets of a fixed size for values of one type."""

    @property
    def SIZE(self) -> int:  # noqa: N802 - a constant of the generated classes.
        """Size in bytes."""

    def pack(self, value: T, /) -> bytes:
        """Return the octets of `value`."""

    def unpack(self, octets: bytes, /) -> T:
        """Return the value that `octets` hold."""

    def unpack_many(self, octets: bytes | memoryview, /) -> list[T]:
        """Return the values that lie one after another in `octets`."""


class _U32:
    """A 32-bit number of the host's byte order: an ifindex, an array's index."""

    SIZE = 4

    def pack(self, value: int, /) -> bytes:
        return value.to_bytes(4, sys.byteorder)

    def unpack(self, octets: bytes, /) -> int:
        return int.from_bytes(octets, sys.byteorder)

    def unpack_many(self, octets: bytes | memoryview, /) -> list[int]:
        return memoryview(octets).cast("I").tolist()


class _IpAddress:
    """The 16 octets of `struct ip_address` as they are: see ciliate.net.address."""

    SIZE = 16

    def pack(self, value: bytes, /) -> bytes:
        if len(value) != 16:
            raise ValueError(f"an address has 16 octets, not {len(value)}")
        return value

    def unpack(self, octets: bytes, /) -> bytes:
        return octets

    def unpack_many(self, octets: bytes | memoryview, /) -> list[bytes]:
        whole = bytes(octets)
        return [whole[at : at + 16] for at in range(0, len(whole), 16)]


U32: Codec[int] = _U32()
IP_ADDRESS: Codec[bytes] = _IpAddress()
