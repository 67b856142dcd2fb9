import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lab.kubelet.spdy.client import ClientCodec

from ciliate.lab.kubelet.spdy import frames
from ciliate.lab.kubelet.spdy.decode import CONTROL_BYTES_MAX, Decoder
from ciliate.lab.kubelet.spdy.errors import SpdyError
from ciliate.lab.kubelet.spdy.frames import Data, Frame, GoAway, Opened, Ping, Reset
from ciliate.lab.kubelet.spdy.header_block import (
    BLOCK_BYTES_MAX,
    DICTIONARY,
    BlockReader,
    BlockWriter,
)

#: PING 1, as the draft draws it: version 3, type 6, no flags, four octets.
PING_1 = bytes.fromhex("80030006 00000004 00000001")


def control(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack(">II", 0x8000_0000 | version << 16 | kind, len(body)) + body


def conversation() -> bytes:
    codec = ClientCodec()
    return b"".join(
        [
            codec.open_silent(1, streamtype="error"),
            codec.open(3, streamtype="stdin"),
            control(4, b"\0" * 4),  # SETTINGS
            control(9, b"\0" * 8),  # WINDOW_UPDATE
            control(77, b"unknown"),
            PING_1,
            frames.data(3, b"hello"),
            frames.data(3, b"", fin=True),
            frames.rst_stream(1, frames.ResetStatus.CANCEL),
            frames.goaway(0, frames.GoAwayStatus.OK),
        ]
    )


EXPECTED: list[Frame] = [
    Opened(1, {"streamtype": "error"}, fin=True),
    Opened(3, {"streamtype": "stdin"}, fin=False),
    Ping(1),
    Data(3, b"hello", fin=False),
    Data(3, b"", fin=True),
    Reset(1),
    GoAway(),
]


def whole(came: list[Frame]) -> list[Frame]:
    """Join the pieces of a data frame."""
    joined: list[Frame] = []
    for frame in came:
        last = joined[-1] if joined else None
        if isinstance(frame, Data) and isinstance(last, Data) and frame.octets and not last.fin:
            joined[-1] = Data(frame.stream, last.octets + frame.octets, frame.fin)
        else:
            joined.append(frame)
    return joined


def test_frames_are_read_and_those_without_meaning_here_passed_over() -> None:
    assert Decoder().feed(conversation()) == EXPECTED


@given(st.lists(st.integers(1, 40), max_size=40))
def test_it_does_not_matter_how_octets_are_cut(lengths: list[int]) -> None:
    octets, decoder, came = conversation(), Decoder(), list[Frame]()
    for length in lengths:
        came += decoder.feed(octets[:length])
        octets = octets[length:]

    assert whole(came + decoder.feed(octets)) == EXPECTED


def test_a_long_data_frame_is_passed_on_in_pieces() -> None:
    decoder = Decoder()
    head = struct.pack(">II", 5, 1 << 24 | 16_000_000)

    pieces = [decoder.feed(octets) for octets in (head + b"ab", b"cd")]

    assert pieces == [[Data(5, b"ab", fin=False)], [Data(5, b"cd", fin=False)]]


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2"),
        (control(1, b"\0" * (CONTROL_BYTES_MAX + 1)), "is the bound"),
        (control(1, b"\0\0\0\1\0\0\0\0\0\0no zlib stream"), "decompressed"),
        (control(3, b"\0"), "ends after 1 bytes"),
        (control(6, b""), "ends after 0 bytes"),
    ],
)
def test_what_is_no_spdy_is_refused(octets: bytes, problem: str) -> None:
    with pytest.raises(SpdyError, match=problem):
        Decoder().feed(octets)


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        Decoder().feed(octets)
    except SpdyError:
        return


def test_the_dictionary_is_the_drafts() -> None:
    """Its Adler-32 stands in the first block of every SPDY/3 connection: 78 bb e3 c6 a7 c2."""
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2
    assert BlockWriter().write({})[2:6].hex() == "e3c6a7c2"


@given(st.lists(st.dictionaries(st.from_regex("[a-z]{1,9}", fullmatch=True), st.text("aZ0. "))))
def test_blocks_are_read_as_they_were_written(blocks: list[dict[str, str]]) -> None:
    writer, reader = BlockWriter(), BlockReader()

    assert [reader.read(writer.write(block)) for block in blocks] == blocks


def packed(block: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=DICTIONARY)
    return deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (b"\0" * (BLOCK_BYTES_MAX + 1), "more than"),
        (b"\0" * 8_000_000, "more than"),
        (b"\xff\xff\xff\xff", "is the bound"),
        (b"\0\0\0\1\0\0\0\4a", "within a pair"),
        (b"\0\0\0\1\0\0\0\1a", "within a number"),
        (b"\0\0", "within a number"),
        (b"\0\0\0\0behind", "behind its last pair"),
    ],
)
def test_a_block_that_lies_or_swells_is_refused(block: bytes, problem: str) -> None:
    with pytest.raises(SpdyError, match=problem):
        BlockReader().read(packed(block))
