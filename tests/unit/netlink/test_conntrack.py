"""`netlink/conntrack.py`: whose connections the stack translates."""

import struct
from ipaddress import ip_address

import pytest

from ciliate.net.address import to_octets
from ciliate.netlink.conntrack import translated_source
from ciliate.netlink.message import Message, attribute, nested

SEEN_REPLY, SRC_NAT = 1 << 1, 1 << 4
ESTABLISHED, TIME_WAIT, CLOSE = 3, 7, 8


def entry(source: str, *, status: int, tcp_state: int | None = None) -> Message:
    """A connection as the kernel tells of it, opened by `source`."""
    address = ip_address(source)
    of_source = attribute(1 if address.version == 4 else 3, address.packed)
    body = bytes(4) + nested(1, nested(1, of_source)) + attribute(3, struct.pack("!I", status))
    if tcp_state is not None:
        body += nested(4, nested(1, attribute(1, bytes([tcp_state]))))
    return Message(0x100, 0, 1, body)


@pytest.mark.parametrize("source", ["10.244.0.7", "fd00:244::7"])
def test_connection_whose_source_is_changed_is_of_who_opened_it(source: str) -> None:
    found = translated_source(entry(source, status=SEEN_REPLY | SRC_NAT, tcp_state=ESTABLISHED))

    assert found == to_octets(ip_address(source))


@pytest.mark.parametrize(
    "message",
    [
        entry("10.244.0.7", status=SEEN_REPLY),
        entry("10.244.0.7", status=SEEN_REPLY | SRC_NAT, tcp_state=TIME_WAIT),
        entry("10.244.0.7", status=SEEN_REPLY | SRC_NAT, tcp_state=CLOSE),
        Message(0x100, 0, 1, bytes(4)),
    ],
    ids=["not changed", "time wait", "closed", "empty"],
)
def test_others_are_nobodys(message: Message) -> None:
    assert translated_source(message) is None
