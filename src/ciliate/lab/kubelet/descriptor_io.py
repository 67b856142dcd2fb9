"""Reading from and writing to pipes and terminals without blocking the loop."""

import asyncio
import os
from typing import Final

_READ_BYTES: Final = 32 * 1024


async def read_some(descriptor: int) -> bytes:
    """Return what comes next from a non-blocking descriptor; nothing: its other side is closed."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_reader(descriptor, _set, ready)
            try:
                await ready
            finally:
                loop.remove_reader(descriptor)
        except OSError:
            return b""  # EIO: the last process closed the terminal.


async def write_all(descriptor: int, data: bytes) -> bool:
    """Write all of `data` to a non-blocking descriptor; False: the reader is gone."""
    loop = asyncio.get_running_loop()
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_writer(descriptor, _set, ready)
            try:
                await ready
            finally:
                loop.remove_writer(descriptor)
        except OSError:
            return False
    return True


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
