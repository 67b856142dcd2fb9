"""`flows/server_process.py`: the flow server is a process that knows what the agent knows, always."""

import asyncio
import os
import signal
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from msgspec.structs import replace
from tests.unit.flows.server.flow_clients import begin_at, calls, soon, until
from tests.unit.flows.server.sample_records import (
    DB,
    LINES,
    NOW_NS,
    SECOND_NS,
    WEB,
    joined,
    loss,
    packet,
)
from tests.unit.flows.test_monitor import SETTINGS, Watch

from ciliate.datapath.layout import Event
from ciliate.flows.feed import Line, NodePeer, NodePeerGone
from ciliate.flows.monitor import MonitorServer
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.peer import peer_pb2, peer_pb2_grpc
from ciliate.flows.server_process import FlowServerProcess
from ciliate.flows.watch import EventWatch
from ciliate.reconcile.listeners import Listeners
from ciliate.system.fork_server import ForkServer

#: A process begins, on a machine that does much besides.
BEGIN_S = 60.0


class Names:
    """What the agent knows."""

    def __init__(self, *lines: Line) -> None:
        self.lines = [*lines]
        self.changed: Listeners[Line] = Listeners()

    def all(self) -> Iterator[Line]:
        return iter(tuple(self.lines))

    def change(self, line: Line) -> None:
        self.lines.append(line)
        self.changed(line)


class Agent:
    """An agent with a monitor, names, and a flow server in a process."""

    def __init__(self, folder: Path, *lines: Line, forks: ForkServer | None = None) -> None:
        self.path = folder / "hubble.sock"
        self.names, self.nodes, self.events = Names(*lines), Names(), Watch()
        self._monitor_path = folder / "monitor.sock"
        self._monitor = MonitorServer(cast("EventWatch", self.events), SETTINGS, node="k8s-w1")
        begin = begin_at(self.path, monitor=str(self._monitor_path), capacity=7)
        self.process = FlowServerProcess((self.names, self.nodes), lambda: begin, forks)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._monitor.listen(self._monitor_path)
        task = asyncio.create_task(self.process.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await soon(task)
            self._monitor.end(self._monitor_path)

    @property
    def pid(self) -> int:
        assert self.process._process is not None
        return self.process._process.pid

    async def listens(self) -> None:
        """Return when the flow server takes events."""
        await until(lambda: self.events.listeners, within_s=BEGIN_S)

    def tell(self, *events: Event) -> None:
        for listener in tuple(self.events.listeners):
            listener(joined(events), 0)

    async def flows(self) -> list[Any]:
        """Return the answers to a client who asks for all."""
        async with grpc.aio.insecure_channel(f"unix:{self.path}") as channel:
            asked = calls(channel).GetFlows(observer_pb2.GetFlowsRequest(), wait_for_ready=True)

            async def all_of_it() -> list[Any]:
                return [answer async for answer in asked]

            found: list[Any] = await soon(all_of_it())
            return found

    async def pods(self, count: int) -> list[tuple[str, str]]:
        """Return who sent to whom, of the flows, when there are `count`."""
        while True:
            found = await self.flows()
            if len(found) >= count:
                return [
                    (each.flow.source.pod_name, each.flow.destination.pod_name) for each in found
                ]
            await asyncio.sleep(0.01)


async def test_events_and_names_of_the_agent_reach_clients(tmp_path: Path) -> None:
    agent = Agent(tmp_path, *LINES)
    async with agent.running():
        await agent.listens()
        agent.tell(packet(), loss(4))

        assert await soon(agent.pods(2)) == [("web-0", "db-0"), ("", "")]
        flow, lost = await agent.flows()
        await until(lambda: agent.process.report)

    assert flow.flow.destination.labels == ["k8s:app=db"]
    assert flow.node_name == "k8s-w1"
    booted_ns = time.time_ns() - time.monotonic_ns()
    assert abs(flow.time.ToNanoseconds() - NOW_NS - booted_ns) < SECOND_NS, "by the monitor's word"
    assert lost.lost_events.num_events_lost == 4
    assert agent.process.report is None, "it does not serve any more"


async def test_name_that_changes_reaches_it(tmp_path: Path) -> None:
    agent = Agent(tmp_path, WEB)
    async with agent.running():
        await agent.listens()
        agent.tell(packet())
        assert await soon(agent.pods(1)) == [("web-0", "")]

        agent.names.change(replace(DB, since_ns=packet().time_ns + 1))

        while (await agent.pods(1)) != [("web-0", "db-0")]:
            await asyncio.sleep(0.01)


async def test_every_source_of_lines_is_told_and_what_changes_in_any(tmp_path: Path) -> None:
    agent = Agent(tmp_path, *LINES)
    agent.nodes.lines.append(NodePeer(name="k8s-w1", address="192.0.2.1:4244"))
    async with agent.running():
        await agent.listens()
        async with grpc.aio.insecure_channel(f"unix:{agent.path}") as channel:
            request = peer_pb2.NotifyRequest()
            told = aiter(peer_pb2_grpc.PeerStub(channel).Notify(request, wait_for_ready=True))
            first = await soon(anext(told))
            agent.nodes.change(NodePeerGone(name="k8s-w1"))
            second = await soon(anext(told))

    assert (first.name, first.type) == ("k8s-w1", peer_pb2.PEER_ADDED)
    assert (second.name, second.type) == ("k8s-w1", peer_pb2.PEER_DELETED)


async def test_socket_is_its_owner_s_alone(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    async with agent.running():
        assert await agent.flows() == []

        assert stat.S_IMODE(agent.path.stat().st_mode) == 0o600


async def test_server_that_was_killed_is_started_again_with_all_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(tmp_path, WEB)
    async with agent.running():
        await agent.listens()
        agent.names.change(DB)
        first = agent.pid

        os.kill(first, signal.SIGKILL)
        await until(lambda: not agent.events.listeners)
        await agent.listens()
        agent.tell(packet())

        assert await soon(agent.pods(1)) == [("web-0", "db-0")]
        assert agent.pid != first
        assert agent.process.restarts == 1
    assert "flow server: it ended with code -9; it is started again in " in caplog.text


async def test_server_is_executed_where_no_fork_server_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    ours.setblocking(False)
    agent = Agent(tmp_path, *LINES, forks=ForkServer(0, ours))
    async with agent.running():
        await agent.listens()
        agent.tell(packet())

        assert await soon(agent.pods(1)) == [("web-0", "db-0")]
    ours.close()
    assert (
        "the fork server does not answer: the flow server is executed from now on" in caplog.text
    )


async def test_server_that_cannot_listen_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(tmp_path)
    agent.path.mkdir()
    async with agent.running():
        await until(lambda: agent.process.restarts, within_s=BEGIN_S)
    assert "it ended with code 1" in caplog.text


async def test_bug_in_what_it_is_told_ends_nothing_but_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ciliate.flows.server_process._PAUSE_S", 0.01)
    agent = Agent(tmp_path, WEB)
    all_names, calls_left = agent.names.all, [1]

    def broken_once() -> Iterator[Line]:
        if calls_left:
            calls_left.pop()
            raise AssertionError("a bug")
        return all_names()

    monkeypatch.setattr(agent.names, "all", broken_once)
    async with agent.running():
        await agent.listens()

    assert "AssertionError: a bug" in caplog.text
    assert agent.process.restarts == 1


async def test_server_ends_with_the_agent_s_task(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    async with agent.running():
        await agent.listens()
        pid = agent.pid

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_server_ends_when_its_agent_dies(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    async with agent.running():
        await agent.listens()
        child = agent.process._process
        assert child is not None
        assert child.stdin is not None

        child.stdin.close()  # As the kernel does for an agent that is killed.

        await until(lambda: agent.process.restarts == 1, within_s=BEGIN_S)
        assert child.returncode == 0
