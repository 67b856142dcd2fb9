"""`net/icmp.py`: messages are called as packet decoders call them."""

import pytest

from ciliate.net.icmp import message_name
from ciliate.net.protocol import ICMP, ICMPV6


@pytest.mark.parametrize(
    ("protocol", "kind", "code", "name"),
    [
        (ICMP, 8, 0, "EchoRequest"),
        (ICMP, 0, 0, "EchoReply"),
        (ICMPV6, 128, 0, "EchoRequest"),
        (ICMPV6, 129, 0, "EchoReply"),
        (ICMPV6, 135, 0, "NeighborSolicitation"),
        (ICMPV6, 136, 0, "NeighborAdvertisement"),
        (ICMPV6, 2, 0, "PacketTooBig"),
    ],
)
def test_message_without_kinds_of_its_own_has_one_word(
    protocol: int, kind: int, code: int, name: str
) -> None:
    assert message_name(protocol, kind, code) == name


@pytest.mark.parametrize(
    ("protocol", "kind", "code", "name"),
    [
        (ICMP, 3, 3, "DestinationUnreachable(Port)"),
        (ICMP, 3, 4, "DestinationUnreachable(FragmentationNeeded)"),
        (ICMP, 11, 0, "TimeExceeded(TTLExceeded)"),
        (ICMPV6, 1, 4, "DestinationUnreachable(PortUnreachable)"),
        (ICMPV6, 3, 0, "TimeExceeded(HopLimitExceeded)"),
    ],
)
def test_code_is_named_where_it_tells_more(protocol: int, kind: int, code: int, name: str) -> None:
    assert message_name(protocol, kind, code) == name


def test_what_has_no_name_is_told_by_numbers() -> None:
    assert message_name(ICMP, 3, 200) == "DestinationUnreachable(200)"
    assert message_name(ICMP, 42, 7) == "42(7)"
    assert message_name(ICMPV6, 8, 0) == "8(0)", "a number of version 4 names nothing in version 6"
