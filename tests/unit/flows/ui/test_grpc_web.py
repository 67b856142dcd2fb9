"""`flows/ui/grpc_web.py`: frames of gRPC-Web, and bodies that are none."""

import struct

import pytest

from ciliate.flows.ui.grpc_web import FrameError, message_frame, message_of, trailers_frame


def test_message_of_a_request_comes_back_out_of_its_frame() -> None:
    assert message_of(message_frame(b"\x18\x01")) == b"\x18\x01"
    assert message_of(message_frame(b"")) == b""


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "shorter than a frame's head"),
        (b"\0\0\0\0", "shorter than a frame's head"),
        (b"\0\0\0\0\2x", "says 2 octets, 1 follow"),
        (b"\0\0\0\0\0x", "says 0 octets, 1 follow"),
        (b"\0\xff\xff\xff\xffx", "says 4294967295 octets, 1 follow"),
        (b"\1\0\0\0\1x", "flags 0x1"),
        (b"\x80\0\0\0\1x", "flags 0x80"),
    ],
)
def test_what_is_no_frame_of_a_request_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(FrameError, match=problem):
        message_of(body)


def test_trailers_are_headers_in_a_frame_of_their_own() -> None:
    frame = trailers_frame(14, "no relay")

    flags, length = struct.unpack_from(">BI", frame)
    assert (flags, length) == (0x80, len(frame) - 5)
    assert frame[5:] == b"grpc-status: 14\r\ngrpc-message: no relay\r\n"


def test_details_cannot_add_a_header() -> None:
    frame = trailers_frame(3, "100 %\r\ngrpc-status: 0 é")

    assert frame[5:].split(b"\r\n") == [
        b"grpc-status: 3",
        b"grpc-message: 100 %25%0D%0Agrpc-status: 0 %C3%A9",
        b"",
    ]
