"""Endpoints on their way out: from the maps at once, then the interface, then what it held.

The rest is done in the background, in groups, and once per endpoint, whoever asks for it: a DEL,
an ADD that failed or makes the interface anew, housekeeping. What cannot be removed stays in the
table as being removed, and housekeeping tries again.

Nobody waits for it without a bound: a worker that does not come back keeps what it is at, the
number, the addresses and the name of that one endpoint, and no request.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from ciliate.cni.call import Call
from ciliate.cni.errors import CniCode, CniError
from ciliate.endpoint.records import EndpointRecords
from ciliate.errors import CiliateError
from ciliate.netlink.pod import PodLinks
from ciliate.node.address_source import AddressSource
from ciliate.node.endpoint import Endpoint

#: How long a request waits for a removal: an IPAM plugin has 20 s of it. Behind the 60 s that an ADD
#: may have taken before it failed, this ends before the 90 s of the CNI plugin.
REMOVAL_WAIT_S: Final = 25.0

_log = logging.getLogger(__name__)


class Removals:
    """Removes endpoints; each one's failure is its own."""

    def __init__(
        self,
        links: PodLinks,
        records: EndpointRecords,
        addresses: AddressSource,
        tasks: asyncio.TaskGroup,
        *,
        forget_leavers: Callable[[], Awaitable[None]],
        wait_s: float = REMOVAL_WAIT_S,
    ) -> None:
        """Have `tasks` finish what is begun; requests wait `wait_s` for it."""
        self._wait_s = wait_s
        self._links = links
        self._records = records
        self._addresses = addresses
        self._forget_leavers = forget_leavers
        self._tasks = tasks
        self._running: dict[int, asyncio.Task[None]] = {}  # By endpoint number.

    @property
    def under_way(self) -> int:
        """How many endpoints are being removed."""
        return len(self._running)

    def has_begun(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint's removal is under way: it ends by itself."""
        return endpoint.id in self._running

    def start(self, endpoint: Endpoint, call: Call | None = None) -> asyncio.Task[None]:
        """Disconnect now; remove the interface in the background, grouped with others.

        A removal that is under way is not begun twice. `call`: see `AddressSource.release`.
        """
        running = self._running.get(endpoint.id)
        if running is not None:
            return running
        self._records.disconnect(endpoint)
        return self._go_on(endpoint, self._finish(endpoint, call))

    async def detach(self, endpoint: Endpoint, call: Call | None = None) -> None:
        """Return when the endpoint is removed, could not be, or is not within the time."""
        await asyncio.wait([self.start(endpoint, call)], timeout=self._wait_s)

    async def abandon(
        self, endpoint: Endpoint, call: Call | None, creation: asyncio.Task[Any] | None = None
    ) -> None:
        """Leave nothing of an ADD that failed, also while `creation`, its worker's, still goes on.

        The endpoint counts as being removed from now on: its number and addresses stay taken, and
        no ADD makes an interface of its name, until the worker is back and what it made is gone.

        Raises nothing of ours: nobody awaits it but the ADD, which has an answer.
        """
        is_disconnected = False
        try:
            self._records.disconnect(endpoint)
            is_disconnected = True
        except CiliateError as error:
            _log.warning("endpoint of pod %s stays for now: %s", endpoint.owner, error)

        async def undo() -> None:
            if creation is not None:
                await asyncio.wait([creation])
            if is_disconnected:  # Else housekeeping tries again.
                await self._finish(endpoint, call)

        await asyncio.wait([self._go_on(endpoint, undo())], timeout=self._wait_s)

    def _go_on(self, endpoint: Endpoint, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have the agent's group finish the endpoint's removal, whatever becomes of the request.

        The group ends, and the agent with it, when a task of it fails: what goes wrong for one pod,
        a bug too, stays that pod's.
        """

        async def apart() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - a bug, told in full; the agent has other pods.
                _log.exception("a pod's removal failed by a bug; housekeeping tries again")

        task = self._tasks.create_task(apart())
        self._running[endpoint.id] = task
        task.add_done_callback(lambda _: self._running.pop(endpoint.id, None))
        return task

    def refuse_while_it_stays(self, former: Endpoint) -> None:
        """Refuse: a new interface would have the former's name, by which that is removed later.

        Raises:
            CniError: It is still there; retryable.
        """
        if self._records.table.get(former.id) is not None:
            raise CniError(
                CniCode.TRY_AGAIN_LATER,
                f"interface {former.interface.host_name} of pod {former.owner} cannot be removed yet",
                "the agent's log says why",
            )

    async def _finish(self, endpoint: Endpoint, call: Call | None) -> None:
        """Remove the interface, then free what it held. On failure the addresses stay taken."""
        try:
            if not endpoint.chained:  # Another plugin's interface is that plugin's to remove.
                await self._links.remove(endpoint.interface.host_name)
            await self._forget_leavers()  # Else the next holder would get what is meant for it.
            await self._addresses.release(endpoint, call)
            self._records.store.remove(endpoint.id)
        except CiliateError as error:
            _log.warning(
                "interface %s of pod %s stays for now, and so do its addresses: %s",
                endpoint.interface.host_name,
                endpoint.owner,
                error,
            )
            return
        self._records.table.remove(endpoint.id)
