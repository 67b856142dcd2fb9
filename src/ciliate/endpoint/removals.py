"""Endpoints on their way out: from the maps at once, then the interface, then what it held.

The rest is done in the background, in groups, and once per endpoint, whoever asks for it: a DEL,
an ADD that failed or makes the interface anew, housekeeping. What cannot be removed stays in the
table as being removed, and housekeeping tries again.
"""

import asyncio
import logging
from collections.abc import Coroutine

from ciliate.cni.call import Call
from ciliate.cni.errors import CniCode, CniError
from ciliate.endpoint.records import EndpointRecords
from ciliate.errors import CiliateError
from ciliate.netlink.pod import PodLinks
from ciliate.node.address_source import AddressSource
from ciliate.node.endpoint import Endpoint

_log = logging.getLogger(__name__)


class Removals:
    """Removes endpoints; each one's failure is its own."""

    def __init__(
        self,
        links: PodLinks,
        records: EndpointRecords,
        addresses: AddressSource,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._links = links
        self._records = records
        self._addresses = addresses
        self._tasks = tasks
        self._running: dict[int, asyncio.Task[None]] = {}  # By endpoint number.

    @property
    def under_way(self) -> int:
        """How many endpoints are being removed."""
        return len(self._running)

    def start(self, endpoint: Endpoint, call: Call | None = None) -> asyncio.Task[None]:
        """Disconnect now; remove the interface in the background, grouped with others.

        A removal that is under way is not begun twice. `call`: see `AddressSource.release`.
        """
        running = self._running.get(endpoint.id)
        if running is not None:
            return running
        self._records.disconnect(endpoint)
        task = self.go_on(self._finish(endpoint, call))
        self._running[endpoint.id] = task
        task.add_done_callback(lambda _: self._running.pop(endpoint.id, None))
        return task

    async def detach(self, endpoint: Endpoint, call: Call | None = None) -> None:
        """Return when the endpoint is removed, or could not be."""
        await asyncio.shield(self.start(endpoint, call))

    async def abandon(self, endpoint: Endpoint, call: Call | None) -> None:
        """Detach the interface of a failed ADD; housekeeping tries again until it is gone.

        Raises nothing of ours: nobody awaits it but the ADD, which has an answer.
        """
        try:
            await self.detach(endpoint, call)
        except CiliateError as error:
            _log.warning("endpoint of pod %s stays for now: %s", endpoint.owner, error)

    def go_on(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have the agent's group finish `work`, whatever becomes of the request.

        The group ends, and the agent with it, when a task of it fails: what goes wrong for one pod,
        a bug too, stays that pod's.
        """

        async def apart() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - a bug, told in full; the agent has other pods.
                _log.exception("a pod's removal failed by a bug; housekeeping tries again")

        return self._tasks.create_task(apart())

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
