"""Keeping the book of ports: counts again and again, and on demand; raises alarms."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import ConnectionOwner, PortFailure, Tuple
from ciliate.errors import CiliateError
from ciliate.masquerade.maps import (
    CONNECTION_OWNERS,
    CONNECTIONS,
    PORT_FAILURES,
    PORT_USERS,
)
from ciliate.masquerade.ports.alarm_events import AlarmEvents
from ciliate.masquerade.ports.book import (
    Account,
    Counts,
    Growth,
    PortBook,
    PortRange,
    Remote,
    is_recent,
    write_book,
)
from ciliate.masquerade.ports.metrics import port_families
from ciliate.masquerade.ports.owners import Owners
from ciliate.masquerade.ports.report import ROWS_MAX, PortsReport, PortsRequest, ports_report
from ciliate.masquerade.ports.tally import PortTally
from ciliate.metrics.family import Family
from ciliate.node.context import Context
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Pause between two rounds; longer where a round takes more than a hundredth of that.
_INTERVAL_S: Final = 10.0
_ROUND_SHARE: Final = 0.01


class PortWatch:
    """The book of a running node, as of the latest round."""

    def __init__(self, context: Context, *, back_end: str) -> None:
        self.status = RunStatus("port-book")
        self._back_end = back_end
        masquerade = context.settings.masquerade
        self._range = PortRange(masquerade.port_min, masquerade.port_max)
        self._owners = Owners(context.endpoints)
        self._growth = Growth()
        self.alarms = AlarmEvents(context, self._owners)
        self._book = PortBook()
        self._accounts: list[Account] = []
        self._tally: PortTally | None = None
        self._failures: OpenMap[Tuple, PortFailure] | None = None
        self._held: OpenMap[int, ConnectionOwner] | None = None

    def open(self, datapath: Datapath) -> None:
        """Count by the program and maps of a datapath."""
        with datapath.opened(CONNECTIONS) as connections:
            connections_max = connections.capacity
        self._held = datapath.opened(CONNECTION_OWNERS)
        self._failures = datapath.opened(PORT_FAILURES)
        self._tally = PortTally(
            datapath.programs.tally_fd,
            connections_max,
            users=datapath.opened(PORT_USERS),
            owners=self._held,
        )

    async def run(self) -> None:
        """Count and remember, until cancelled."""
        while True:
            began_s = time.monotonic()
            try:
                counts = await self._look()
            except CiliateError as error:
                self.status.failed(str(error))
                _log.warning("port book: %s", error)
            else:
                self.status.succeeded()
                self._growth.note(time.monotonic(), counts)
            took_s = time.monotonic() - began_s
            await asyncio.sleep(max(_INTERVAL_S, took_s / _ROUND_SHARE))

    async def act(self, body: bytes) -> PortsReport:
        """Answer POST /v1/masquerade/ports: the book as it is now.

        Raises:
            CiliateError: It cannot be read.
        """
        request = msgspec.json.decode(body, type=PortsRequest)
        await self._look()
        return ports_report(
            self._book,
            self._accounts,
            self._owners.name,
            back_end=self._back_end,
            now_ns=time.monotonic_ns(),
            rows_max=None if request.everything else ROWS_MAX,
        )

    def are_short(self) -> bool:
        """Whether a connection failed lately for want of a port; blocking.

        Raises:
            CiliateError: The map of failures cannot be read.
        """
        assert self._failures is not None, "opened since the datapath is open"
        now_ns = time.monotonic_ns()
        return any(is_recent(failure, now_ns=now_ns) for _, failure in self._failures.items())

    def families(self) -> Iterable[Family]:
        """Return the metrics as of the latest look."""
        return port_families(self._book, self._accounts, self._owners.name)

    async def _look(self) -> Counts:
        assert self._held is not None, "opened since the datapath is open"
        counts, failures = await asyncio.to_thread(self._read)
        growth = self._growth.since_then(time.monotonic(), counts)
        self._book = write_book(counts, failures, growth, self._range)
        self._accounts = self._owners.read(self._held.get)
        self.alarms.look(self._book.pages, time.monotonic())
        return counts

    def _read(self) -> tuple[Counts, dict[Remote, PortFailure]]:
        assert self._tally is not None, "opened since the datapath is open"
        assert self._failures is not None, "likewise"
        failures = {Remote.of_failure(key): value for key, value in self._failures.items()}
        return self._tally.count(), failures
