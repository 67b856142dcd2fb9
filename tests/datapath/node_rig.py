"""A node in miniature for the packet tests: two pods, one uplink, and the real programs.

    pod1 eth0 ── lxc1 ┐               ┌ eth1 ── wire   (the far end: other nodes, routers)
    pod2 eth0 ── lxc2 ┴─ node (FIB) ──┘

Every namespace is real and the node's kernel routes; only the test answers on the wire. A test
either asks a program for its verdict (`run`), or sends frames and checks what comes out at the
other end (`pod1.port`, `wire`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from subprocess import run as run_command
from typing import Any

from scapy.layers.l2 import Ether
from tests.datapath.harness import Namespace, Port

from ciliate.datapath import metrics, pins, test_run
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode
from ciliate.datapath.layout import (
    AttachPoint,
    Connection,
    DropReason,
    Endpoint,
    EndpointFlag,
    Interface,
    IpcacheEntry,
    IpcacheFlag,
    MasqueradeAddress,
    Metric,
    PrefixKey,
)
from ciliate.datapath.metrics import METRICS
from ciliate.datapath.settings import DatapathSettings
from ciliate.datapath.sweep import Sweeper
from ciliate.datapath.test_run import Run
from ciliate.identity.maps import IPCACHE
from ciliate.masquerade.connections import LIVE
from ciliate.masquerade.maps import (
    CONNECTION_OWNERS,
    CONNECTIONS,
    FRAGMENTS,
    MASQUERADE_ADDRESSES,
    PORT_FAILURES,
    PORT_USERS,
)
from ciliate.masquerade.ports.book import Counts
from ciliate.masquerade.ports.tally import PortTally
from ciliate.net.address import Mac, host_network, ip_network, mac_octets, prefix_bits, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.node.maps import ENDPOINTS, INTERFACES

NODE_4, NODE_6 = "192.168.10.100", "fd00:10::100"
OTHER_NODE_4, OTHER_NODE_6 = "192.168.10.101", "fd00:10::101"
ROUTER_4, ROUTER_6 = "192.168.10.200", "fd00:10::200"
WORLD_4, WORLD_6 = "203.0.113.10", "2001:db8::10"
REMOTE_POD_4, REMOTE_POD_6 = "10.244.1.20", "fd00:244:1::20"
WIRE_MAC = "02:00:00:00:00:fe"
NODE_MAC = "02:00:00:00:01:00"

#: Ethernet headers of what leaves by eth1 and of what arrives there.
OUT = Ether(src=NODE_MAC, dst=WIRE_MAC)
IN = Ether(src=WIRE_MAC, dst=NODE_MAC)

#: Verdicts (linux/pkt_cls.h).
OK, SHOT, REDIRECT = 0, 2, 7

_POD_IDENTITY = 8066


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: its addresses, and its end of the veth as a port."""

    number: int
    ipv4: str
    ipv6: str
    mac: str
    host_mac: str
    host_device: str
    host_ifindex: int
    namespace: Namespace
    port: Port


@dataclass(frozen=True, slots=True)
class Node:
    """The node with everything on it; the test's thread runs in its namespace."""

    datapath: Datapath
    namespace: Namespace
    pod1: Pod
    pod2: Pod
    uplink_ifindex: int
    wire: Port
    far_end: Namespace
    bpf_root: Path

    def run(self, program: str, packet: Any, *, ifindex: int) -> Run:
        """Ask a program for its verdict on a frame at `ifindex`."""
        fd = getattr(self.datapath.programs, f"{program}_fd")
        return test_run.run(fd, bytes(packet), ifindex=ifindex)

    def from_pod(self, packet: Any) -> Run:
        """Run from_pod as if pod1 had sent `packet`."""
        return self.run("from_pod", packet, ifindex=self.pod1.host_ifindex)

    def to_pod(self, packet: Any) -> Run:
        """Run to_pod as if the stack had sent `packet` to pod1."""
        return self.run("to_pod", packet, ifindex=self.pod1.host_ifindex)

    def from_uplink(self, packet: Any) -> Run:
        """Run from_uplink as if `packet` had come in at eth1."""
        return self.run("from_uplink", packet, ifindex=self.uplink_ifindex)

    def to_uplink(self, packet: Any) -> Run:
        """Run to_uplink as if `packet` were leaving by eth1."""
        return self.run("to_uplink", packet, ifindex=self.uplink_ifindex)

    def sent_out(self, packet: Any) -> Any:
        """Return the frame that leaves by eth1 when the node sends `packet` there."""
        run = self.to_uplink(OUT / packet)
        assert run.verdict == OK
        return Ether(run.packet)

    def counters(self) -> Mapping[tuple[int, AttachPoint], Metric]:
        """Return all counters."""
        with self.datapath.opened(METRICS) as opened:
            return metrics.counters(opened)

    @contextmanager
    def counted(self) -> Iterator[dict[tuple[DropReason, AttachPoint], int]]:
        """Yield a mapping that holds, after the block, the packets counted within it."""
        before = self.counters()
        counted: dict[tuple[DropReason, AttachPoint], int] = {}
        yield counted
        for (reason, point), metric in self.counters().items():
            known = before.get((reason, point))
            difference = metric.packets - (known.packets if known else 0)
            if difference:
                counted[DropReason(reason), point] = difference

    def sweeper(self) -> Sweeper:
        """Return what ends connections."""
        with self.datapath.opened(CONNECTIONS) as connections:
            return Sweeper(self.datapath.programs.sweep_fd, connections.capacity)

    def ports(self) -> Counts:
        """Return who holds how many ports, as the program `tally` counts them."""
        with (
            self.datapath.opened(CONNECTIONS) as connections,
            self.datapath.opened(PORT_USERS) as users,
            self.datapath.opened(CONNECTION_OWNERS) as owners,
        ):
            program_fd = self.datapath.programs.tally_fd
            tally = PortTally(program_fd, connections.capacity, users=users, owners=owners)
            return tally.count()

    def connections(self) -> list[Connection]:
        """Return the connections that are tracked."""
        with self.datapath.opened(CONNECTIONS) as opened:
            return [element for _, element in opened.items(LIVE)]

    def change(self, connection: Connection, **fields: Any) -> None:
        """Let a connection be another than packets made it."""
        with self.datapath.opened(CONNECTIONS) as opened:
            opened.put(connection.place, connection._replace(**fields))

    def expire(self) -> None:
        """Let every connection be long over."""
        for connection in self.connections():
            self.change(connection, expires_ns=1)

    def forget_flows(self) -> None:
        """Empty what packets left behind, and the ports' queues."""
        self.sweeper().matching()
        with (
            self.datapath.opened(FRAGMENTS) as fragments,
            self.datapath.opened(PORT_FAILURES) as failures,
        ):
            fragments.clear()
            failures.clear()
        for port in (self.wire, self.pod1.port, self.pod2.port):
            port.drain()


DEFAULT_SETTINGS = DatapathSettings(
    native_routing_v4=IPv4Network("10.244.0.0/16"),
    native_routing_v6=IPv6Network("fd00:244::/32"),
    masquerade_v4=True,
    masquerade_v6=True,
)


@contextmanager
def node_rig(
    *,
    bpf_root: Path,
    state_dir: Path,
    objects: Path,
    settings: DatapathSettings = DEFAULT_SETTINGS,
    attach_mode: AttachMode | None = None,
) -> Iterator[Node]:
    """Build a node, enter it, and take everything away afterwards."""
    spaces = [Namespace() for _ in range(4)]
    node, wire_space, *pod_spaces = spaces
    try:
        with node.entered():
            uplink = _add_uplink(node, wire_space)
            pods = [_add_pod(node, space, n + 1) for n, space in enumerate(pod_spaces)]
            with Datapath.open(
                bpf_root=bpf_root,
                state_dir=state_dir,
                settings=settings,
                objects=objects,
                attach_mode=attach_mode,
            ) as datapath:
                _fill_maps(datapath, pods, uplink)
                _attach(datapath, bpf_root, pods, uplink)
                wire = wire_space.port("wire")
                yield Node(datapath, node, pods[0], pods[1], uplink, wire, wire_space, bpf_root)
                wire.close()
                for pod in pods:
                    pod.port.close()
    finally:
        for space in spaces:
            space.close()


def silence(node: Namespace) -> None:
    """Keep the kernel's own multicast reports and solicitations out of the counters."""
    rules = (
        "table ip6 quiet { chain output { type filter hook output priority 0;"
        " icmpv6 type { 130-136, 143 } drop; }; }"
    )
    with node.entered():
        run_command(["nft", rules], check=True)


def _add_uplink(node: Namespace, wire: Namespace) -> int:
    """Add eth1, its far end `wire`, addresses, routes, and neighbours that need no answer."""
    for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        node.sysctl(name, "1")
    node.sysctl("net.ipv6.conf.default.accept_dad", "0")
    silence(node)
    wire.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    node.ip(
        "link set lo up",
        f"link add eth1 address {NODE_MAC} mtu 1500 type veth peer name wire netns {wire.path}",
        f"address add {NODE_4}/24 dev eth1",
        f"address add {NODE_6}/64 dev eth1 nodad",
        "link set eth1 up",
    )
    wire.ip(f"link set wire address {WIRE_MAC} arp off", "link set wire up")
    neighbours = (OTHER_NODE_4, OTHER_NODE_6, ROUTER_4, ROUTER_6)
    node.ip(
        *(f"neigh replace {each} lladdr {WIRE_MAC} dev eth1 nud permanent" for each in neighbours),
        f"route add 10.244.1.0/24 via {OTHER_NODE_4}",
        f"route add fd00:244:1::/64 via {OTHER_NODE_6}",
        f"route add default via {ROUTER_4}",
        f"route add default via {ROUTER_6}",
    )
    return node.ifindex("eth1")


def _add_pod(node: Namespace, space: Namespace, number: int) -> Pod:
    ipv4, ipv6 = f"10.244.0.{number}", f"fd00:244::{number}"
    mac, host_mac = f"ee:0a:00:00:00:0{number}", f"ee:0b:00:00:00:0{number}"
    device = f"lxc{number}"
    space.sysctl("net.ipv6.conf.default.disable_ipv6", "1")  # Frames are made by the tests.
    node.ip(
        f"link add {device} address {host_mac} type veth"
        f" peer name eth0 address {mac} netns {space.path}",
        f"link set {device} up",
    )
    space.ip("link set lo up", "link set eth0 up", f"address add {ipv4}/32 dev eth0")
    node.ip(f"route add {ipv4}/32 dev {device}", f"route add {ipv6}/128 dev {device}")
    return Pod(
        number=number,
        ipv4=ipv4,
        ipv6=ipv6,
        mac=mac,
        host_mac=host_mac,
        host_device=device,
        host_ifindex=node.ifindex(device),
        namespace=space,
        port=space.port("eth0"),
    )


def octets(address: str) -> bytes:
    """Return an address as the maps hold it."""
    return to_octets(ip_address(address))


def _fill_maps(datapath: Datapath, pods: list[Pod], uplink: int) -> None:
    with datapath.opened(INTERFACES) as interfaces, datapath.opened(ENDPOINTS) as endpoints:
        for pod in pods:
            host_mac, mac = mac_octets(Mac(pod.host_mac)), mac_octets(Mac(pod.mac))
            interfaces.put(
                pod.host_ifindex,
                Interface(
                    octets(pod.ipv4), octets(pod.ipv6), _POD_IDENTITY, pod.number, host_mac, 0
                ),
            )
            for address in (pod.ipv4, pod.ipv6):
                endpoint = Endpoint(pod.host_ifindex, _POD_IDENTITY, pod.number, 0, mac, host_mac)
                endpoints.put(octets(address), endpoint)
        for address in (NODE_4, NODE_6):
            host = Endpoint(uplink, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))
            endpoints.put(octets(address), host)
    with datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        addresses.put(uplink, MasqueradeAddress(octets(NODE_4), octets(NODE_6)))
    with datapath.opened(IPCACHE) as ipcache:
        ipcache.put_many(_ipcache())


def _ipcache() -> dict[PrefixKey, IpcacheEntry]:
    host, remote = ReservedIdentity.HOST, ReservedIdentity.REMOTE_NODE
    entries = {
        NODE_4: (host, 0),
        NODE_6: (host, 0),
        OTHER_NODE_4: (remote, 0),
        OTHER_NODE_6: (remote, 0),
        "10.244.1.0/24": (ReservedIdentity.WORLD, IpcacheFlag.IPCACHE_CLUSTER),
        "fd00:244:1::/64": (ReservedIdentity.WORLD, IpcacheFlag.IPCACHE_CLUSTER),
    }
    networks = {
        ip_network(text) if "/" in text else host_network(ip_address(text)): value
        for text, value in entries.items()
    }
    return {
        PrefixKey(prefix_bits(network), to_octets(network.network_address)): IpcacheEntry(
            identity, flags, bytes(16)
        )
        for network, (identity, flags) in networks.items()
    }


def _attach(datapath: Datapath, bpf_root: Path, pods: list[Pod], uplink: int) -> None:
    for pod in pods:
        run_command(["tc", "qdisc", "add", "dev", pod.host_device, "clsact"], check=True)
        for direction, program in (("ingress", "from_pod"), ("egress", "to_pod")):
            path = str(pins.program_path(bpf_root, program))
            where = ["dev", pod.host_device, direction]
            what = ["bpf", "direct-action", "object-pinned", path]
            run_command(["tc", "filter", "add", *where, *what], check=True)
    datapath.attach(ifindex=uplink, device="eth1")
