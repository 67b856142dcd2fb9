"""A reader of BTF, the type information the compiler leaves in an object file.

`generate_layout.py` turns the C types of bpf/abi.h into `layout.py` with it; nodes read no BTF but
through libbpf. It knows the kinds that clang emits for our C; an unknown kind is an error, since
its size could not be skipped.

Source: Documentation/bpf/btf.rst of the kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_MAGIC: Final = 0xEB9F
_HEADER: Final = struct.Struct("=HBBIIIII")
_TYPE: Final = struct.Struct("=III")
_POINTER_BYTES: Final = 8
_CHAIN_MAX: Final = 32  # Typedefs and qualifiers in a row; the kernel's own limit.


class BtfKind(IntEnum):
    """The kinds of btf.rst, section 2.2."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


#: Bytes after the common part: a fixed part, and a part for each of the `vlen` members.
_TRAILERS: Final = {
    BtfKind.VOID: (0, 0),
    BtfKind.INT: (4, 0),
    BtfKind.PTR: (0, 0),
    BtfKind.ARRAY: (12, 0),
    BtfKind.STRUCT: (0, 12),
    BtfKind.UNION: (0, 12),
    BtfKind.ENUM: (0, 8),
    BtfKind.FWD: (0, 0),
    BtfKind.TYPEDEF: (0, 0),
    BtfKind.VOLATILE: (0, 0),
    BtfKind.CONST: (0, 0),
    BtfKind.RESTRICT: (0, 0),
    BtfKind.FUNC: (0, 0),
    BtfKind.FUNC_PROTO: (0, 8),
    BtfKind.VAR: (4, 0),
    BtfKind.DATASEC: (0, 12),
    BtfKind.FLOAT: (0, 0),
    BtfKind.DECL_TAG: (4, 0),
    BtfKind.TYPE_TAG: (0, 0),
    BtfKind.ENUM64: (0, 12),
}

_TRANSPARENT: Final = frozenset(
    {
        BtfKind.TYPEDEF,
        BtfKind.VOLATILE,
        BtfKind.CONST,
        BtfKind.RESTRICT,
        BtfKind.TYPE_TAG,
        BtfKind.VAR,
    }
)


class BtfError(ValueError):
    """The bytes are not BTF, or use a kind this reader does not know."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or a variable of a section; `offset` in bytes."""

    name: str
    type_id: int
    offset: int


@dataclass(frozen=True, slots=True)
class BtfType:
    """One type; `link` is a size or another type's id, as the kind says."""

    kind: BtfKind
    name: str
    link: int
    length: int = 0  # elements of an array
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()  # of an enum


class Btf:
    """The types of one object, by id and by name."""

    def __init__(self, octets: bytes) -> None:
        if len(octets) < _HEADER.size:
            raise BtfError(f"{len(octets)} bytes are less than a BTF header")
        magic, _, _, header, type_at, type_size, text_at, text_size = _HEADER.unpack_from(octets)
        if magic != _MAGIC:
            raise BtfError(f"magic {magic:#x} is not BTF's {_MAGIC:#x}")
        self._text = octets[header + text_at : header + text_at + text_size]
        self.types = [BtfType(BtfKind.VOID, "void", 0)]
        self.types += self._read(octets[header + type_at : header + type_at + type_size])

    def _name(self, at: int) -> str:
        return self._text[at : self._text.index(b"\0", at)].decode()

    def _read(self, octets: bytes) -> Iterator[BtfType]:
        at = 0
        while at < len(octets):
            name, word, link = _TYPE.unpack_from(octets, at)
            at += _TYPE.size
            kind_number, vlen = word >> 24 & 0x1F, word & 0xFFFF
            if kind_number not in _TRAILERS:
                raise BtfError(f"kind {kind_number} at {at} is not known")
            kind = BtfKind(kind_number)
            fixed, each = _TRAILERS[kind]
            end = at + fixed + each * vlen
            bitfields = bool(word >> 31)
            yield self._decode(kind, self._name(name), link, octets[at:end], bitfields=bitfields)
            at = end

    def _decode(
        self, kind: BtfKind, name: str, link: int, trailer: bytes, *, bitfields: bool
    ) -> BtfType:
        match kind:
            case BtfKind.ARRAY:
                element, _index, length = struct.unpack("=III", trailer)
                return BtfType(kind, name, element, length=length)
            case BtfKind.STRUCT | BtfKind.UNION:
                members = tuple(
                    # With the kind flag set, the upper byte is the width of a bit field.
                    Member(self._name(n), t, (bits & 0xFFFFFF if bitfields else bits) // 8)
                    for n, t, bits in struct.iter_unpack("=III", trailer)
                )
                return BtfType(kind, name, link, members=members)
            case BtfKind.ENUM:
                pairs = struct.iter_unpack("=Ii" if bitfields else "=II", trailer)
                return BtfType(
                    kind, name, link, values=tuple((self._name(n), v) for n, v in pairs)
                )
            case BtfKind.DATASEC:
                members = tuple(
                    Member("", t, offset)  # `section` takes the name of the variable.
                    for t, offset, _size in struct.iter_unpack("=III", trailer)
                )
                return BtfType(kind, name, link, members=members)
            case _:
                return BtfType(kind, name, link)

    def named(self, kind: BtfKind, name: str) -> BtfType | None:
        """Return the first type of `kind` called `name`."""
        return next((t for t in self.types if t.kind is kind and t.name == name), None)

    def section(self, name: str) -> dict[str, Member]:
        """Return the variables of data section `name` by their names; empty when absent."""
        found = self.named(BtfKind.DATASEC, name)
        if found is None:
            return {}
        return {
            self.types[m.type_id].name: Member(self.types[m.type_id].name, m.type_id, m.offset)
            for m in found.members
        }

    def resolve(self, type_id: int) -> BtfType:
        """Return the type behind typedefs, qualifiers and a variable."""
        for _ in range(_CHAIN_MAX):
            found = self.types[type_id]
            if found.kind not in _TRANSPARENT:
                return found
            type_id = found.link
        raise BtfError(f"type {type_id}: more than {_CHAIN_MAX} typedefs in a row")

    def size(self, type_id: int) -> int:
        """Return the size of a type in bytes."""
        found = self.resolve(type_id)
        if found.kind is BtfKind.PTR:
            return _POINTER_BYTES
        if found.kind is BtfKind.ARRAY:
            return found.length * self.size(found.link)
        return found.link

    def typedef_names(self, type_id: int) -> list[str]:
        """Return the names of the typedefs a type goes through, outermost first."""
        names = []
        for _ in range(_CHAIN_MAX):
            found = self.types[type_id]
            if found.kind not in _TRANSPARENT:
                break
            if found.kind is BtfKind.TYPEDEF:
                names.append(found.name)
            type_id = found.link
        return names


def btf_of_elf(octets: bytes) -> Btf:
    """Return the BTF of a 64-bit ELF object file in this machine's byte order.

    Raises:
        BtfError: Not an ELF file, or one without a section `.BTF`.
    """
    if octets[:5] != b"\x7fELF\x02":
        raise BtfError("not a 64-bit ELF file")
    (sections_at,) = struct.unpack_from("=Q", octets, 0x28)
    entry_size, count, names_index = struct.unpack_from("=HHH", octets, 0x3A)
    headers = [
        struct.unpack_from("=IIQQQQ", octets, sections_at + entry_size * i) for i in range(count)
    ]
    names_at = headers[names_index][4]
    for name, _kind, _flags, _address, offset, size in headers:
        start = names_at + name
        if octets[start : octets.index(b"\0", start)] == b".BTF":
            return Btf(octets[offset : offset + size])
    raise BtfError("no .BTF section: compile with -g and keep it when stripping")
