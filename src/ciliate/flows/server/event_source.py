"""Takes events from the agent's monitor, as any listener does."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ciliate.api.monitor import MonitorAnswer, MonitorQuestion
from ciliate.datapath.layout import Event
from ciliate.errors import CiliateError

_log = logging.getLogger(__name__)

#: After a connection ended, before the next: the agent restarts, and we with it.
_PAUSE_S: Final = 0.5
_READ_BYTES: Final = 1 << 20

#: Is given octets of records, whole ones.
Taker = Callable[[bytes], object]


class EventSourceError(CiliateError):
    """The agent does not answer as a monitor that we know."""


class EventSource:
    """A listener of the monitor at `path`; `run` gives `taker` what comes."""

    def __init__(
        self, path: Path, taker: Taker, set_epoch_offset: Callable[[int], object]
    ) -> None:
        """Tell `set_epoch_offset` what to add to a record's time for nanoseconds since 1970."""
        self._path = path
        self._taker = taker
        self._set_epoch_offset = set_epoch_offset

    async def run(self) -> None:
        """Listen until cancelled; a connection that ends is made anew."""
        while True:
            try:
                await self._listen()
            except (OSError, EOFError, CiliateError) as error:
                _log.warning("events of %s: %s", self._path, error)
            await asyncio.sleep(_PAUSE_S)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._path), limit=_READ_BYTES)
        try:
            writer.write(msgspec.json.encode(MonitorQuestion()) + b"\n")
            answer = _read_answer(await reader.readuntil(b"\n"))
            self._set_epoch_offset(answer.epoch_offset_ns)
            octets = b""
            while part := await reader.read(_READ_BYTES):
                octets += part
                whole = len(octets) // Event.SIZE * Event.SIZE
                if whole:
                    self._taker(octets[:whole])
                    octets = octets[whole:]
        finally:
            writer.close()


def _read_answer(line: bytes) -> MonitorAnswer:
    try:
        answer = msgspec.json.decode(line, type=MonitorAnswer)
    except msgspec.MsgspecError as error:
        raise EventSourceError(f"the agent answered something else: {error}") from error
    if answer.error or answer.record_bytes != Event.SIZE:
        raise EventSourceError(answer.error or f"records have {answer.record_bytes} octets")
    return answer
