"""Framing: what is packed comes back, and the kernel's answers are understood."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from ciliate.netlink.message import (
    Message,
    Request,
    acknowledgement,
    attribute,
    attributes,
    frame,
    messages,
    nested,
    number,
    text,
    to_number,
    to_text,
)
from ciliate.netlink.numbers import NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_ERROR

_KINDS = st.integers(min_value=1, max_value=0x3FFF)


@given(st.dictionaries(_KINDS, st.binary(max_size=64)))
def test_attributes_survive_packing(wanted: dict[int, bytes]) -> None:
    packed = b"".join(attribute(kind, payload) for kind, payload in wanted.items())

    assert len(packed) % 4 == 0
    assert attributes(packed) == wanted


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_frames_of_a_batch_are_told_apart(bodies: list[bytes]) -> None:
    batch = b"".join(
        frame(Request(16, body, "test", "x"), sequence=n, more_flags=NLM_F_ACK)
        for n, body in enumerate(bodies)
    )

    found = list(messages(batch))

    assert [message.body for message in found] == bodies
    assert [message.sequence for message in found] == list(range(len(bodies)))


@given(st.binary(max_size=256))
def test_no_octets_from_the_kernel_hang_or_break_the_parser(noise: bytes) -> None:
    for message in messages(noise):
        attributes(message.body)
    attributes(noise)


def test_nested_text_and_numbers_are_read_back() -> None:
    outer = nested(18, text(1, "veth"), number(2, 0xFFFFFFF2))

    inner = attributes(attributes(outer)[18])

    assert to_text(inner[1]) == "veth"
    assert to_number(inner[2]) == 0xFFFFFFF2


def test_success_is_errno_zero() -> None:
    body = struct.pack("=iIHHII", 0, 16, 16, 5, 1, 0)

    assert acknowledgement(Message(NLMSG_ERROR, NLM_F_CAPPED, 1, body)) == (0, "")


def test_kernels_words_are_found_behind_a_capped_request() -> None:
    words = attribute(1, b"Device does not exist\0")
    body = struct.pack("=iIHHII", -19, 400, 16, 5, 1, 0) + words
    flags = NLM_F_CAPPED | NLM_F_ACK_TLVS

    assert acknowledgement(Message(NLMSG_ERROR, flags, 1, body)) == (19, "Device does not exist")


def test_kernels_words_are_found_behind_a_whole_request() -> None:
    request = frame(Request(16, b"12345", "test", "x"), sequence=1)
    body = struct.pack("=i", -22) + request + attribute(1, b"bad\0")

    assert acknowledgement(Message(NLMSG_ERROR, NLM_F_ACK_TLVS, 1, body)) == (22, "bad")
