"""Ending connections from outside the packets' way, by the program `sweep` (bpf/sweep.bpf.c)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ciliate.datapath import pins, test_run
from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import Sweep, SweepFlag
from ciliate.net.address import IPAddress, to_octets

_ETHERNET_HEADER: Final = bytes(14)
_ANY: Final = bytes(16)


class Sweeper:
    """Ends connections that one test names; knows the program and the size of the table."""

    def __init__(self, program_fd: int, connections_max: int) -> None:
        """Run the program behind `program_fd`, which stays the caller's."""
        self._program_fd = program_fd
        self._connections_max = connections_max

    def tidy(self) -> int:
        """End what is over, and what belongs to no address of the node; return how many.

        Raises:
            DatapathError: The kernel refused to run the program.
        """
        return self._run(SweepFlag.SWEEP_OVER | SweepFlag.SWEEP_ORPHANS)

    def orphans(self) -> int:
        """End what belongs to no address of the node; return how many.

        Raises:
            DatapathError: The kernel refused to run the program.
        """
        return self._run(SweepFlag.SWEEP_ORPHANS)

    def matching(self, *, local: IPAddress | None = None, remote: IPAddress | None = None) -> int:
        """End the connections of a local end, or with a remote, or all; return how many.

        Raises:
            DatapathError: The kernel refused to run the program.
        """
        return self._run(SweepFlag.SWEEP_MATCHING, _octets(local), _octets(remote))

    def of_backend(self, backend: IPAddress, port: int) -> int:
        """End the flows of datagrams to Services that go to a backend; return how many.

        Raises:
            DatapathError: The kernel refused to run the program.
        """
        return self._run(SweepFlag.SWEEP_BACKEND, remote=to_octets(backend), remote_port=port)

    def _run(
        self,
        what: SweepFlag,
        local: bytes = _ANY,
        remote: bytes = _ANY,
        *,
        remote_port: int = 0,
    ) -> int:
        request = Sweep(local, remote, next=0, what=what, ended=0, remote_port=remote_port)
        while request.next < self._connections_max:
            run = test_run.run(self._program_fd, _ETHERNET_HEADER + request.pack())
            answer = Sweep.unpack(run.packet[len(_ETHERNET_HEADER) :])
            if run.verdict or answer.next <= request.next:
                raise DatapathError(
                    function="bpf_prog_test_run",
                    subject=f"program sweep at element {request.next}",
                    code=0,
                    hint="restart the agent: it loads the program anew",
                )
            request = answer
        return request.ended


@contextmanager
def pinned_sweeper(bpf_root: Path, connections_max: int) -> Iterator[Sweeper]:
    """Yield what ends connections of the datapath pinned below `bpf_root`.

    Raises:
        DatapathError: No such program is pinned, or it cannot be opened.
    """
    path = pins.program_path(bpf_root, "sweep")
    fd = pins.open_pin(path)
    if fd is None:
        raise DatapathError(
            function="bpf_obj_get", subject=str(path), code=0, hint="is the agent running?"
        )
    try:
        yield Sweeper(fd, connections_max)
    finally:
        os.close(fd)


def _octets(address: IPAddress | None) -> bytes:
    return _ANY if address is None else to_octets(address)
