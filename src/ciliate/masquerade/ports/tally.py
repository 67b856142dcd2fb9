"""Counting the ports that connections hold, by the program `tally` (bpf/tally.bpf.c)."""

import secrets
import threading
from typing import Final

from ciliate.datapath import test_run
from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import (
    ConnectionOwner,
    ConnectionOwnerNumber,
    PortUser,
    Tally,
)
from ciliate.masquerade.ports.book import Counts, least_listed, read_counts

_ETHERNET_HEADER: Final = bytes(14)
_U32_MAX: Final = 2**32 - 1


class PortTally:
    """Walks the table of connections by the program; one walk at a time."""

    def __init__(
        self,
        program_fd: int,
        connections_max: int,
        *,
        users: OpenMap[PortUser, int],
        owners: OpenMap[int, ConnectionOwner],
    ) -> None:
        """Run the program behind `program_fd`; descriptor and maps stay the caller's."""
        self._program_fd = program_fd
        self._connections_max = connections_max
        self._users = users
        self._owners = owners
        self._one_at_a_time = threading.Lock()

    def count(self) -> Counts:
        """Return who holds how many ports now; blocking. An empty table is not walked.

        Raises:
            DatapathError: The kernel refused to run the program, or to read a map.
        """
        total = self._owners.get(ConnectionOwnerNumber.OWNER_ALL)
        held = 0 if total is None else total.held
        if not held:
            return Counts()
        with self._one_at_a_time:
            return self._count(least_listed(held))

    def _count(self, least: int) -> Counts:
        number = 1 + secrets.randbelow(_U32_MAX)
        if least > 1:
            self._walk(Tally(next=0, round=number, least=0, ports=0, entered=0))
        self._users.clear()  # What a walk that was cut off has left.
        answer = self._walk(Tally(next=0, round=number, least=least, ports=0, entered=0))
        counts = read_counts(
            self._users.items(), used=answer.ports, entered=answer.entered, least=least
        )
        self._users.clear()
        return counts

    def _walk(self, request: Tally) -> Tally:
        while request.next < self._connections_max:
            run = test_run.run(self._program_fd, _ETHERNET_HEADER + request.pack())
            answer = Tally.unpack(run.packet[len(_ETHERNET_HEADER) :])
            if run.verdict or answer.next <= request.next:
                raise DatapathError(
                    function="bpf_prog_test_run",
                    subject=f"program tally at element {request.next}",
                    code=0,
                    hint="restart the agent: it loads the program anew",
                )
            request = answer
        return request
