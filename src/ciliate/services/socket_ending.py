"""Sockets whose backend is gone are ended, so that no client talks to a dead pod for hours.

Who changes backends says which ones went, once no map has them any more. What goes within a short
time is looked for at once: one look at each namespace, however many it is.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Container, Iterable
from typing import Final

from ciliate.config.service_settings import SocketSettings
from ciliate.datapath.errors import SocketStorageUnsupportedError
from ciliate.errors import CiliateError
from ciliate.metrics.family import Family, FamilyKind
from ciliate.netlink.sock_diag import SocketEndUnsupportedError
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.status import RunStatus
from ciliate.services.backend_address import BackendAddress
from ciliate.services.stale_sockets import Ended, Notes, end_stale
from ciliate.system.threads import Threads

_log = logging.getLogger(__name__)

#: How long backends that go are gathered.
GATHER_S: Final = 0.05
#: Backends that wait to be looked for; with more, every socket is compared with what there is.
PENDING_MAX: Final = 65_536

_NAMES: Final = {socket.IPPROTO_UDP: "UDP", socket.IPPROTO_TCP: "TCP"}


class SocketEnding:
    """The task; `went` and `compare_all` give it something to do."""

    def __init__(
        self,
        settings: SocketSettings,
        endpoints: EndpointTable,
        *,
        notes: Notes,
        kept: Callable[[], Container[BackendAddress]],
        node: str | None = None,
    ) -> None:
        """End sockets of the namespace `node` (None: our own) and of the pods in `endpoints`.

        `notes` are what programs note in sockets. `kept` returns the backends that sockets may
        keep, which a thread asks: those in the maps, and others that live.
        """
        self.status = RunStatus("end-sockets")
        self._settings = settings
        self._endpoints = endpoints
        self._notes = notes
        self._kept = kept
        self._node = node
        self._protocols = (
            (socket.IPPROTO_UDP, socket.IPPROTO_TCP)
            if settings.ends_tcp
            else (socket.IPPROTO_UDP,)
        )
        self._pending: set[BackendAddress] = set()
        self._is_all_due = False
        self._is_possible = True
        self._woken = asyncio.Event()
        self._ended = dict.fromkeys(_NAMES.values(), 0)

    def went(self, backends: Iterable[BackendAddress]) -> None:
        """Look for sockets of these soon; no map has them any more."""
        if not self._is_possible:
            return
        self._pending.update(each for each in backends if each.protocol in self._protocols)
        if len(self._pending) > PENDING_MAX:
            self._pending.clear()
            self._is_all_due = True
        if self._pending or self._is_all_due:
            self._woken.set()

    def compare_all(self) -> None:
        """Look for sockets of any backend that is not kept: some went while no agent ran."""
        self._is_all_due = self._is_possible
        self._woken.set()

    def families(self) -> Iterable[Family]:
        """Return the metric."""
        return (
            Family(
                "ciliate_service_sockets_ended_total",
                "Sockets that were ended because the endpoint of their Service is gone.",
                ("protocol",),
                [((name,), count) for name, count in self._ended.items()],
                FamilyKind.COUNTER,
            ),
        )

    async def run(self) -> None:
        """End what has to be ended, until cancelled."""
        thread, pause = Threads(1, thread_name_prefix="sockets"), Backoff()
        try:
            while self._is_possible:
                await self._woken.wait()
                await asyncio.sleep(GATHER_S)
                if await self._look(thread):
                    pause.reset()
                else:
                    await asyncio.sleep(pause.next())
            await asyncio.Event().wait()  # Until cancelled: there is nothing that could be done.
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self, thread: Threads) -> bool:
        """Look once; note again what is not done, and return whether nothing failed."""
        everything, pending, kept = self._is_all_due, self._pending, self._kept()
        self._is_all_due, self._pending = False, set()
        self._woken.clear()

        def is_gone(backend: BackendAddress) -> bool:
            return (everything or backend in pending) and backend not in kept

        loop, places = asyncio.get_running_loop(), tuple(self._places())
        try:
            ended = await loop.run_in_executor(thread, self._end, places, is_gone)
        except (SocketEndUnsupportedError, SocketStorageUnsupportedError) as error:
            _log.warning(
                "%s: clients with a connected UDP socket to a pod that is gone must give it up"
                " themselves",
                error,
            )
            self.status.failed(str(error))
            self._is_possible = False
            return True
        except CiliateError as error:
            ended = Ended(failures=[error])
        self._report(ended)
        if ended.failures or ended.has_more:
            self._is_all_due |= everything
            self.went(pending)
        return not ended.failures

    def _end(
        self, places: Collection[str | None], is_gone: Callable[[BackendAddress], bool]
    ) -> Ended:
        return end_stale(places, is_gone, protocols=self._protocols, notes=self._notes)

    def _places(self) -> Iterable[str | None]:
        """Return the namespaces, each once: a pod's interfaces share one."""
        yield self._node
        if self._settings.ends_in_pods and not self._settings.host_only:
            yield from dict.fromkeys(each.interface.netns for each in self._endpoints)

    def _report(self, ended: Ended) -> None:
        if ended.failures:
            self.status.failed(str(ended.failures[0]))
        else:
            self.status.succeeded()
        if not ended.by_protocol:
            return
        for protocol, count in ended.by_protocol.items():
            self._ended[_NAMES[protocol]] += count
        _log.info(
            "ended %s whose endpoint is gone, such as one to %s",
            " and ".join(
                f"{count} {_NAMES[protocol]} sockets"
                for protocol, count in ended.by_protocol.items()
            ),
            ended.one,
        )
