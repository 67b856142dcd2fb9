"""`cli/doctor/echo_packet.py`: echoes as octets, and what comes back."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.cli.doctor.echo_packet import (
    Answer,
    ErrorAnswer,
    Question,
    checksum,
    decode_message,
    ipv4_payload,
    ipv4_pieces,
    ipv6_pieces,
    piece_bytes,
)

HERE, THERE = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
HERE6, THERE6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")


def question(version: int, size: int) -> Question:
    return Question(
        version, identifier=0x1234, number=0x5678, size=size, token=b"0123456789abcdef"
    )


def reply(message: bytes, version: int) -> bytes:
    return bytes([0 if version == 4 else 129]) + message[1:]


@pytest.mark.parametrize(("version", "header"), [(4, 20), (6, 40)])
@given(size=st.integers(88, 9000))
def test_question_has_the_size_that_was_asked_for(version: int, header: int, size: int) -> None:
    asked = question(version, size)

    assert header + len(asked.octets()) == size
    assert decode_message(version, reply(asked.octets(), version)) == Answer(
        0x1234, 0x5678, asked.content
    )


@given(size=st.integers(68, 3000))
def test_checksums_of_both_families_add_up(size: int) -> None:
    assert checksum(question(4, size).octets()) == 0
    message = question(6, size + 20).octets(HERE6, THERE6)
    pseudo = HERE6.packed + THERE6.packed + struct.pack("!II", len(message), 58)
    assert checksum(pseudo + message) == 0


@given(size=st.integers(68, 9000), passes=st.integers(68, 9000))
def test_pieces_put_together_are_the_message_and_none_is_longer(size: int, passes: int) -> None:
    message = question(4, size).octets()
    piece = piece_bytes(4, passes)
    packets = ipv4_pieces(message, source=HERE, target=THERE, identification=7, piece=piece)

    assert all(len(packet) <= passes for packet in packets)
    whole = bytearray(len(message))
    for packet in packets:
        (place,) = struct.unpack_from("!H", packet, 6)
        offset = (place & 0x1FFF) * 8
        whole[offset : offset + len(packet) - 20] = packet[20:]
        assert bool(place & 0x2000) == (packet is not packets[-1])
    assert whole == message


@given(size=st.integers(88, 9000), passes=st.integers(88, 9000))
def test_pieces_of_ipv6_leave_room_for_both_headers(size: int, passes: int) -> None:
    message = question(6, size).octets(HERE6, THERE6)
    packets = ipv6_pieces(message, identification=7, piece=piece_bytes(6, passes))

    assert all(40 + len(packet) <= passes for packet in packets)
    assert b"".join(packet[8:] for packet in packets) == message
    offsets = [struct.unpack_from("!H", packet, 2)[0] for packet in packets]
    assert [offset & 1 for offset in offsets] == [1] * (len(packets) - 1) + [0]


def test_router_that_needs_fragmentation_tells_mtu_and_question() -> None:
    inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 1, 0, HERE.packed, THERE.packed)
    quoted = inner + question(4, 1500).octets()[:8]

    told = decode_message(4, struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + quoted)
    other = decode_message(4, struct.pack("!BBHHH", 3, 1, 0, 0, 0) + quoted)

    assert told == ErrorAnswer(0x1234, 0x5678, THERE, 1400)
    assert other == ErrorAnswer(0x1234, 0x5678, THERE, None)


def test_packet_too_big_tells_mtu_and_question() -> None:
    inner = struct.pack("!IHBB16s16s", 6 << 28, 0, 58, 64, HERE6.packed, THERE6.packed)
    quoted = inner + question(6, 1500).octets(HERE6, THERE6)[:100]

    told = decode_message(6, struct.pack("!BBHI", 2, 0, 0, 1280) + quoted)

    assert told == ErrorAnswer(0x1234, 0x5678, THERE6, 1280)


@given(octets=st.binary(max_size=120), version=st.sampled_from((4, 6)))
def test_no_octets_of_others_are_taken_for_more_than_they_are(octets: bytes, version: int) -> None:
    found = decode_message(version, octets)

    assert found is None or len(octets) >= 8
    assert len(ipv4_payload(octets)) <= len(octets)


@pytest.mark.parametrize("cut", [1, 8, 20, 27])
def test_error_that_quotes_too_little_is_nobodys(cut: int) -> None:
    inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 1, 0, HERE.packed, THERE.packed)
    quoted = inner + question(4, 1500).octets()[:8]

    assert decode_message(4, struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + quoted[:cut]) is None
