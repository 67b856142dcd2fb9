import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ciliate.lab.kubelet.container_streams import (
    ContainerInput,
    ContainerStreams,
    StreamsWanted,
    input_fifo,
    make_streams,
    remove_fifos,
)

DEADLINE_S = 10


@contextmanager
def started(streams: ContainerStreams, *command: str) -> Iterator[None]:
    """A process with a container's streams, as the zygote starts it."""
    process = subprocess.Popen(
        command, stdin=streams.stdin, stdout=streams.output, stderr=streams.output
    )
    streams.close_theirs()
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def printed(streams: ContainerStreams, length: int) -> bytes:
    """Read so much of what the container prints, or to its end."""
    came = b""
    async with asyncio.timeout(DEADLINE_S):
        while len(came) < length:
            try:
                octets = os.read(streams.reading, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.005)
                continue
            if not octets:
                break
            came += octets
    return came


@pytest.mark.parametrize(
    ("once", "expected"), [(True, b"onetwo|over"), (False, b"onetwo!")], ids=["once", "for good"]
)
async def test_the_input_of_stdin_once_ends_with_its_first_client(
    tmp_path: Path, *, once: bool, expected: bytes
) -> None:
    streams = make_streams(tmp_path / "f", StreamsWanted(stdin=True, stdin_once=once))
    assert streams.input is not None
    with started(streams, "sh", "-c", "cat; printf '|over'"):
        await streams.input.write(b"one")
        await streams.input.write(b"two")
        streams.input.leave()
        await streams.input.write(b"!")

        assert await printed(streams, len(expected)) == expected


async def test_without_stdin_the_input_is_empty(tmp_path: Path) -> None:
    streams = make_streams(tmp_path / "f", StreamsWanted())
    with started(streams, "sh", "-c", "cat; printf over"):
        assert await printed(streams, 5) == b"over"
    assert streams.input is None


async def test_another_kubelet_goes_on_with_an_input_that_has_no_end(tmp_path: Path) -> None:
    streams = make_streams(tmp_path / "f", StreamsWanted(stdin=True))
    assert streams.input is not None
    with started(streams, "cat"):
        streams.input.end()  # The kubelet is gone; the container is not.
        adopted = ContainerInput.adopt(tmp_path / "f")
        assert adopted is not None
        await adopted.write(b"next")

        assert await printed(streams, 4) == b"next"
    adopted.end()


async def test_what_a_container_does_not_read_waits_and_goes_with_it(tmp_path: Path) -> None:
    streams = make_streams(tmp_path / "f", StreamsWanted(stdin=True, stdin_once=True))
    assert streams.input is not None
    with started(streams, "sleep", "1000"):
        writing = asyncio.ensure_future(streams.input.write(b"x" * 1024 * 1024))
        await asyncio.wait([writing], timeout=0.05)
        assert not writing.done()
    async with asyncio.timeout(DEADLINE_S):
        await writing
        await streams.input.write(b"to nobody")


def test_no_fifo_is_left_and_none_is_adopted_where_there_is_none(tmp_path: Path) -> None:
    make_streams(tmp_path / "f", StreamsWanted(stdin=True))
    assert input_fifo(tmp_path / "f").is_fifo()

    remove_fifos(tmp_path / "f")

    assert not list(tmp_path.iterdir())
    assert ContainerInput.adopt(tmp_path / "f") is None
