"""`services/socket_ending.py`: what cannot be done is said once, what failed is done again."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from tests.deadlines import Deadline

from ciliate.config.service_settings import SocketSettings
from ciliate.datapath.errors import DatapathError, SocketStorageUnsupportedError
from ciliate.node.endpoint_table import EndpointTable
from ciliate.services.backend_address import BackendAddress
from ciliate.services.socket_ending import SocketEnding

REFUSED = DatapathError(function="bpf_prog_load", subject="iterator of sockets", code=22)


class Notes:
    """Fails as often as there are errors, and then knows of no socket."""

    def __init__(self, *errors: DatapathError) -> None:
        self._errors = list(errors)

    def items(self, protocol: int) -> Iterator[tuple[int, bytes]]:
        del protocol
        if self._errors:
            raise self._errors.pop(0)
        return iter(())


@pytest.fixture
def peer() -> Iterator[BackendAddress]:
    """The peer of a socket that is connected, and that nobody sent there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", 9))
        yield BackendAddress(ip_address("127.0.0.1"), 9, socket.IPPROTO_UDP)


@asynccontextmanager
async def running(notes: Notes) -> AsyncIterator[SocketEnding]:
    settings = SocketSettings(
        enabled=True, host_only=False, ends_in_pods=True, ends_tcp=False, cgroup_root=""
    )
    ending = SocketEnding(settings, EndpointTable(), notes=notes, kept=frozenset)
    task = asyncio.create_task(ending.run())
    try:
        yield ending
    finally:
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    deadline = Deadline(5.0)
    while not condition():
        assert not deadline.passed
        await asyncio.sleep(0.005)


async def test_kernel_that_tells_nothing_is_said_once_and_asked_no_more(
    peer: BackendAddress, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with running(Notes(SocketStorageUnsupportedError(REFUSED))) as ending:
            ending.went([peer])
            await until(lambda: bool(ending.status.failures))
            ending.went([peer])
            ending.compare_all()
            await asyncio.sleep(0)

    (said,) = (record.getMessage() for record in caplog.records)
    assert "needs Linux 5.12" in said
    assert "must give it up themselves" in said
    assert "needs Linux 5.12" in ending.status.last_failure


async def test_look_that_failed_is_done_again(peer: BackendAddress) -> None:
    async with running(Notes(REFUSED)) as ending:
        ending.went([peer])
        await until(lambda: bool(ending.status.failures))
        assert "bpf_prog_load" in ending.status.last_failure

        await until(lambda: bool(ending.status.successes))

    assert not ending.status.last_failure
