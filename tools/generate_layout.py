"""Write what Python knows of the datapath from the BTF of the compiled programs.

    make generate                                   # compile, then write
    python -m tools.generate_layout --check OBJ...  # exit 1 when a file is stale (CI)

bpf/abi.h, maps.h and config.h are the only place where a layout, a map's capacity or a default is
typed. `datapath/layout.py` repeats keys, values and enums. `config/datapath_defaults.py` (what
settings begin with) and `net/identity.py` (the reserved identities) stand below the datapath,
because settings and the API know them too. What BTF does not hold is said here: how a struct is
nested in Python (an address is 16 octets), which enums are sets of flags, and Cilium's wording of
the drop reasons.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.btf import Btf, BtfKind, BtfType, Member, btf_of_elf

from ciliate.datapath.shape import MapKind

SOURCES: Final = Path(__file__).parent.parent / "src/ciliate"

#: Structs that are one value in Python: their octets as they lie in memory.
OCTETS: Final = frozenset({"ip_address"})

#: Scalars of network order, and the function that turns them to and from the host's.
NETWORK_ORDER: Final = {"__be16": "ntohs", "__be32": "ntohl"}

#: Enums the agent needs; BTF loses one that no code uses, which must not go unnoticed.
ENUMS: Final = (
    "drop_reason",
    "attach_point",
    "tuple_direction",
    "interface_flag",
    "endpoint_flag",
    "ipcache_flag",
    "connection_phase",
    "connection_flag",
    "masquerade_action",
    "masquerade_bound",
    "masquerade_rule_flag",
    "masquerade_generation_flag",
    "connection_owner_number",
    "sweep_flag",
    "decision_step",
    "service_program",
    "frontend_type",
    "frontend_flag",
    "frontend_scope",
    "service_flag",
    "maglev_bound",
    "socket_peer_bound",
    "event_kind",
    "trace_point",
    "socket_point",
    "trace_reason",
    "event_flag",
    "source_file",
    "event_wanted_flag",
    "aggregation_level",
)
FLAGS: Final = frozenset(name for name in ENUMS if name.endswith("_flag"))

#: Maps of a program's own, which nobody else reads and which go with it.
PRIVATE: Final = frozenset(
    {
        "answers",
        "asks",
        "drafts",
        "ended_tuples",
        "port_searches",
        "port_sieve",
        "quotes",
        "rooms",
        "servings",
    }
)

#: Structs that are no map's value: what the agent gives a program that it runs, and records of a ring.
RECORDS: Final = ("sweep", "adoption", "tally", "event")

#: What Cilium's commands and metrics call each reason.
DROP_TEXT: Final = {
    "FORWARDED": "Success",
    "DROP_INVALID_DESTINATION_MAC": "Invalid destination mac",
    "DROP_INVALID_SOURCE_IP": "Invalid source ip",
    "DROP_INVALID_PACKET": "Invalid packet",
    "DROP_UNSUPPORTED_L3_PROTOCOL": "Unsupported L3 protocol",
    "DROP_MISSED_TAIL_CALL": "Missed tail call",
    "DROP_WRITE_ERROR": "Error writing to packet",
    "DROP_NO_TUNNEL_KEY": "Error retrieving tunnel key",
    "DROP_UNKNOWN_L3_TARGET": "Unknown L3 target address",
    "DROP_STALE_OR_UNROUTABLE_IP": "Stale or unroutable IP",
    "DROP_L3_CHECKSUM": "Error while correcting L3 checksum",
    "DROP_L4_CHECKSUM": "Error while correcting L4 checksum",
    "DROP_CONNECTION_NOT_MADE": "CT: Map insertion failed",
    "DROP_INVALID_IPV6_EXTENSION": "Invalid IPv6 extension header",
    "DROP_NO_BACKEND": "Service backend not found",
    "DROP_NO_TUNNEL_ENDPOINT": "No tunnel/encapsulation endpoint (datapath BUG!)",
    "DROP_UNKNOWN_ENDPOINT": "No configuration available to perform policy decision",
    "DROP_UNSUPPORTED_L2_PROTOCOL": "Unsupported L2 protocol",
    "DROP_NAT_NO_MAPPING": "No mapping for NAT masquerade",
    "DROP_NAT_UNSUPPORTED_PROTOCOL": "Unsupported protocol for NAT masquerade",
    "DROP_ENCAPSULATION_PROHIBITED": "Encapsulation traffic is prohibited",
    "DROP_INVALID_IDENTITY": "Invalid identity",
    "DROP_UNKNOWN_SENDER": "Unknown sender",
    "DROP_CLUSTER_IP_FROM_OUTSIDE": "Is a ClusterIP",
    "DROP_FRAGMENT_NOT_FOUND": "First logical datagram fragment not found",
    "DROP_FORBIDDEN_ICMPV6": "Forbidden ICMPv6 message",
    "DROP_NOT_IN_SOURCE_RANGE": "Denied by LB src range check",
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


DEFAULTS_HEADER: Final = '''\
"""Defaults of the datapath's settings. Generated by tools/generate_layout.py: do not edit.

They stand in bpf/config.h and bpf/maps.h.
"""

from collections.abc import Mapping
from typing import Final

__all__ = [
    "MAGLEV_CELLS_DEFAULT",
    "MAP_ENTRIES",
    "NODE_PORT_MAX",
    "NODE_PORT_MIN",
    "SNAT_PORT_MAX",
    "SNAT_PORT_MIN",
]

'''


IDENTITY_HEADER: Final = '''\
"""Identities that every cluster has. Generated by tools/generate_layout.py: do not edit.

They stand in bpf/abi.h; the numbers are Cilium's.
"""

from enum import IntEnum

__all__ = ["ReservedIdentity"]


'''

IDENTITY_LABEL: Final = '''\

    @property
    def label(self) -> str:
        """The label that stands for it: "reserved:host"."""
        return f"reserved:{self.name.lower().replace('_', '-')}"
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
                if name not in PRIVATE:
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


def render_enum(enum: BtfType, *, flags: bool, prefix: str = "") -> Iterator[str]:
    """Yield the class of one enum, its names without `prefix`.

    A closing COUNT is kept, since keys are made with it.
    """
    yield f"class {camel(enum.name)}({'IntFlag' if flags else 'IntEnum'}):"
    yield f'    """enum {enum.name}."""'
    yield ""
    for name, value in enum.values:
        yield f"    {name.removeprefix(prefix)} = {value}"


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


def read_declaration(btf: Btf, variable: Member) -> tuple[dict[str, int], dict[str, int]]:
    """Return numbers and sizes of a map's declaration in `.maps`, read as libbpf reads it."""
    numbers, sizes = {"map_flags": 0}, {}
    for member in btf.resolve(variable.type_id).members:
        target = btf.resolve(member.type_id).link
        if member.name in {"key", "value"}:
            sizes[member.name] = btf.size(target)
        else:
            numbers[member.name] = btf.resolve(target).length
    return numbers, sizes


def render_shape(name: str, btf: Btf, variable: Member) -> str:
    """Return one line of MAP_SHAPES."""
    numbers, sizes = read_declaration(btf, variable)
    kind = MapKind(numbers["type"])
    return (
        f'    "{name}": MapShape(MapKind.{kind.name}, {sizes.get("key", 0)}, {sizes.get("value", 0)}, '
        f"{numbers.get('max_entries', 0)}, {numbers['map_flags']:#x}),"
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
    for btf in types.objects:
        for name in RECORDS:
            named = btf.named(BtfKind.STRUCT, name)
            if named is not None:
                found.setdefault(name, (btf, named))
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


def render_defaults(objects: list[Path]) -> str:
    """Return the text of datapath_defaults.py."""
    types = Types(objects)
    lines = [DEFAULTS_HEADER + "#: Ports of masqueraded flows, both inclusive."]
    lines += [f"{name}: Final = {value}" for name, value in types.enum("snat_port").values]
    lines += ["", "#: Node ports, both inclusive."]
    lines += [f"{name}: Final = {value}" for name, value in types.enum("node_port").values]
    lines += ["", "#: Cells of a Maglev table."]
    lines += [f"{name}: Final = {value}" for name, value in types.enum("maglev_default").values]
    lines += [
        "",
        "#: How many entries each map has room for.",
        "MAP_ENTRIES: Final[Mapping[str, int]] = {",
    ]
    for name, (btf, variable) in types.maps().items():
        entries = read_declaration(btf, variable)[0].get("max_entries")
        if entries is not None:  # What lies in sockets has no number.
            lines.append(f'    "{name}": {entries},')
    return "\n".join([*lines, "}", ""])


def render_identities(objects: list[Path]) -> str:
    """Return the text of identity.py."""
    enum = Types(objects).enum("reserved_identity")
    lines = render_enum(enum, flags=False, prefix="IDENTITY_")
    return IDENTITY_HEADER + "\n".join([*lines, IDENTITY_LABEL])


#: The files, and what makes the text of each.
OUTPUTS: Final[Mapping[Path, Callable[[list[Path]], str]]] = {
    SOURCES / "datapath/layout.py": render,
    SOURCES / "config/datapath_defaults.py": render_defaults,
    SOURCES / "net/identity.py": render_identities,
}


def main() -> int:
    """Write the files, or with --check compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("objects", nargs="+", type=Path, help="compiled *.bpf.o files")
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    options = parser.parse_args()
    try:
        texts = {path: render_text(options.objects) for path, render_text in OUTPUTS.items()}
    except UnsupportedLayoutError as error:
        print(f"generate_layout: {error}", file=sys.stderr)
        return 1
    stale = {p: text for p, text in texts.items() if not p.exists() or p.read_text() != text}
    for path, text in stale.items():
        if options.check:
            print(f"{path} is stale: run `make generate`", file=sys.stderr)
        else:
            path.write_text(text)
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
