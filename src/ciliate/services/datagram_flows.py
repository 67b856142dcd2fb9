"""Flows of datagrams that packets have to a backend which is gone, ended.

A flow of packets keeps its backend while it goes on, so that connections drain. Of datagrams nobody
says when one ends: a client that asks again from the same port would ask a pod that is gone for as
long as it asks. So its flows end, and the next datagram gets another backend.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from ciliate.datapath.errors import DatapathError
from ciliate.datapath.sweep import Sweeper
from ciliate.net.address import IPAddress
from ciliate.net.protocol import UDP
from ciliate.reconcile.status import RunStatus
from ciliate.services.backend_address import BackendAddress

#: Backends that are gathered; of more, the ones beyond are left to the flows' lifetime.
PENDING_MAX: Final = 1024

#: How long they are gathered: a rollout removes several, and each costs a walk of the table.
_SETTLE_S: Final = 0.05

_log = logging.getLogger(__name__)


class DatagramFlows:
    """The task; `went` gives it something to do."""

    def __init__(self, sweeper: Sweeper) -> None:
        self.status = RunStatus("end-datagram-flows")
        self._sweeper = sweeper
        self._pending: set[tuple[IPAddress, int]] = set()
        self._woken = asyncio.Event()

    def went(self, backends: Iterable[BackendAddress]) -> None:
        """End the flows to these soon; no map has them any more."""
        for each in backends:
            if each.protocol == UDP and len(self._pending) < PENDING_MAX:
                self._pending.add((each.address, each.port))
                self._woken.set()

    async def run(self) -> None:
        """End flows until cancelled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(_SETTLE_S)
            self._woken.clear()
            pending, self._pending = self._pending, set()
            try:
                ended = await asyncio.to_thread(self._end, pending)
            except DatapathError as error:
                _log.warning("flows of datagrams: %s", error)
                self.status.failed(str(error))
                continue
            if ended:
                _log.info("%d flows of datagrams ended: their backend is gone", ended)
            self.status.succeeded()

    def _end(self, backends: Iterable[tuple[IPAddress, int]]) -> int:
        return sum(self._sweeper.of_backend(*each) for each in backends)
