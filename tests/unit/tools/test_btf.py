"""tools/btf.py."""

import pytest
from tests.unit.tools.btf_writer import BtfWriter
from tools.btf import Btf, BtfError, BtfKind, btf_of_elf


def test_types_are_found_by_kind_and_name() -> None:
    writer = BtfWriter()
    writer.enum("color", RED=1, BLUE=7)

    found = Btf(writer.octets()).named(BtfKind.ENUM, "color")

    assert found is not None
    assert found.values == (("RED", 1), ("BLUE", 7))
    assert Btf(writer.octets()).named(BtfKind.STRUCT, "color") is None


def test_sizes_go_through_typedefs_arrays_and_pointers() -> None:
    writer = BtfWriter()
    u32 = writer.integer("unsigned int", 4)
    be32 = writer.typedef("__be32", writer.typedef("__u32", u32))
    words = writer.array(be32, 4)
    address = writer.record("ip_address", 16, [("words", words, 0)])
    pointer = writer.pointer(address)

    btf = Btf(writer.octets())

    assert [btf.size(each) for each in (u32, be32, words, address, pointer)] == [4, 4, 16, 16, 8]
    assert btf.typedef_names(be32) == ["__be32", "__u32"]
    assert btf.resolve(be32).name == "unsigned int"


def test_variables_of_a_section_have_their_own_names_and_offsets() -> None:
    writer = BtfWriter()
    u8 = writer.integer("unsigned char", 1)
    constant = writer.add(BtfKind.CONST, link=writer.add(BtfKind.VOLATILE, link=u8))
    writer.section(".rodata", [("masquerade_v4", constant, 0), ("verify_source", constant, 1)])

    btf = Btf(writer.octets())

    found = btf.section(".rodata")
    assert [(name, at.offset, btf.size(at.type_id)) for name, at in found.items()] == [
        ("masquerade_v4", 0, 1),
        ("verify_source", 1, 1),
    ]
    assert btf.section(".data") == {}


def test_btf_is_found_in_an_object_file() -> None:
    writer = BtfWriter()
    writer.enum("color", RED=1)
    assert btf_of_elf(writer.elf()).named(BtfKind.ENUM, "color") is not None


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (b"", "less than a BTF header"),
        (bytes(24), "magic 0x0"),
    ],
)
def test_what_is_no_btf_is_refused(octets: bytes, complaint: str) -> None:
    with pytest.raises(BtfError, match=complaint):
        Btf(octets)


def test_an_unknown_kind_is_refused_since_its_size_is_not_known() -> None:
    writer = BtfWriter()
    writer.add(31, "future")
    with pytest.raises(BtfError, match="kind 31"):
        Btf(writer.octets())


def test_an_endless_chain_of_typedefs_is_refused() -> None:
    writer = BtfWriter()
    writer.typedef("loop", 1)
    with pytest.raises(BtfError, match="typedefs in a row"):
        Btf(writer.octets()).resolve(1)


def test_an_object_without_btf_says_what_to_do() -> None:
    octets = BtfWriter().elf().replace(b".BTF", b".BAD")
    with pytest.raises(BtfError, match="compile with -g"):
        btf_of_elf(octets)
    with pytest.raises(BtfError, match="not a 64-bit ELF"):
        btf_of_elf(b"#!/bin/sh")
