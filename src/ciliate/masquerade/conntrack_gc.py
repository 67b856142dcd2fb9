"""Removes flows that are over from `nat` and `conntrack`, once a minute."""

import asyncio
import logging
import time
from typing import Any, Final

from ciliate.datapath.bpf_map import OpenMap
from ciliate.errors import CiliateError
from ciliate.masquerade.expiry import expired
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: A walk over 131,072 entries takes a fifth of a second of one core, in a thread.
_INTERVAL_S: Final = 60.0


class ConntrackGC:
    """Walks the maps of flows that it watches."""

    def __init__(self) -> None:
        self.status = RunStatus("conntrack-gc")
        self._maps: tuple[OpenMap[Any, Any], ...] = ()

    def watch(self, *opened: OpenMap[Any, Any]) -> None:
        """Collect in these maps; their values say when they expire."""
        self._maps = opened

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                removed = await asyncio.to_thread(self.collect)
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("conntrack GC: %s", error)
            else:
                self.status.succeeded()
                _log.debug("conntrack GC: %d entries were over", removed)

    def collect(self) -> int:
        """Remove what is over; return how many entries went. Blocking."""
        now_ns = time.monotonic_ns()
        return sum(
            opened.remove_many(list(expired(opened.items(), now_ns=now_ns)))
            for opened in self._maps
        )
