"""Real sockets that the programs sent to a backend, and their end when it is gone."""

import asyncio
import errno
import os
import select
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.datapath.harness import Namespace, mounted_bpffs
from tests.datapath.test_sockets import Machine, group
from tests.deadlines import Deadline
from tests.unit.node.endpoint_samples import endpoint

from ciliate.config.service_settings import SocketSettings
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.settings import DatapathSettings
from ciliate.datapath.socket_storage import SocketStorage
from ciliate.datapath.sockets import SocketAttacher
from ciliate.netlink.sock_diag import end_sockets, peered_sockets
from ciliate.node.endpoint_table import EndpointTable
from ciliate.services.backend_address import BackendAddress
from ciliate.services.maps import SOCKET_PEERS
from ciliate.services.socket_ending import PENDING_MAX, SocketEnding
from ciliate.services.stale_sockets import end_stale

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
SETTINGS = SocketSettings(
    enabled=True, host_only=False, ends_in_pods=True, ends_tcp=False, cgroup_root=""
)

#: A Service and two pods behind it, of each family.
DNS, GONE, ALIVE = "10.96.0.10", "10.0.0.1", "10.0.0.2"
DNS6, GONE6 = "fd00:96::10", "fd00::1"


def backend(address: str, port: int = 5353, protocol: int = UDP) -> BackendAddress:
    return BackendAddress(ip_address(address), port, protocol)


@dataclass(slots=True)
class Rig:
    """A node, a pod on it, and what programs note in sockets."""

    node: Machine
    pod: Namespace
    notes: SocketStorage
    open: list[socket.socket] = field(default_factory=list)

    def made(self, family: int, kind: int, *, of_pod: bool = True) -> socket.socket:
        """Return a socket of a process of the node or of its pod.

        Group and namespace are those of who makes it, so another process does, and hands it over.
        """
        namespace = self.pod if of_pod else self.node.namespace
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            (self.node.cgroup / "cgroup.procs").write_text("0")
            with namespace.entered():
                made = socket.socket(family, kind)
            socket.send_fds(theirs, [b"x"], [made.fileno()])
            os._exit(0)
        _, (descriptor,), _, _ = socket.recv_fds(ours, 1, 1)
        os.waitpid(pid, 0)
        ours.close()
        theirs.close()
        made = socket.socket(fileno=descriptor)
        made.settimeout(1.0)
        self.open.append(made)
        return made

    def connected(self, address: str, port: int, *, of_pod: bool = True) -> socket.socket:
        """Return a UDP socket that is connected to an address."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = self.made(family, socket.SOCK_DGRAM, of_pod=of_pod)
        made.connect((address, port))
        return made

    def close(self) -> None:
        while self.open:
            self.open.pop().close()

    @property
    def places(self) -> tuple[str, ...]:
        return self.node.namespace.path, self.pod.path

    def end(self, *gone: BackendAddress, protocols: tuple[int, ...] = (UDP,)) -> Counter[int]:
        """End sockets of backends; return how many of each protocol."""
        counts: Counter[int] = Counter()
        while True:
            ended = end_stale(
                self.places, gone.__contains__, protocols=protocols, notes=self.notes
            )
            assert not ended.failures
            counts += ended.by_protocol
            if not ended.has_more:
                return counts


@pytest.fixture
def rig(shared_rig: Rig) -> Iterator[Rig]:
    yield shared_rig
    shared_rig.close()


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Iterator[Rig]:
    """Loading the programs takes half a second; tests have sockets of their own."""
    folder = tmp_path_factory.mktemp("ending")
    with ExitStack() as stack:
        bpf_root = stack.enter_context(mounted_bpffs(folder / "bpf"))
        namespaces = [Namespace() for _ in range(2)]
        for each in namespaces:
            stack.callback(each.close)
            each.ip("link set lo up", *(f"addr add {a} dev lo" for a in (GONE, ALIVE)))
            each.ip(f"addr add {GONE6} dev lo nodad")
        cgroup = stack.enter_context(group())
        datapath = stack.enter_context(
            Datapath.open(
                bpf_root=bpf_root,
                state_dir=folder / "state",
                settings=DatapathSettings(node_netns_cookie=1),
                objects=objects,
            )
        )
        attacher = SocketAttacher(bpf_root, datapath.programs.socket_fds)
        attacher.attach(cgroup)
        stack.callback(attacher.detach)
        peers = stack.enter_context(datapath.opened(SOCKET_PEERS))
        made = Rig(
            Machine(datapath, namespaces[0], cgroup), namespaces[1], SocketStorage(peers.fd)
        )
        yield made


def is_ended(tried: socket.socket) -> bool:
    """Whether the socket reports its end, as its process is told, and only then."""
    poll = select.poll()  # select() knows no descriptor beyond 1,023.
    poll.register(tried, select.POLLIN)
    if not poll.poll(0):
        return False
    with pytest.raises(OSError, match="abort") as caught:
        tried.recv(1)
    assert caught.value.errno == errno.ECONNABORTED
    return True


@pytest.mark.parametrize("of_pod", [True, False], ids=["pod", "node"])
@pytest.mark.parametrize(
    ("service", "asked", "gone"),
    [(DNS, DNS, GONE), (DNS6, DNS6, GONE6), (DNS, f"::ffff:{DNS}", GONE)],
    ids=["IPv4", "IPv6", "mapped"],
)
def test_connected_socket_to_a_backend_that_went_is_told(
    rig: Rig, service: str, asked: str, gone: str, *, of_pod: bool
) -> None:
    rig.node.serve(service, 53, (gone, 5353), protocol=UDP)
    client = rig.connected(asked, 53, of_pod=of_pod)

    assert rig.end(backend(gone)) == {UDP: 1}

    assert is_ended(client)
    assert rig.end(backend(gone)) == {}


def test_process_that_waits_for_an_answer_stops_waiting(rig: Rig) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    client = rig.connected(DNS, 53)
    client.settimeout(10.0)
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        code = 0
        try:
            client.recv(1)
        except OSError as error:
            code = error.errno or 0
        os.write(writes, bytes([code]))
        os._exit(0)

    rig.end(backend(GONE))

    with os.fdopen(reads, "rb") as pipe:
        os.close(writes)
        assert pipe.read(1) == bytes([errno.ECONNABORTED])
    os.waitpid(pid, 0)


def test_socket_that_was_ended_reaches_the_other_backend_when_it_connects_again(rig: Rig) -> None:
    number = rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    client = rig.connected(DNS, 53)
    rig.node.set_backends(number, (ALIVE, 5353))
    rig.end(backend(GONE))
    assert is_ended(client)

    client.connect((DNS, 53))

    assert rig.end(backend(GONE)) == {}
    assert not is_ended(client)
    assert rig.end(backend(ALIVE)) == {UDP: 1}


def test_others_are_left_alone(rig: Rig) -> None:
    """Of another backend, another port, another protocol, or not sent there by a Service."""
    rig.node.serve(DNS, 53, (ALIVE, 5353), protocol=UDP)
    rig.node.serve(DNS, 54, (GONE, 5354), protocol=UDP)
    rig.node.serve(DNS, 55, (GONE, 5353), protocol=TCP)
    of_other = [rig.connected(DNS, 53), rig.connected(DNS, 54), rig.connected(GONE, 5353)]
    unconnected = rig.made(socket.AF_INET, socket.SOCK_DGRAM)
    unconnected.sendto(b"x", (DNS, 54))
    stream = rig.made(socket.AF_INET, socket.SOCK_STREAM)
    with rig.pod.entered(), socket.create_server((GONE, 5353)):
        stream.connect((DNS, 55))

        assert rig.end(backend(GONE)) == {}

        assert not any(is_ended(each) for each in [*of_other, unconnected, stream])


def test_tcp_ends_only_where_it_is_asked_for_and_its_peer_is_reset(rig: Rig) -> None:
    rig.node.serve(DNS, 80, (GONE, 8080), protocol=TCP)
    client = rig.made(socket.AF_INET, socket.SOCK_STREAM)
    with rig.pod.entered(), socket.create_server((GONE, 8080)) as server:
        client.connect((DNS, 80))
        accepted, _ = server.accept()
        assert rig.end(backend(GONE, 8080, TCP)) == {}

        assert rig.end(backend(GONE, 8080, TCP), protocols=(UDP, TCP)) == {TCP: 1}

        assert is_ended(client)
        with accepted, pytest.raises(ConnectionResetError):
            accepted.recv(1)


def test_sockets_with_the_same_addresses_and_ports_end_all(rig: Rig) -> None:
    """The kernel finds one of them by what it asks for, and compares the cookie then."""
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    clients = [rig.made(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for each in clients:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind((ALIVE, 4000))
    for each in clients:
        each.connect((DNS, 53))

    assert rig.end(backend(GONE)) == {UDP: 3}

    assert all(is_ended(each) for each in clients)


def test_one_look_ends_the_sockets_of_many_backends(rig: Rig) -> None:
    ports = range(6000, 6050)
    for port in ports:
        rig.node.serve(DNS, port, (GONE, port), protocol=UDP)
    clients = [rig.connected(DNS, port) for port in ports]

    assert rig.end(*(backend(GONE, port) for port in ports)) == {UDP: len(ports)}

    assert all(is_ended(each) for each in clients)


def test_socket_that_is_named_ends_once_and_by_its_cookie_alone(rig: Rig) -> None:
    client = rig.connected(GONE, 5353)
    with rig.pod.entered():
        (found,) = [each for each in peered_sockets(UDP) if each.port == 5353]
        assert end_sockets([replace(found, name=found.name[:-8] + bytes(8))]) == 0

        assert end_sockets([found]) == 1
        assert end_sockets([found]) == 0  # It has no peer any more.

    assert is_ended(client)


def test_namespace_that_is_gone_is_no_failure_and_another_file_is_one_that_stops_no_other(
    rig: Rig, tmp_path: Path
) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    client = rig.connected(DNS, 53)
    unmounted = tmp_path / "unmounted"
    unmounted.touch()
    places = ("/run/netns/never-was", str(unmounted), "/dev/null", rig.pod.path)

    ended = end_stale(places, {backend(GONE)}.__contains__, protocols=(UDP,), notes=rig.notes)

    assert is_ended(client)
    assert [str(each).split(":")[0] for each in ended.failures] == [
        "open network namespace /dev/null"
    ]


@asynccontextmanager
async def running(
    rig: Rig, kept: set[BackendAddress], **changes: Any
) -> AsyncIterator[SocketEnding]:
    """Run the task for the node and its pod."""
    table = EndpointTable()
    for number in (1, 2):  # Two interfaces of one pod.
        table.put(endpoint(number, ifindex=number, netns=rig.pod.path))
    ending = SocketEnding(
        replace(SETTINGS, **changes),
        table,
        notes=rig.notes,
        kept=lambda: kept,
        node=rig.node.namespace.path,
    )
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


async def test_task_ends_sockets_of_the_node_and_of_its_pods_soon_after(rig: Rig) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    clients = [rig.connected(DNS, 53, of_pod=of_pod) for of_pod in (True, False)]
    async with running(rig, set()) as ending:
        ending.went([backend(GONE)])
        await until(lambda: all(is_ended(each) for each in clients))

        await until(lambda: ending.status.successes == 1)
        (family,) = ending.families()
    assert dict(family.samples) == {("UDP",): 2, ("TCP",): 0}


@pytest.mark.parametrize("changes", [{"ends_in_pods": False}, {"host_only": True}])
async def test_pods_are_left_out_where_the_settings_say_so(
    rig: Rig, changes: dict[str, bool]
) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    of_pod, of_node = rig.connected(DNS, 53), rig.connected(DNS, 53, of_pod=False)
    async with running(rig, set(), **changes) as ending:
        ending.went([backend(GONE)])
        await until(lambda: is_ended(of_node))
        await until(lambda: ending.status.successes == 1)

    assert not is_ended(of_pod)


async def test_backend_that_came_back_keeps_its_sockets(rig: Rig) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    client = rig.connected(DNS, 53)
    async with running(rig, {backend(GONE)}) as ending:
        ending.went([backend(GONE)])
        await until(lambda: ending.status.successes == 1)

    assert not is_ended(client)


async def test_what_went_while_no_agent_ran_is_found_by_comparing_all(rig: Rig) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    rig.node.serve(DNS, 54, (ALIVE, 5353), protocol=UDP)
    stale, kept, direct = (
        rig.connected(DNS, 53),
        rig.connected(DNS, 54),
        rig.connected("10.0.0.1", 9),
    )
    async with running(rig, {backend(ALIVE)}) as ending:
        ending.compare_all()
        await until(lambda: is_ended(stale))
        await until(lambda: ending.status.successes == 1)

    assert not is_ended(kept)
    assert not is_ended(direct)


@pytest.mark.parametrize("ends_tcp", [False, True])
async def test_streams_end_only_where_the_settings_say_so(rig: Rig, *, ends_tcp: bool) -> None:
    rig.node.serve(DNS, 80, (GONE, 8080), protocol=TCP)
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    stream, datagrams = rig.made(socket.AF_INET, socket.SOCK_STREAM), rig.connected(DNS, 53)
    with rig.pod.entered(), socket.create_server((GONE, 8080)):
        stream.connect((DNS, 80))
        async with running(rig, set(), ends_tcp=ends_tcp) as ending:
            ending.went([backend(GONE, 8080, TCP), backend(GONE)])
            await until(lambda: is_ended(datagrams))
            await until(lambda: ending.status.successes == 1)

        assert is_ended(stream) == ends_tcp


async def test_more_backends_than_are_remembered_are_all_that_are_not_kept(rig: Rig) -> None:
    rig.node.serve(DNS, 53, (GONE, 5353), protocol=UDP)
    client = rig.connected(DNS, 53)
    async with running(rig, set()) as ending:
        ending.went(
            backend(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
            for n in range(1 << 20, (1 << 20) + PENDING_MAX + 1)
        )
        await until(lambda: is_ended(client))
