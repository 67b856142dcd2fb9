"""Writes BTF by hand, so that the reader and the generator are tested without a compiler."""

import struct
from dataclasses import dataclass, field

from tools.btf import BtfKind


@dataclass
class BtfWriter:
    """Types are numbered from 1 in the order they are added; each call returns its number."""

    count: int = 0
    types: bytes = b""
    text: bytes = b"\0"
    names: dict[str, int] = field(default_factory=dict)

    def _name(self, name: str) -> int:
        if not name:
            return 0
        if name not in self.names:
            self.names[name] = len(self.text)
            self.text += name.encode() + b"\0"
        return self.names[name]

    def add(
        self,
        kind: BtfKind | int,
        name: str = "",
        *,
        link: int = 0,
        vlen: int = 0,
        trailer: bytes = b"",
    ) -> int:
        """Add a type as it lies in the section."""
        self.types += struct.pack("=III", self._name(name), kind << 24 | vlen, link) + trailer
        self.count += 1
        return self.count

    def integer(self, name: str, size: int) -> int:
        """An unsigned integer of `size` bytes."""
        return self.add(BtfKind.INT, name, link=size, trailer=struct.pack("=I", size * 8))

    def typedef(self, name: str, target: int) -> int:
        """Another name."""
        return self.add(BtfKind.TYPEDEF, name, link=target)

    def pointer(self, target: int) -> int:
        """A pointer."""
        return self.add(BtfKind.PTR, link=target)

    def array(self, element: int, length: int) -> int:
        """An array; the index's type is the element's, which nobody reads."""
        trailer = struct.pack("=III", element, element, length)
        return self.add(BtfKind.ARRAY, trailer=trailer)

    def record(self, name: str, size: int, members: list[tuple[str, int, int]]) -> int:
        """A struct; members as name, type and offset in bytes."""
        trailer = b"".join(
            struct.pack("=III", self._name(member), type_id, offset * 8)
            for member, type_id, offset in members
        )
        return self.add(BtfKind.STRUCT, name, link=size, vlen=len(members), trailer=trailer)

    def enum(self, name: str, **values: int) -> int:
        """An enum of 32 bits."""
        trailer = b"".join(struct.pack("=II", self._name(n), v) for n, v in values.items())
        return self.add(BtfKind.ENUM, name, link=4, vlen=len(values), trailer=trailer)

    def section(self, name: str, variables: list[tuple[str, int, int]]) -> int:
        """A data section; variables as name, type and offset."""
        numbers = [
            (self.add(BtfKind.VAR, variable, link=type_id, trailer=struct.pack("=I", 1)), offset)
            for variable, type_id, offset in variables
        ]
        trailer = b"".join(struct.pack("=III", number, at, 0) for number, at in numbers)
        return self.add(BtfKind.DATASEC, name, vlen=len(numbers), trailer=trailer)

    def octets(self) -> bytes:
        """Return the section."""
        header = struct.pack(
            "=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.text)
        )
        return header + self.types + self.text

    def elf(self) -> bytes:
        """Return the smallest ELF file that holds the section."""
        btf, names = self.octets(), b"\0.BTF\0.shstrtab\0"
        btf_at, names_at = 64, 64 + len(btf)
        sections = [
            struct.pack("=IIQQQQIIQQ", *([0] * 10)),
            struct.pack("=IIQQQQIIQQ", 1, 1, 0, 0, btf_at, len(btf), 0, 0, 1, 0),
            struct.pack("=IIQQQQIIQQ", 6, 3, 0, 0, names_at, len(names), 0, 0, 1, 0),
        ]
        head = (
            b"\x7fELF\x02"
            + bytes(11)
            + struct.pack(
                "=HHIQQQIHHHHHH", 1, 247, 1, 0, 0, names_at + len(names), 0, 64, 0, 0, 64, 3, 2
            )
        )
        return head + btf + names + b"".join(sections)
