"""Write `src/ciliate/datapath/layout.py` from the BTF of the compiled datapath.

    make generate                                   # compile, then write
    python -m tools.generate_layout --check OBJ...  # exit 1 when the file is stale (CI)

bpf/abi.h and bpf/maps.h are the only place where a layout is typed. What BTF cannot tell is said
here: how a struct is nested in Python (an address is 16 octets), which enums are sets of flags,
and Cilium's wording of the drop reasons.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.btf import Btf, BtfKind, BtfType, Member, btf_of_elf

from ciliate.datapath.shape import MapKind

OUTPUT: Final = Path(__file__).parent.parent / "src/ciliate/datapath/layout.py"

#: Structs that are one value in Python: their octets as they lie in memory.
OCTETS: Final = frozenset({"ip_address"})

#: Scalars of network order, and the function that turns them to and from the host's.
NETWORK_ORDER: Final = {"__be16": "ntohs", "__be32": "ntohl"}

#: Enums the agent needs; BTF loses one that no code uses, which must not go unnoticed.
ENUMS: Final = (
    "reserved_identity",
    "drop_reason",
    "attach_point",
    "tuple_direction",
    "interface_flag",
    "endpoint_flag",
    "ipcache_flag",
    "connection_flag",
)
FLAGS: Final = frozenset({"interface_flag", "endpoint_flag", "ipcache_flag", "connection_flag"})

#: What Cilium's commands and metrics call each reason.
DROP_TEXT: Final = {
    "FORWARDED": "Success",
    "DROP_INVALID_SOURCE_IP": "Invalid source ip",
    "DROP_INVALID_PACKET": "Invalid packet",
    "DROP_UNSUPPORTED_L3_PROTOCOL": "Unsupported L3 protocol",
    "DROP_WRITE_ERROR": "Error writing to packet",
    "DROP_UNKNOWN_L3_TARGET": "Unknown L3 target address",
    "DROP_STALE_OR_UNROUTABLE_IP": "Stale or unroutable IP",
    "DROP_L3_CHECKSUM": "Error while correcting L3 checksum",
    "DROP_L4_CHECKSUM": "Error while correcting L4 checksum",
    "DROP_INVALID_IPV6_EXTENSION": "Invalid IPv6 extension header",
    "DROP_UNKNOWN_ENDPOINT": "No configuration available to perform policy decision",
    "DROP_UNSUPPORTED_L2_PROTOCOL": "Unsupported L2 protocol",
    "DROP_NAT_NO_MAPPING": "No mapping for NAT masquerade",
    "DROP_NAT_UNSUPPORTED_PROTOCOL": "Unsupported protocol for NAT masquerade",
    "DROP_FRAGMENT_NOT_FOUND": "First logical datagram fragment not found",
    "DROP_FORBIDDEN_ICMPV6": "Forbidden ICMPv6 message",
    "DROP_VLAN_NOT_ALLOWED": "VLAN traffic disallowed by VLAN filter",
}

HEADER: Final = '''\
"""Layout of the datapath's maps. Generated from BTF by tools/generate_layout.py: do not edit.

Fields are those of bpf/abi.h without padding. An address is its 16 octets, IPv4 mapped; a value of
network order is a plain integer here. `DTYPE` is what numpy.dtype takes.
"""

import struct
from enum import IntEnum, IntFlag
from socket import htonl, htons, ntohl, ntohs
from typing import ClassVar, Final, NamedTuple

from ciliate.datapath.shape import MapKind, MapShape

__all__ = [
{exports}]
_ = htonl, ntohl  # Imported for layouts with a __be32; there may be none.
Octets = bytes  # A field may be called `bytes` and would hide the type.
'''


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a generated class: its code for `struct`, for numpy, and its byte order."""

    name: str
    code: str
    numpy: str
    python: str
    convert: str = ""  # the name of an ntoh function

    @property
    def hidden(self) -> bool:
        """Padding is written as zeros and never shown."""
        return self.name.startswith("pad")


class UnsupportedLayoutError(Exception):
    """A C type the generator has no Python form for."""


class Types:
    """The types of all objects; the same name must mean the same thing in each."""

    def __init__(self, objects: list[Path]) -> None:
        self.objects = [btf_of_elf(path.read_bytes()) for path in objects]

    def enum(self, name: str) -> BtfType:
        """Return enum `name` from the first object that kept it."""
        for btf in self.objects:
            found = btf.named(BtfKind.ENUM, name)
            if found is not None:
                return found
        raise UnsupportedLayoutError(
            f"enum {name} is in no object's BTF: use it as a type somewhere (a parameter, a cast)"
        )

    def maps(self) -> dict[str, tuple[Btf, Member]]:
        """Return every map with the object that declares it."""
        found: dict[str, tuple[Btf, Member]] = {}
        for btf in self.objects:
            for name, variable in btf.section(".maps").items():
                found.setdefault(name, (btf, variable))
        return dict(sorted(found.items()))


def camel(name: str) -> str:
    """Return the Python class name of a C type."""
    return "".join(part.capitalize() for part in name.split("_"))


def field_of(btf: Btf, member: Member) -> Field:
    """Return how one member of a struct is written in Python."""
    names, resolved = btf.typedef_names(member.type_id), btf.resolve(member.type_id)
    size = btf.size(member.type_id)
    octets = Field(member.name, f"{size}s", f"V{size}", "Octets")
    if resolved.kind is BtfKind.ARRAY or resolved.name in OCTETS:
        return octets
    if resolved.kind is not BtfKind.INT or size not in {1, 2, 4, 8}:
        raise UnsupportedLayoutError(f"{member.name}: {resolved.kind.name} {resolved.name}")
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[size]
    for name, convert in NETWORK_ORDER.items():
        if name in names:
            return Field(member.name, code, f">u{size}", "int", convert)
    return Field(member.name, code, f"=u{size}", "int")


def fields_of(btf: Btf, record: BtfType) -> list[Field]:
    """Return the fields in order; a hole that the C code did not name is an error."""
    fields, at = [], 0
    for member in record.members:
        if member.offset != at:
            raise UnsupportedLayoutError(f"struct {record.name}: hole before {member.name}")
        fields.append(field_of(btf, member))
        at += btf.size(member.type_id)
    if at != record.link:
        raise UnsupportedLayoutError(f"struct {record.name}: {record.link - at} bytes at its end")
    return fields


def render_enum(enum: BtfType, *, flags: bool) -> Iterator[str]:
    """Yield the class of one enum; a closing COUNT is kept, since keys are made with it."""
    yield f"class {camel(enum.name)}({'IntFlag' if flags else 'IntEnum'}):"
    yield f'    """enum {enum.name}."""'
    yield ""
    for name, value in enum.values:
        yield f"    {name} = {value}"


def render_record(record: BtfType, fields: list[Field]) -> Iterator[str]:
    """Yield the class of one struct: a named tuple that knows its octets."""
    name, shown = camel(record.name), [f for f in fields if not f.hidden]
    packing = "=" + "".join(f"{_length(f)}x" if f.hidden else f.code for f in fields)
    private = f"_{record.name.upper()}"
    yield f'{private}: Final = struct.Struct("{packing}")'
    yield ""
    yield ""
    yield f"class _{name}Fields(NamedTuple):"
    yield from (f"    {f.name}: {f.python}" for f in shown)
    yield ""
    yield ""
    yield f"class {name}(_{name}Fields):"
    yield f'    """struct {record.name}, {record.link} bytes."""'
    yield ""
    yield "    __slots__ = ()"
    yield f'    FORMAT: ClassVar[str] = "{packing}"'
    yield f"    SIZE: ClassVar[int] = {record.link}"
    yield "    DTYPE: ClassVar[list[tuple[str, str]]] = ["
    yield from (f'        ("{f.name}", "{f.numpy}"),' for f in fields)
    yield "    ]"
    yield ""
    yield from _render_pack(private, shown)
    yield ""
    yield from _render_unpack(name, private, shown)


def _length(field: Field) -> int:
    return int(field.numpy[2:] if field.numpy[0] in "=>" else field.numpy[1:])


def _render_pack(private: str, shown: list[Field]) -> Iterator[str]:
    yield "    def pack(self) -> Octets:"
    yield '        """Return the octets the kernel holds."""'
    if not any(f.convert for f in shown):
        yield f"        return {private}.pack(*self)"
        return
    yield f"        return {private}.pack("
    for f in shown:
        value = f"{f.convert.replace('ntoh', 'hton')}(self.{f.name})" if f.convert else ""
        yield f"            {value or 'self.' + f.name},"
    yield "        )"


def _render_unpack(name: str, private: str, shown: list[Field]) -> Iterator[str]:
    names = ", ".join(f.name for f in shown)
    values = ", ".join(f"{f.convert}({f.name})" if f.convert else f.name for f in shown)
    plain = not any(f.convert for f in shown)  # Then the tuple itself is the value: faster.
    yield "    @classmethod"
    yield f'    def unpack(cls, octets: Octets) -> "{name}":'
    yield '        """Return the value that `octets` hold."""'
    if plain:
        yield f"        return cls._make({private}.unpack(octets))"
    else:
        yield f"        {names} = {private}.unpack(octets)"
        yield f"        return cls({values})"
    yield ""
    yield "    @classmethod"
    yield f'    def unpack_many(cls, octets: Octets | memoryview) -> "list[{name}]":'
    yield '        """Return the values that lie one after another in `octets`."""'
    if plain:
        yield f"        return list(map(cls._make, {private}.iter_unpack(octets)))"
    else:
        yield "        return ["
        yield f"            cls({values})"
        yield f"            for {names} in {private}.iter_unpack(octets)"
        yield "        ]"


def render_shape(name: str, btf: Btf, variable: Member) -> str:
    """Return one line of MAP_SHAPES: the declaration in `.maps`, read as libbpf reads it."""
    numbers, sizes = {"map_flags": 0}, {}
    for member in btf.resolve(variable.type_id).members:
        target = btf.resolve(member.type_id).link
        if member.name in {"key", "value"}:
            sizes[member.name] = btf.size(target)
        else:
            numbers[member.name] = btf.resolve(target).length
    kind = MapKind(numbers["type"])
    return (
        f'    "{name}": MapShape(MapKind.{kind.name}, {sizes["key"]}, {sizes["value"]}, '
        f"{numbers['max_entries']}, {numbers['map_flags']:#x}),"
    )


def records_of(types: Types) -> dict[str, tuple[Btf, BtfType]]:
    """Return the structs that are a key or value of some map."""
    found: dict[str, tuple[Btf, BtfType]] = {}
    for btf, variable in types.maps().values():
        for member in btf.resolve(variable.type_id).members:
            if member.name not in {"key", "value"}:
                continue
            record = btf.resolve(btf.resolve(member.type_id).link)
            if record.kind is BtfKind.STRUCT and record.name not in OCTETS:
                found.setdefault(record.name, (btf, record))
    return dict(sorted(found.items()))


def render_texts(reasons: BtfType) -> Iterator[str]:
    """Yield DROP_TEXT; a reason without wording is an error."""
    yield "#: What Cilium's commands and metrics call each reason."
    yield "DROP_TEXT: Final[dict[int, str]] = {"
    for name, value in reasons.values:
        if name.endswith("_COUNT"):
            continue
        if name not in DROP_TEXT:
            raise UnsupportedLayoutError(f"{name} has no wording in DROP_TEXT of {__file__}")
        yield f'    {value}: "{DROP_TEXT[name]}",'
    yield "}"


def render(objects: list[Path]) -> str:
    """Return the text of layout.py."""
    types = Types(objects)
    enums = [types.enum(name) for name in ENUMS]
    records = records_of(types)
    exports = sorted(["DROP_TEXT", "MAP_SHAPES", *map(camel, [*ENUMS, *records])])
    lines = [HEADER.format(exports="".join(f'    "{name}",\n' for name in exports))]
    for enum in enums:
        lines += ["", *render_enum(enum, flags=enum.name in FLAGS), ""]
    lines += ["", *render_texts(types.enum("drop_reason")), ""]
    for btf, record in records.values():
        lines += ["", *render_record(record, fields_of(btf, record)), ""]
    lines += ["", "#: bpf/maps.h as the kernel must show it.", "MAP_SHAPES: Final = {"]
    lines += [render_shape(name, btf, variable) for name, (btf, variable) in types.maps().items()]
    return "\n".join([*lines, "}", ""])


def main() -> int:
    """Write the file, or with --check compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("objects", nargs="+", type=Path, help="compiled *.bpf.o files")
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    options = parser.parse_args()
    try:
        text = render(options.objects)
    except UnsupportedLayoutError as error:
        print(f"generate_layout: {error}", file=sys.stderr)
        return 1
    old = OUTPUT.read_text() if OUTPUT.exists() else ""
    if text == old:
        return 0
    if options.check:
        print(f"{OUTPUT} is stale: run `make generate`", file=sys.stderr)
        return 1
    OUTPUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
