"""How a key or value of a map becomes octets and back.

The classes of `layout.py` are codecs themselves (the class object is); here are the scalars.
"""

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

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


class _U8:
    """A number of one octet: a flag."""

    SIZE = 1

    def pack(self, value: int, /) -> bytes:
        return bytes((value,))

    def unpack(self, octets: bytes, /) -> int:
        return octets[0]

    def unpack_many(self, octets: bytes | memoryview, /) -> list[int]:
        return list(octets)


class _U32:
    """A 32-bit number of the host's byte order: an ifindex, an array's index."""

    SIZE = 4

    def pack(self, value: int, /) -> bytes:
        return value.to_bytes(4, sys.byteorder)

    def unpack(self, octets: bytes, /) -> int:
        return int.from_bytes(octets, sys.byteorder)

    def unpack_many(self, octets: bytes | memoryview, /) -> list[int]:
        return memoryview(octets).cast("I").tolist()


class Octets:
    """Octets of a size as they are: for code that moves entries without knowing what they mean."""

    def __init__(self, size: int) -> None:
        self.SIZE: Final = size

    def pack(self, value: bytes, /) -> bytes:
        """Return the octets of `value`."""
        if len(value) != self.SIZE:
            raise ValueError(f"{self.SIZE} octets are wanted, not {len(value)}")
        return value

    def unpack(self, octets: bytes, /) -> bytes:
        """Return the value that `octets` hold."""
        return octets

    def unpack_many(self, octets: bytes | memoryview, /) -> list[bytes]:
        """Return the values that lie one after another in `octets`."""
        whole = bytes(octets)
        return [whole[at : at + self.SIZE] for at in range(0, len(whole), self.SIZE)]


class Fields:
    """Records as `struct` reads them, a plain tuple each: for walks of large maps, read only once.

    The classes of `layout.py` take six to eight times as long.
    """

    def __init__(self, form: str) -> None:
        self._struct = struct.Struct(form)
        self.SIZE: Final = self._struct.size

    def pack(self, value: tuple[Any, ...], /) -> bytes:
        """Return the octets of `value`."""
        return self._struct.pack(*value)

    def unpack(self, octets: bytes, /) -> tuple[Any, ...]:
        """Return the value that `octets` hold."""
        return self._struct.unpack(octets)

    def unpack_many(self, octets: bytes | memoryview, /) -> list[tuple[Any, ...]]:
        """Return the values that lie one after another in `octets`."""
        return list(self._struct.iter_unpack(octets))


class Record(Protocol):
    """A generated class: its fields in the order of their octets, as numpy names their types."""

    @property
    def DTYPE(self) -> list[tuple[str, str]]:  # noqa: N802 - a constant of the generated classes.
        """Names, and types such as "=u4" and "V16", which end with their size."""


@dataclass(frozen=True, slots=True)
class OctetTest:
    """Which values are meant, by one octet of each: so that others need not be decoded."""

    at: int
    passes: bytes  # 256 octets: 1 for those that are meant.

    @classmethod
    def of_lowest(cls, record: Record, field: str, passes: Callable[[int], bool]) -> "OctetTest":
        """Return the test of the lowest octet of a number in a record."""
        at = 0
        for name, kind in record.DTYPE:
            size = int(kind.lstrip("<>=uV"))
            if name == field:
                at += 0 if sys.byteorder == "little" else size - 1
                return cls(at, bytes(passes(octet) for octet in range(256)))
            at += size
        raise AssertionError(f"no field {field}")


U8: Codec[int] = _U8()
U32: Codec[int] = _U32()
#: The 16 octets of `struct ip_address` as they are: see ciliate.net.address.
IP_ADDRESS: Codec[bytes] = Octets(16)
