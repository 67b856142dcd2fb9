"""Tidies the table of connections: ends those that are over, or whose pod is gone.

The programs make room by themselves; this keeps `bpf nat list` and `bpf ct list` to what lives, and
free room in sight.
"""

import asyncio
import logging
from typing import Final

from ciliate.errors import CiliateError
from ciliate.masquerade.sweep import Sweeper
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: A walk over 65,536 elements takes a millisecond or two of one core, in a thread.
_INTERVAL_S: Final = 30.0


class ConntrackGC:
    """Tidies the table again and again."""

    def __init__(self) -> None:
        self.status = RunStatus("conntrack-gc")
        self._sweeper: Sweeper | None = None

    def use(self, sweeper: Sweeper) -> None:
        """Tidy with this."""
        self._sweeper = sweeper

    async def run(self) -> None:
        """Tidy until cancelled."""
        while True:
            await self.tidy()
            await asyncio.sleep(_INTERVAL_S)

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
