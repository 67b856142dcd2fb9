"""`netlink/nftables_monitor.py`: whose announcements are told."""

import struct

import pytest

from ciliate.netlink.nftables_monitor import concerns

NFTABLES = 10 << 8
NEW_TABLE, DEL_RULE, NEW_GENERATION = 0, 8, 15


def announcement(kind: int, first_attribute: bytes) -> bytes:
    """One message of the kernel: header, family and version, an attribute of kind 1."""
    attribute = struct.pack("=HH", 4 + len(first_attribute), 1) + first_attribute
    attribute += bytes(-len(attribute) % 4)
    length = 16 + 4 + len(attribute)
    return struct.pack("=IHHII", length, kind, 0, 0, 0) + bytes(4) + attribute


@pytest.mark.parametrize(
    ("datagram", "is_told"),
    [
        (announcement(NFTABLES | NEW_TABLE, b"ciliate\0"), True),
        (announcement(NFTABLES | DEL_RULE, b"ciliate\0"), True),
        (announcement(NFTABLES | DEL_RULE, b"ciliate-of-others\0"), False),
        (announcement(NFTABLES | NEW_GENERATION, struct.pack(">I", 7)), False),
        (announcement(1 << 8, b"ciliate\0"), False),
        (b"", False),
    ],
    ids=["table", "rule", "another table", "generation", "another subsystem", "nothing"],
)
def test_only_changes_of_that_table_are_told(datagram: bytes, *, is_told: bool) -> None:
    assert concerns(datagram, "ciliate") is is_told


def test_one_change_among_others_of_a_datagram_is_told() -> None:
    others = announcement(NFTABLES | NEW_TABLE, b"kube-proxy\0")

    assert concerns(others + announcement(NFTABLES | DEL_RULE, b"ciliate\0"), "ciliate")
