from tests.unit.lab.kubelet.spdy.client import ClientCodec

from ciliate.lab.kubelet.spdy import frames
from ciliate.lab.kubelet.spdy.connection import STREAMS_MAX, SpdyConnection
from ciliate.lab.kubelet.spdy.frames import Data, Opened, Reset


class Line:
    """What the client has said, then its leaving; what it was answered."""

    def __init__(self, *said: bytes) -> None:
        self._said = list(said)
        self.sent = b""
        self.broken = False

    async def read(self) -> bytes:
        return self._said.pop(0) if self._said else b""

    async def write(self, octets: bytes) -> None:
        if self.broken:
            raise ConnectionResetError
        self.sent += octets


async def test_streams_are_opened_written_to_and_ended() -> None:
    codec = ClientCodec()
    line = Line(codec.open(1, streamtype="data"), frames.data(1, b"in", fin=True))
    connection = SpdyConnection(line)

    came = [await connection.receive()]
    await connection.accept(1)
    await connection.send(1, b"out")
    came += [await connection.receive(), await connection.receive()]
    await connection.finish(1)
    await connection.finish(1)
    await connection.send(1, b"late")

    assert came == [Opened(1, {"streamtype": "data"}, fin=False), Data(1, b"in", fin=True), None]
    answered = codec.take(line.sent)
    assert (answered.replied, answered.data, answered.finished) == ([1], {1: b"out"}, {1})


async def test_a_ping_of_the_client_is_sent_back_and_no_other() -> None:
    codec = ClientCodec()
    line = Line(frames.ping(7) + frames.ping(8))

    assert await SpdyConnection(line).receive() is None
    assert codec.take(line.sent).pings == [7]


async def test_a_stream_that_cannot_be_is_refused() -> None:
    codec = ClientCodec()
    line = Line(codec.open(5), codec.open(3), codec.open(6), codec.open(5))
    connection = SpdyConnection(line)

    assert await connection.receive() == Opened(5, {}, fin=False)
    assert await connection.receive() is None
    assert codec.take(line.sent).reset == {3, 6, 5}


async def test_streams_beyond_the_bound_are_refused_until_one_ends() -> None:
    codec = ClientCodec()
    opened = b"".join(codec.open(2 * number + 1) for number in range(STREAMS_MAX + 1))
    ended = frames.rst_stream(1, frames.ResetStatus.CANCEL)
    line = Line(opened, ended, codec.open(2 * STREAMS_MAX + 3))
    connection = SpdyConnection(line)

    came = []
    while (event := await connection.receive()) is not None:
        came.append(event)

    assert len(came) == STREAMS_MAX + 2
    assert came[-2:] == [Reset(1), Opened(2 * STREAMS_MAX + 3, {}, fin=False)]
    assert codec.take(line.sent).reset == {2 * STREAMS_MAX + 1}


async def test_nothing_is_heard_of_streams_that_are_not_there() -> None:
    codec = ClientCodec()
    line = Line(
        frames.data(9, b"never opened"),
        frames.rst_stream(9, frames.ResetStatus.CANCEL),
        codec.open_silent(11),
        frames.data(11, b"after its end"),
    )
    connection = SpdyConnection(line)

    assert await connection.receive() == Opened(11, {}, fin=True)
    assert await connection.receive() is None


async def test_nonsense_ends_the_connection_and_is_told() -> None:
    codec = ClientCodec()
    line = Line(b"\x80\x02\x00\x01\x00\x00\x00\x00")

    assert await SpdyConnection(line).receive() is None
    assert codec.take(line.sent).goaway == frames.GoAwayStatus.PROTOCOL_ERROR


async def test_a_client_that_says_good_bye_or_is_gone_has_left() -> None:
    polite = Line(frames.goaway(0, frames.GoAwayStatus.OK), frames.ping(1))
    gone = Line(frames.ping(1))
    gone.broken = True

    assert await SpdyConnection(polite).receive() is None
    assert await SpdyConnection(gone).receive() is None
