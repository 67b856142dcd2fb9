"""A node in miniature whose packets to pods of other nodes travel in a tunnel.

    pod1 ── lxc1 ┐                 ┌ cilium_vxlan (VXLAN in UDP) ┐
    pod2 ── lxc2 ┴─ node ──────────┤                             ├ eth1 ── wire
                     └ cilium_host ┘                             ┘

Everything of node_rig is there, too; the router's device, the tunnel's, the routes and the map
entries are as the agent makes them. The test answers on the wire for all other nodes.
"""

import ctypes
import fcntl
import itertools
import json
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import checksum
from tests.datapath.harness import DEADLINE_S, Namespace
from tests.datapath.node_rig import DEFAULT_SETTINGS, IN, WIRE_MAC, Node, node_rig, octets
from tests.datapath.tunnel_families import (
    ROUTER_4,
    ROUTER_6,
    THIRD_NODE_4,
    THIRD_NODE_6,
    V4,
    V6,
    Family,
)

from ciliate.datapath import pins, test_run
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode
from ciliate.datapath.device_programs import DeviceRole
from ciliate.datapath.layout import (
    AggregationLevel,
    AttachPoint,
    Backend,
    DropReason,
    Endpoint,
    EndpointFlag,
    Event,
    EventSettings,
    EventWantedFlag,
    Frontend,
    FrontendKey,
    FrontendScope,
    FrontendType,
    InterfaceFlag,
    IpcacheEntry,
    IpcacheFlag,
    MasqueradeAddress,
    PrefixKey,
    Service,
    ServiceSlotKey,
    TunnelDevice,
)
from ciliate.datapath.ring import EVENTS, EventRing
from ciliate.datapath.settings import DatapathSettings
from ciliate.datapath.test_run import Run
from ciliate.flows.maps import EVENT_SETTINGS
from ciliate.identity.maps import IPCACHE
from ciliate.masquerade.maps import MASQUERADE_ADDRESSES
from ciliate.net.address import host_network, ip_address, ip_network, prefix_bits, to_octets
from ciliate.net.identity import ReservedIdentity
from ciliate.net.tunnel import OVERHEAD_BYTES
from ciliate.netlink.router import router_settings
from ciliate.node.maps import ENDPOINTS, INTERFACES
from ciliate.services.maps import FRONTENDS, SERVICE_SLOTS, SERVICES
from ciliate.tunnel.maps import TUNNEL_DEVICES

TUNNEL_PORT: Final = 8472
TUNNEL, ROUTER = "cilium_vxlan", "cilium_host"
POD_IDENTITY, REMOTE_IDENTITY = 8066, 9001

SETTINGS: Final = replace(
    DEFAULT_SETTINGS,
    native_routing_v4=None,
    native_routing_v6=None,
    services_by_packet=True,
    tunnel_port=TUNNEL_PORT,
)

#: The Ethernet header of what another node sends: of no device here.
INNER: Final = Ether(src="02:00:00:00:00:aa", dst="02:00:00:00:00:bb")

_UNDERLAY_MTU: Final = 1500
_ETHERNET_BYTES: Final = 14
#: linux/if_packet.h, linux/virtio_net.h.
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_NEEDS_CHECKSUM, _GSO_TCP4, _GSO_TCP6 = 1, 1, 4
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17

#: With another seed, flows have other names: all are news.
_SEEDS: Final = itertools.count(1)


@dataclass(slots=True)
class Tunnel:
    """A node with a tunnel, whose outer headers are of the family `underlay`."""

    node: Node
    underlay: Family
    settings: DatapathSettings
    state_dir: Path
    objects: Path
    services: int = 0

    @property
    def mtu(self) -> int:
        """What a packet inside may have, from its IP header on."""
        return _UNDERLAY_MTU - OVERHEAD_BYTES[self.underlay.version]

    def pod_sends(self, packet: Any, *, pod: int = 1) -> None:
        """Let a pod send an IP packet."""
        sender = self.node.pod1 if pod == 1 else self.node.pod2
        sender.port.send(Ether(src=sender.mac, dst=sender.host_mac) / packet)

    def pod_sends_segments(self, packet: Any, size: int) -> None:
        """Let pod1 send one packet that is still to be cut into segments of `size` octets of TCP."""
        pod, is_v6 = self.node.pod1, IPv6 in packet
        frame = Ether(src=pod.mac, dst=pod.host_mac) / packet
        start = _ETHERNET_BYTES + (40 if is_v6 else 20)
        octets = bytearray(bytes(frame))
        header = frame[IPv6 if is_v6 else IP]
        segment = len(octets) - start
        # What is behind is summed by who cuts: here is the sum over the pseudo header only.
        ends = to_octets(ip_address(header.src))[0 if is_v6 else 12 :]
        ends += to_octets(ip_address(header.dst))[0 if is_v6 else 12 :]
        pseudo = ends + struct.pack("!II", segment, socket.IPPROTO_TCP)
        octets[start + 16 : start + 18] = (~checksum(pseudo) & 0xFFFF).to_bytes(2)
        kind = _GSO_TCP6 if is_v6 else _GSO_TCP4
        about = struct.pack("=BBHHHH", _NEEDS_CHECKSUM, kind, start + 20, size, start, 16)
        with (
            pod.namespace.entered(),
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as opened,
        ):
            opened.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
            opened.bind(("eth0", 0))
            opened.send(about + bytes(octets))

    def around(self, inner: Any, *, vni: int = REMOTE_IDENTITY, **fields: Any) -> Any:
        """Return the frame in which the other node sends `inner`; `fields`: the outer IP's."""
        under = self.underlay
        header = under.ip(**{"src": under.other_node, "dst": under.node} | fields)
        tunnel = UDP(sport=50000, dport=TUNNEL_PORT) / VXLAN(vni=vni, flags="Instance")
        return IN / header / tunnel / inner

    def other_sends(self, packet: Any, *, vni: int = REMOTE_IDENTITY, **fields: Any) -> None:
        """Let another node send an IP packet through the tunnel."""
        self.node.wire.send(self.around(INNER / packet, vni=vni, **fields))

    def from_pod(self, packet: Any) -> int:
        """Return the verdict of from_pod on an IP packet of pod1's."""
        pod = self.node.pod1
        return self.node.from_pod(Ether(src=pod.mac, dst=pod.host_mac) / packet).verdict

    def from_tunnel(self, frame: Any) -> Run:
        """Run from_tunnel on a frame that came out of no tunnel."""
        ifindex = self.node.namespace.ifindex(TUNNEL)
        path = pins.program_path(self.node.bpf_root, "from_tunnel_tunnel")
        with pins.opened_pin(path) as fd:
            assert fd is not None
            return test_run.run(fd, bytes(frame), ifindex=ifindex)

    def headers(self, frame: Any) -> tuple[Any, ...]:
        """What the headers around a packet say: source, destination, port, VNI.

        The outer UDP header must have the checksum that it must have: none over IPv4.
        """
        outer = frame[self.underlay.ip]
        if self.underlay is V4:
            assert frame[UDP].chksum == 0
        else:
            assert in6_chksum(17, outer, bytes(outer.payload)) in {0, 0xFFFF}
        return outer.src, outer.dst, frame[UDP].dport, frame[VXLAN].vni

    def way_out(self, vni: int) -> tuple[Any, ...]:
        """The headers around what this node sends to the other one for `vni`."""
        return self.underlay.node, self.underlay.other_node, TUNNEL_PORT, vni

    def on_wire(self, layer: Any) -> Any:
        """Return the next frame with `layer` that leaves by eth1."""
        frame = self.node.wire.receive(lambda found: layer in found)
        assert frame is not None
        return frame

    def in_tunnel(self, layer: Any) -> Any:
        """Return the next frame of the tunnel with `layer` inside."""
        frame = self.node.wire.receive(lambda found: VXLAN in found and layer in found[VXLAN])
        assert frame is not None
        return frame

    def at_pod(self, layer: Any, *, pod: int = 1) -> Any:
        """Return the next frame with `layer` that a pod receives."""
        port = (self.node.pod1 if pod == 1 else self.node.pod2).port
        frame = port.receive(lambda found: layer in found)
        assert frame is not None
        return frame

    def refused_by_kernel(self) -> int:
        """Return how many packets the kernel took for none of the tunnel's."""
        asked = ["ip", "-json", "-stats", "link", "show", "dev", TUNNEL]
        shown = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
        received = shown[0]["stats64"]["rx"]
        return int(received["errors"]) + int(received["dropped"])

    @contextmanager
    def counting(self, point: AttachPoint, wanted: Mapping[DropReason, int]) -> Iterator[None]:
        """Wait after the block until `point` has counted `wanted`; nothing else may be counted."""
        before = self.counted_at(point)
        yield
        end = time.monotonic() + DEADLINE_S
        while True:
            counted = {
                reason: packets - before.get(reason, 0)
                for reason, packets in self.counted_at(point).items()
                if packets != before.get(reason, 0)
            }
            if sum(counted.values()) >= sum(wanted.values()) or time.monotonic() > end:
                break
        assert counted == wanted

    def counted_at(self, point: AttachPoint) -> dict[DropReason, int]:
        """Return how many packets `point` has counted, by reason."""
        return {
            DropReason(reason): metric.packets
            for (reason, at), metric in self.node.counters().items()
            if at == point
        }

    def serve(
        self,
        address: str,
        port: int,
        *backends: tuple[str, int],
        protocol: int = 6,
        kind: FrontendType = FrontendType.FRONTEND_CLUSTER_IP,
    ) -> None:
        """Enter a Service's port."""
        self.services += 1
        number, datapath = self.services, self.node.datapath
        with (
            datapath.opened(SERVICE_SLOTS) as slots,
            datapath.opened(SERVICES) as services,
            datapath.opened(FRONTENDS) as frontends,
        ):
            for slot, (backend, backend_port) in enumerate(backends, 1):
                place = Backend(octets(backend), backend_port, number * 100 + slot)
                slots.put(ServiceSlotKey(number, slot), place)
            services.put(number, Service(len(backends), 0, 0))
            key = FrontendKey(octets(address), port, protocol, FrontendScope.SCOPE_OUTSIDE)
            frontends.put(key, Frontend(number, number, kind, 0))

    def forget_services(self) -> None:
        """Remove the Services that `serve` entered."""
        with self.node.datapath.opened(FRONTENDS) as frontends:
            frontends.clear()

    def own_address(self, address: str) -> None:
        """Enter an address of this node that no CiliumNode names."""
        datapath = self.node.datapath
        with datapath.opened(ENDPOINTS) as endpoints, datapath.opened(IPCACHE) as ipcache:
            host = Endpoint(1, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))
            endpoints.put(octets(address), host)
            key = PrefixKey(128, octets(address))
            ipcache.put(key, IpcacheEntry(ReservedIdentity.HOST, 0, bytes(16)))

    @contextmanager
    def told(self) -> Iterator[list[Event]]:
        """Yield a list that holds, after the block, the events told within it."""
        wanted = EventWantedFlag.EVENT_WANTED_DROP | EventWantedFlag.EVENT_WANTED_TRACE
        level, datapath = AggregationLevel.AGGREGATION_NONE, self.node.datapath
        with (
            EventRing(datapath.map_fd(EVENTS)) as ring,
            datapath.opened(EVENT_SETTINGS) as settings,
        ):
            ring.skip()
            settings.put(0, EventSettings(wanted, level, 60_000, 0xFF, next(_SEEDS), 0, 0))
            events: list[Event] = []
            try:
                yield events
            finally:
                settings.put(0, EventSettings(0, level, 60_000, 0xFF, 0, 0, 0))
                events += Event.unpack_many(ring.read(100_000))


#: What builds a node with a tunnel, as `tunnel_rig`, and where it is kept.
Build = Callable[..., AbstractContextManager[Tunnel]]


@contextmanager
def tunnel_rig(
    *,
    underlay: Family,
    bpf_root: Path,
    state_dir: Path,
    objects: Path,
    settings: DatapathSettings = SETTINGS,
    attach_mode: AttachMode | None = None,
) -> Iterator[Tunnel]:
    """Build a node with a tunnel, enter it, and take everything away afterwards."""
    with node_rig(
        bpf_root=bpf_root,
        state_dir=state_dir,
        objects=objects,
        settings=settings,
        attach_mode=attach_mode,
    ) as node:
        tunnel = Tunnel(node, underlay, settings, state_dir, objects)
        _sum_in_software("eth1")
        _add_devices(node.namespace)
        _fill_maps(tunnel)
        if settings.tunnel_port:
            _add_routes(node, tunnel.mtu)
            attach(tunnel, node.datapath)
        yield tunnel


def attach(tunnel: Tunnel, datapath: Datapath) -> None:
    """Attach the programs at both ends of the tunnel."""
    for device, role in ((TUNNEL, DeviceRole.TUNNEL), (ROUTER, DeviceRole.ROUTER)):
        ifindex = tunnel.node.namespace.ifindex(device)
        datapath.attach(ifindex=ifindex, device=device, role=role)


def stack_route(tunnel: Tunnel, interface: InterfaceFlag, endpoint: EndpointFlag) -> None:
    """Give pod1 these flags: of what it sends, and of what is for it."""
    node = tunnel.node
    with (
        node.datapath.opened(INTERFACES) as interfaces,
        node.datapath.opened(ENDPOINTS) as endpoints,
    ):
        known = interfaces.get(node.pod1.host_ifindex)
        assert known is not None
        interfaces.put(node.pod1.host_ifindex, known._replace(flags=interface))
        for address in (node.pod1.ipv4, node.pod1.ipv6):
            entry = endpoints.get(octets(address))
            assert entry is not None
            endpoints.put(octets(address), entry._replace(flags=endpoint))


def _sum_in_software(device: str) -> None:
    """Have checksums filled in, and segments cut, before a frame is on the wire (ethtool -K tx off)."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


def _add_devices(node: Namespace) -> None:
    """Add the router's pair and the tunnel's device."""
    node.ip(
        f"link add {ROUTER} arp off mtu {_UNDERLAY_MTU} type veth peer name cilium_net",
        "link set cilium_net arp off up",
        f"link add {TUNNEL} mtu {_UNDERLAY_MTU} type vxlan external nolearning"
        f" dstport {TUNNEL_PORT} udp6zerocsumrx",
    )
    for device in (ROUTER, "cilium_net", TUNNEL):
        for name, value in router_settings(device, ipv6=True).items():
            node.sysctl(name, value)
    node.ip(
        f"link set {ROUTER} up",
        f"link set {TUNNEL} up",
        f"address add {ROUTER_4}/32 dev {ROUTER}",
        f"address add {ROUTER_6}/128 dev {ROUTER} nodad",
    )


def _add_routes(node: Node, mtu: int) -> None:
    """Lead what the stack sends to pods of other nodes to the router's device."""
    third = (THIRD_NODE_4, THIRD_NODE_6)
    neighbours = [
        (address, pod.mac, pod.host_device)
        for pod in (node.pod1, node.pod2)
        for address in (pod.ipv4, pod.ipv6)
    ]
    neighbours += [(address, WIRE_MAC, "eth1") for address in third]
    node.namespace.ip(
        f"route add {ROUTER_4}/32 dev {ROUTER} scope link",
        f"route replace 10.244.1.0/24 via {ROUTER_4} dev {ROUTER} src {ROUTER_4} mtu {mtu}",
        "route del fd00:244:1::/64",
        f"route add fd00:244:1::/64 dev {ROUTER} src {ROUTER_6} mtu {mtu}",
        "route add unreachable 10.244.0.0/24",
        "route add unreachable fd00:244::/64",
        *(
            f"neigh add {address} lladdr {mac} dev {device} nud permanent"
            for address, mac, device in neighbours
        ),
    )


def _fill_maps(tunnel: Tunnel) -> None:
    """Enter what the agent knows of the tunnel and of other nodes."""
    node = tunnel.node
    datapath, ifindex = node.datapath, node.namespace.ifindex(TUNNEL)
    with datapath.opened(TUNNEL_DEVICES) as devices:
        devices.put(0, _device(ifindex, tunnel))
    with datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        behind = MasqueradeAddress(octets(ROUTER_4), octets(ROUTER_6))
        addresses.put(ifindex, behind)
    with datapath.opened(ENDPOINTS) as endpoints:
        router = node.namespace.ifindex(ROUTER)
        for address in (ROUTER_4, ROUTER_6):
            host = Endpoint(router, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))
            endpoints.put(octets(address), host)
    with datapath.opened(IPCACHE) as ipcache:
        ipcache.put_many(_ipcache(tunnel.underlay))


def _device(ifindex: int, tunnel: Tunnel) -> TunnelDevice:
    own = octets(tunnel.underlay.node)
    ends = (own, bytes(16)) if tunnel.underlay is V4 else (bytes(16), own)
    return TunnelDevice(*ends, ifindex=ifindex, mtu=tunnel.mtu, port=TUNNEL_PORT)


def _ipcache(underlay: Family) -> Mapping[PrefixKey, IpcacheEntry]:
    cluster, way = IpcacheFlag.IPCACHE_CLUSTER, IpcacheFlag.IPCACHE_TUNNEL
    host, remote = ReservedIdentity.HOST, ReservedIdentity.REMOTE_NODE
    world = ReservedIdentity.WORLD
    entries: dict[str, tuple[int, int, str]] = {}
    for family in (V4, V6):
        four = family is V4
        own, other, third = underlay.node, underlay.other_node, underlay.third_node
        entries |= {
            family.node: (host, 0, own),
            family.router: (host, 0, own),
            family.other_node: (remote, 0, other),
            family.remote_router: (remote, way, other),
            family.third_node: (remote, 0, third),
            "10.244.0.0/24" if four else "fd00:244::/64": (world, cluster, own),
            "10.244.1.0/24" if four else "fd00:244:1::/64": (world, cluster | way, other),
            family.remote_pod: (REMOTE_IDENTITY, cluster | way, other),
        }
    networks = {
        ip_network(text) if "/" in text else host_network(ip_address(text)): value
        for text, value in entries.items()
    }
    return {
        PrefixKey(prefix_bits(network), to_octets(network.network_address)): IpcacheEntry(
            identity, flags, octets(at)
        )
        for network, (identity, flags, at) in networks.items()
    }
