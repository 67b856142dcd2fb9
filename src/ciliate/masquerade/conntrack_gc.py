"""Tidies the table of connections: ends those that are over, or whose pod is gone.

The programs make room by themselves; this keeps `bpf nat list` and `bpf ct list` to what lives, and
free room in sight. While connections fail for want of a port it is done every second: what is ended
then offers its port to them (bpf/sweep.bpf.c).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from ciliate.datapath.sweep import Sweeper
from ciliate.errors import CiliateError
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: A walk over 65,536 elements takes a millisecond or two of one core, in a thread.
INTERVAL_S: Final = 30.0
#: While ports are short; longer where a walk takes more than this part of it, in a table of millions.
_INTERVAL_SHORT_S: Final = 1.0
_WALK_SHARE: Final = 0.04


class ConntrackGC:
    """Tidies the table again and again."""

    def __init__(self) -> None:
        self.status = RunStatus("conntrack-gc")
        self._sweeper: Sweeper | None = None
        self._ports_are_short: Callable[[], bool] = lambda: False

    def use(self, sweeper: Sweeper, ports_are_short: Callable[[], bool]) -> None:
        """Tidy with this; the other, which may block, says when ports are short."""
        self._sweeper = sweeper
        self._ports_are_short = ports_are_short

    async def run(self) -> None:
        """Tidy until cancelled."""
        while True:
            began_s = time.monotonic()
            await self.tidy()
            walked_s = time.monotonic() - began_s
            pause_s = min(INTERVAL_S, max(_INTERVAL_SHORT_S, walked_s / _WALK_SHARE))
            for _ in range(round(INTERVAL_S / pause_s)):
                await asyncio.sleep(pause_s)
                if await self._is_urgent():
                    break

    async def _is_urgent(self) -> bool:
        try:
            return await asyncio.to_thread(self._ports_are_short)
        except CiliateError as error:
            self.status.failed(str(error))
            return False

    async def tidy(self) -> None:
        """Tidy once; a failure is told by the status."""
        if self._sweeper is None:
            return
        try:
            ended = await asyncio.to_thread(self._sweeper.tidy)
        except CiliateError as error:
            self.status.failed(str(error))
            _log.warning("conntrack GC: %s", error)
        else:
            self.status.succeeded()
            _log.debug("conntrack GC: %d connections ended", ended)

    async def forget_leavers(self) -> None:
        """End the connections of pods that have left the datapath; before an address is free.

        Raises:
            CiliateError: They are still there.
        """
        if self._sweeper is not None:
            await asyncio.to_thread(self._sweeper.orphans)
