"""What processes see of Services: real sockets of a process in a control group of its own."""

import errno
import os
import pickle
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.datapath.harness import Namespace

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import (
    AffinitySlotKey,
    Backend,
    Frontend,
    FrontendFlag,
    FrontendKey,
    FrontendScope,
    FrontendType,
    IpcacheEntry,
    PrefixKey,
    Service,
    ServiceSlotKey,
)
from ciliate.datapath.settings import DatapathSettings
from ciliate.datapath.sockets import SocketAttacher
from ciliate.identity.maps import IPCACHE
from ciliate.lab.cgroup import mount_point
from ciliate.net.address import to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.services.maps import AFFINITY_SLOTS, FRONTENDS, SERVICE_SLOTS, SERVICES

TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
WEB, DNS = "10.96.0.20", "10.96.0.10"
WEB6 = "fd00:96::20"
HERE = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1")


def octets(address: str) -> bytes:
    return to_octets(ip_address(address))


@dataclass(slots=True)
class Machine:
    """A node of one namespace: its processes are in `cgroup`, and its addresses are the pods'."""

    datapath: Datapath
    namespace: Namespace
    cgroup: Path
    is_node: bool = True
    _services: int = 0
    _slots: dict[int, list[tuple[str, int]]] = field(default_factory=dict)

    def serve(
        self,
        address: str,
        port: int,
        *backends: tuple[str, int],
        protocol: int = TCP,
        kind: FrontendType = FrontendType.FRONTEND_CLUSTER_IP,
        flags: int = 0,
        scope: FrontendScope = FrontendScope.SCOPE_OUTSIDE,
        affinity_s: int = 0,
    ) -> int:
        """Enter a Service's port; return the number of its set of backends."""
        self._services += 1
        number = self._services
        self.set_backends(number, *backends, affinity_s=affinity_s)
        key = FrontendKey(octets(address), port, protocol, scope)
        with self.datapath.opened(FRONTENDS) as frontends:
            frontends.put(key, Frontend(number, number, kind, flags))
        return number

    def set_backends(self, number: int, *backends: tuple[str, int], affinity_s: int = 0) -> None:
        former = len(self._slots.get(number, ()))
        self._slots[number] = list(backends)
        with (
            self.datapath.opened(SERVICE_SLOTS) as slots,
            self.datapath.opened(SERVICES) as services,
            self.datapath.opened(AFFINITY_SLOTS) as places,
        ):
            for slot, (address, port) in enumerate(backends, 1):
                identity = HERE.index(address) * 100000 + port if address in HERE else port
                slots.put(ServiceSlotKey(number, slot), Backend(octets(address), port, identity))
                if affinity_s:
                    places.put(AffinitySlotKey(number, identity), slot)
            services.put(number, Service(len(backends), affinity_s, 0))
            for slot in range(len(backends) + 1, former + 1):
                slots.remove(ServiceSlotKey(number, slot))

    def run(self, act: Callable[[], Any]) -> Any:
        """Return what `act` does in a process of this machine; an OSError is raised here."""
        reads, writes = os.pipe()
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                os.close(reads)
                answer = self._inside(act)
                os.write(writes, pickle.dumps(answer))
            os._exit(0)
        os.close(writes)
        with os.fdopen(reads, "rb") as pipe:
            answer = pickle.loads(pipe.read())
        os.waitpid(pid, 0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _inside(self, act: Callable[[], Any]) -> Any:
        (self.cgroup / "cgroup.procs").write_text("0")
        try:
            with self.namespace.entered():
                return act()
        except OSError as error:
            return error


@contextmanager
def group() -> Iterator[Path]:
    folder = mount_point() / f"ciliate-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        folder.rmdir()


def netns_cookie() -> int:
    """The number of this thread's network namespace (SO_NETNS_COOKIE)."""
    with socket.socket() as any_socket:
        return int.from_bytes(any_socket.getsockopt(socket.SOL_SOCKET, 71, 8), "little")


@pytest.fixture(params=[True, False], ids=["node", "pod"])
def machine(
    request: pytest.FixtureRequest, bpf_root: Path, state_dir: Path, objects: Path
) -> Iterator[Machine]:
    """Processes of the node itself, and of a pod."""
    namespace = Namespace()
    with namespace.entered():
        subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
        for each in HERE:
            words = ("ip", "address", "add", each, "dev", "lo")
            subprocess.run((*words, *(("nodad",) if ":" in each else ())), check=True)
        cookie = netns_cookie()
    settings = DatapathSettings(node_netns_cookie=cookie if request.param else cookie + 1)
    with (
        group() as cgroup,
        Datapath.open(
            bpf_root=bpf_root, state_dir=state_dir, settings=settings, objects=objects
        ) as datapath,
    ):
        attacher = SocketAttacher(bpf_root, datapath.programs.socket_fds)
        attacher.attach(cgroup)
        assert len(attacher.attached()) == 10
        yield Machine(datapath, namespace, cgroup, is_node=request.param)
        attacher.detach()
        assert not attacher.attached()


def listening(address: str, port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def datagrams(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(1.0)
    return made


def end_of_connection(address: str, port: int) -> tuple[Any, Any]:
    """Connect; return whom the client is told it has, and whom it has."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        client.settimeout(1.0)
        client.connect((address, port))
        return client.getpeername()[:2], real_peer(client)


def real_peer(client: socket.socket) -> str:
    """The other end in the kernel's own table, which no program translates."""
    inode = os.fstat(client.fileno()).st_ino
    tables = ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6")
    for line in (line for table in tables for line in Path(table).read_text().splitlines()[1:]):
        columns = line.split()
        if int(columns[9]) == inode:
            return columns[2]
    raise AssertionError("no such socket")


def hexadecimal(address: str, port: int) -> str:
    """The end of a connection as /proc/net/tcp writes it."""
    raw = ip_address(address).packed
    words = [raw[at : at + 4][::-1].hex() for at in range(0, len(raw), 4)]
    return f"{''.join(words).upper()}:{port:04X}"


@pytest.mark.parametrize(("service", "pod"), [(WEB, HERE[0]), (WEB6, HERE[3])])
def test_connection_reaches_the_backend_and_is_told_the_service(
    machine: Machine, service: str, pod: str
) -> None:
    machine.serve(service, 80, (pod, 8080))

    def act() -> tuple[Any, Any]:
        with listening(pod, 8080):
            return end_of_connection(service, 80)

    told, real = machine.run(act)

    assert told == (service, 80)
    assert real == hexadecimal(pod, 8080)


def test_mapped_address_is_translated_as_the_ipv4_one(machine: Machine) -> None:
    """A socket of IPv6 that connects to ::ffff:10.96.0.20 (RFC 4291, 2.5.5.2)."""
    machine.serve(WEB, 80, (HERE[0], 8080))

    def act() -> tuple[Any, Any]:
        with listening(HERE[0], 8080):
            return end_of_connection(f"::ffff:{WEB}", 80)

    told, _real = machine.run(act)

    assert told == (f"::ffff:{WEB}", 80)


def test_what_is_no_service_is_left_alone(machine: Machine) -> None:
    machine.serve(WEB, 80, (HERE[1], 8080))

    def act() -> tuple[Any, Any]:
        with listening(HERE[0], 8080):
            return end_of_connection(HERE[0], 8080)

    assert machine.run(act) == ((HERE[0], 8080), hexadecimal(HERE[0], 8080))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_service_without_backends_refuses_at_once(
    machine: Machine, kind: socket.SocketKind
) -> None:
    machine.serve(WEB, 80, protocol=TCP if kind is socket.SOCK_STREAM else UDP)

    def act() -> None:
        with socket.socket(type=kind) as client:
            client.connect((WEB, 80))

    with pytest.raises(ConnectionRefusedError):
        machine.run(act)


def test_port_that_a_service_lacks_is_refused(machine: Machine) -> None:
    """Else the connection would leave by the default route."""
    machine.serve(WEB, 80, (HERE[0], 8080))
    unknown = FrontendFlag.FRONTEND_UNKNOWN_PORT
    machine.serve(WEB, 0, protocol=0, flags=unknown)

    def act() -> None:
        with socket.socket() as client:
            client.connect((WEB, 81))

    with pytest.raises(ConnectionRefusedError):
        machine.run(act)


def test_backends_are_chosen_by_chance(machine: Machine) -> None:
    machine.serve(WEB, 80, *((address, 8080) for address in HERE[:3]))

    def act() -> set[str]:
        servers = [listening(address, 8080) for address in HERE[:3]]
        found = {end_of_connection(WEB, 80)[1] for _ in range(60)}
        del servers
        return found

    assert machine.run(act) == {hexadecimal(address, 8080) for address in HERE[:3]}


def test_affinity_gives_one_client_one_backend_until_that_goes(machine: Machine) -> None:
    number = machine.serve(WEB, 80, *((a, 8080) for a in HERE[:3]), affinity_s=600)

    def act() -> set[str]:
        servers = [listening(address, 8080) for address in HERE[:3]]
        found = {end_of_connection(WEB, 80)[1] for _ in range(20)}
        del servers
        return found

    first = machine.run(act)
    machine.set_backends(number, *reversed([(a, 8080) for a in HERE[:3]]), affinity_s=600)
    moved = machine.run(act)

    assert len(first) == 1
    assert moved == first


@pytest.mark.parametrize("connects", [True, False], ids=["connected", "unconnected"])
@pytest.mark.parametrize(("service", "pod"), [(DNS, HERE[0]), ("fd00:96::10", HERE[3])])
def test_datagrams_come_back_from_the_service(
    machine: Machine, service: str, pod: str, *, connects: bool
) -> None:
    machine.serve(service, 53, (pod, 5353), protocol=UDP)

    def act() -> tuple[bytes, Any]:
        with datagrams(pod, 5353) as server, datagrams(pod, 0) as client:
            if connects:
                client.connect((service, 53))
                client.send(b"query")
            else:
                client.sendto(b"query", (service, 53))
            query, asked = server.recvfrom(64)
            server.sendto(b"answer to " + query, asked)
            answer, came_from = client.recvfrom(64)
            return answer, came_from[:2]

    assert machine.run(act) == (b"answer to query", (service, 53))


def test_one_socket_talks_to_several_services_in_turn(machine: Machine) -> None:
    """As a resolver with more than one name server does."""
    names = [f"10.96.0.{number}" for number in range(101, 109)]
    for at, name in enumerate(names):
        machine.serve(name, 53, (HERE[at % 3], 5300 + at), protocol=UDP)

    def act() -> list[Any]:
        servers = [datagrams(HERE[at % 3], 5300 + at) for at in range(len(names))]
        with datagrams(HERE[0], 0) as client:
            for name in names:
                client.sendto(b"query", (name, 53))
            for server in servers:
                query, asked = server.recvfrom(64)
                server.sendto(query, asked)
            return [client.recvfrom(64)[1] for _ in names]

    assert sorted(machine.run(act)) == sorted((name, 53) for name in names)


def test_datagrams_of_one_socket_go_to_one_backend_while_it_is_there(machine: Machine) -> None:
    machine.serve(DNS, 53, *((address, 5353) for address in HERE[:3]), protocol=UDP)

    def act() -> list[int]:
        servers = [datagrams(address, 5353) for address in HERE[:3]]
        with datagrams(HERE[0], 0) as client:
            for _ in range(20):
                client.sendto(b"query", (DNS, 53))
        return [len(waiting(server)) for server in servers]

    assert sorted(machine.run(act)) == [0, 0, 20]


def waiting(server: socket.socket) -> list[bytes]:
    server.setblocking(False)
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(server.recv(64))
    return found


def mark_nodes(machine: Machine, **addresses: ReservedIdentity) -> None:
    with machine.datapath.opened(IPCACHE) as ipcache:
        for address, identity in addresses.items():
            key = PrefixKey(128, octets(address.replace("_", ".")))
            ipcache.put(key, IpcacheEntry(identity, 0, bytes(16)))


@pytest.mark.parametrize(
    "identity",
    [ReservedIdentity.HOST, ReservedIdentity.REMOTE_NODE, ReservedIdentity.KUBE_APISERVER],
)
def test_node_port_of_every_node_is_translated_where_it_is_asked_for(
    machine: Machine, identity: ReservedIdentity
) -> None:
    node = {"192_168_10_101": identity}
    mark_nodes(machine, **node)
    machine.serve("0.0.0.0", 30080, (HERE[0], 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    def act() -> tuple[Any, Any]:
        with listening(HERE[0], 8080):
            return end_of_connection("192.168.10.101", 30080)

    assert machine.run(act) == (("192.168.10.101", 30080), hexadecimal(HERE[0], 8080))


def test_node_port_of_loopback_is_the_node_s_own(machine: Machine) -> None:
    """A pod's 127.0.0.1 is the pod."""
    machine.serve("0.0.0.0", 30080, (HERE[0], 8080), kind=FrontendType.FRONTEND_NODE_PORT)

    def act() -> list[str]:
        found = []
        with listening(HERE[0], 8080):
            for address in ("127.0.0.1", "0.0.0.0"):
                try:
                    found.append(end_of_connection(address, 30080)[1])
                except ConnectionRefusedError:
                    found.append("refused")
        return found

    expected = hexadecimal(HERE[0], 8080) if machine.is_node else "refused"
    assert machine.run(act) == [expected] * 2


def test_callers_inside_the_cluster_have_a_scope_of_their_own(machine: Machine) -> None:
    two = FrontendFlag.FRONTEND_TWO_SCOPES
    machine.serve("192.0.2.1", 80, (HERE[1], 8080), flags=two)
    machine.serve("192.0.2.1", 80, (HERE[0], 8080), flags=two, scope=FrontendScope.SCOPE_INSIDE)

    def act() -> tuple[Any, Any]:
        with listening(HERE[0], 8080):
            return end_of_connection("192.0.2.1", 80)

    assert machine.run(act)[1] == hexadecimal(HERE[0], 8080)


def test_external_ip_that_is_no_address_of_the_node_is_left_alone(machine: Machine) -> None:
    """Whoever may write a Service would else get what pods send to any address (CVE-2020-8554)."""
    machine.serve(HERE[2], 8080, (HERE[0], 8080), kind=FrontendType.FRONTEND_EXTERNAL_IP)

    def act() -> tuple[Any, Any]:
        with listening("0.0.0.0", 8080):
            return end_of_connection(HERE[2], 8080)

    assert machine.run(act)[1] == hexadecimal(HERE[2], 8080)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::", HERE[0]])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_node_port_cannot_be_taken_by_a_process_of_the_node(
    machine: Machine, address: str, kind: socket.SocketKind
) -> None:
    protocol = TCP if kind is socket.SOCK_STREAM else UDP
    machine.serve(
        *("0.0.0.0", 30080, (HERE[0], 8080)),
        protocol=protocol,
        kind=FrontendType.FRONTEND_NODE_PORT,
    )

    def act() -> int:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, kind) as server, socket.socket(family, kind) as other:
            other.bind((address, 30081))
            try:
                server.bind((address, 30080))
            except OSError as error:
                return error.errno or 0
        return 0

    assert machine.run(act) == (errno.EADDRINUSE if machine.is_node else 0)
