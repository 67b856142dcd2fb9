"""What the datapath's maps hold, as `dbg bpf … list` shows them: rows for people, values for JSON.

One class per map, made from the map's entries by `read`: a row prints itself as Cilium prints it
and is a Struct for `-o json`. Facts that our maps do not hold (TCP flags seen, sizes of reports)
are left out, never made up. Pure: entries and the time are arguments.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from ciliate.datapath.layout import (
    DROP_TEXT,
    AttachPoint,
    Connection,
    ConnectionFlag,
    Endpoint,
    EndpointFlag,
    FragmentKey,
    FragmentPorts,
    Interface,
    IpcacheEntry,
    IpcacheKey,
    MasqueradeAddress,
    Metric,
    NatEntry,
    Tuple,
    TupleDirection,
)
from ciliate.net.address import from_octets, mac_from_octets

_PROTOCOLS: Final = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP"}
_NO_ADDRESS: Final = bytes(16)

#: Our flags of a connection as Cilium numbers and names them; "Rx" is toward the pod.
_FLAGS: Final = (
    (ConnectionFlag.CONNECTION_CLOSING_ORIGINAL, 0x01, "RxClosing"),
    (ConnectionFlag.CONNECTION_CLOSING_REPLY, 0x02, "TxClosing"),
    (ConnectionFlag.CONNECTION_SEEN_NON_SYN, 0x10, "SeenNonSyn"),
)

#: The direction Cilium's metrics give to what each attach point counts: seen from the pod.
_DIRECTIONS: Final = {
    AttachPoint.FROM_POD: "EGRESS",
    AttachPoint.TO_POD: "INGRESS",
    AttachPoint.FROM_UPLINK: "INGRESS",
    AttachPoint.TO_UPLINK: "EGRESS",
}


def address(octets: bytes) -> str:
    """Return the address as text; all zero octets, which mean "none", as ""."""
    return "" if octets == _NO_ADDRESS else str(from_octets(octets))


def _socket(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


class Flow(Struct, frozen=True, rename="pascal"):
    """The tuple of a tracked or translated flow, as the wire shows it in its direction."""

    protocol: str
    direction: str
    source_addr: str
    source_port: int
    dest_addr: str
    dest_port: int

    @classmethod
    def read(cls, key: Tuple) -> "Flow":
        """Return the flow of a map's key."""
        return cls(
            protocol=_PROTOCOLS.get(key.protocol, str(key.protocol)),
            direction="OUT" if key.direction == TupleDirection.TUPLE_OUT else "IN",
            source_addr=address(key.source),
            source_port=key.source_port,
            dest_addr=address(key.destination),
            dest_port=key.destination_port,
        )

    def __str__(self) -> str:
        source = _socket(self.source_addr, self.source_port)
        destination = _socket(self.dest_addr, self.dest_port)
        return f"{self.protocol} {self.direction} {source} -> {destination}"


class Translation(Struct, frozen=True, rename="pascal"):
    """A row of `bpf nat list`."""

    key: Flow
    addr: str
    port: int
    created_sec_ago: int
    expires_in_sec: int

    @classmethod
    def read(cls, key: Tuple, entry: NatEntry, *, now_ns: int) -> "Translation":
        """Return the row of an entry; `now_ns` is CLOCK_MONOTONIC, the programs' clock."""
        return cls(
            key=Flow.read(key),
            addr=address(entry.to_address),
            port=entry.to_port,
            created_sec_ago=_seconds(now_ns - entry.created_ns),
            expires_in_sec=_seconds(entry.expires_ns - now_ns),
        )

    def __str__(self) -> str:
        what = "XLATE_SRC" if self.key.direction == "OUT" else "XLATE_DST"
        target = _socket(self.addr, self.port)
        return f"{self.key} {what} {target} Created={self.created_sec_ago}sec ago NeedsCT=0"


class TrackedConnection(Struct, frozen=True, rename="pascal"):
    """A row of `bpf ct list global`."""

    key: Flow
    expires: int
    remaining_sec: int
    packets: int
    bytes: int
    flags: int
    flag_names: tuple[str, ...]
    source_security_id: int

    @classmethod
    def read(cls, key: Tuple, connection: Connection, *, now_ns: int) -> "TrackedConnection":
        """Return the row of an entry; `now_ns` is CLOCK_MONOTONIC, the programs' clock."""
        shown = [(bit, name) for flag, bit, name in _FLAGS if connection.flags & flag]
        return cls(
            key=Flow.read(key),
            expires=_seconds(connection.expires_ns),
            remaining_sec=_seconds(connection.expires_ns - now_ns),
            packets=connection.packets,
            bytes=connection.bytes,
            flags=sum(bit for bit, _ in shown),
            flag_names=tuple(name for _, name in shown),
            source_security_id=connection.source_identity,
        )

    def text(self, *, time_diff: bool) -> str:
        """Return the row; `time_diff` adds how long the entry has left."""
        remaining = f" (remaining: {self.remaining_sec} sec(s))" if time_diff else ""
        names = "".join(f"{name} " for name in self.flag_names)
        return (
            f"{self.key} expires={self.expires}{remaining} Packets={self.packets} "
            f"Bytes={self.bytes} Flags=0x{self.flags:04x} [ {names}] RevNAT=0 "
            f"SourceSecurityID={self.source_security_id} BackendID=0"
        )


def _seconds(time_ns: int) -> int:
    """Whole seconds, never negative: an entry's writer may be a moment ahead of our clock."""
    return max(0, time_ns) // 1_000_000_000


def endpoint_rows(entries: Iterable[tuple[bytes, Endpoint]]) -> dict[str, list[str]]:
    """Return "<address>:0" -> what is there, as `bpf endpoint list` prints and encodes it."""
    return {_socket(address(key), 0): [_endpoint_text(entry)] for key, entry in _sorted(entries)}


def _endpoint_text(entry: Endpoint) -> str:
    if entry.flags & EndpointFlag.ENDPOINT_HOST:
        return "(localhost)"
    mac, node_mac = (mac_from_octets(octets).upper() for octets in (entry.mac, entry.node_mac))
    return (
        f"id={entry.endpoint_id:<5} sec_id={entry.identity:<5} flags=0x{entry.flags:04X} "
        f"ifindex={entry.ifindex:<3} mac={mac} nodemac={node_mac} parent_ifindex=0"
    )


def ipcache_rows(entries: Iterable[tuple[IpcacheKey, IpcacheEntry]]) -> dict[str, list[str]]:
    """Return "<prefix>" -> identity and node, as `bpf ipcache list` prints and encodes it."""
    ordered = sorted(entries, key=lambda item: (item[0].address, item[0].prefix_length))
    return {_prefix(key): [_ipcache_text(entry)] for key, entry in ordered}


def _ipcache_text(entry: IpcacheEntry) -> str:
    node = address(entry.node) or "0.0.0.0"  # noqa: S104 - printed, never bound.
    return f"identity={entry.identity} encryptkey=0 tunnelendpoint={node} flags=<none>"


def _prefix(key: IpcacheKey) -> str:
    """Return the prefix as text; the key counts 128 bits, and IPv4 is mapped into them."""
    ip = from_octets(key.address)
    # ::/0 is shorter than the mapping and means both families.
    length = key.prefix_length - 96 if ip.version == 4 else key.prefix_length
    return f"{ip}/{length}"


def interface_rows(entries: Iterable[tuple[int, Interface]]) -> dict[str, list[str]]:
    """Return "<ifindex>" -> the endpoint behind it."""
    return {str(ifindex): [_interface_text(entry)] for ifindex, entry in sorted(entries)}


def _interface_text(entry: Interface) -> str:
    node_mac = mac_from_octets(entry.node_mac).upper()
    return (
        f"id={entry.endpoint_id:<5} sec_id={entry.identity:<5} ipv4={address(entry.ipv4)} "
        f"ipv6={address(entry.ipv6)} nodemac={node_mac}"
    )


def masquerade_rows(entries: Iterable[tuple[int, MasqueradeAddress]]) -> dict[str, list[str]]:
    """Return "<ifindex>" -> the addresses that pods get behind that device."""
    return {
        str(ifindex): [f"ipv4={address(entry.ipv4)} ipv6={address(entry.ipv6)}"]
        for ifindex, entry in sorted(entries)
    }


def fragment_rows(entries: Iterable[tuple[FragmentKey, FragmentPorts]]) -> dict[str, list[str]]:
    """Return a datagram in pieces -> the ports its first piece had, as `bpf frag list` does."""
    return {
        f"{address(key.source)} -> {address(key.destination)} id={key.id} proto={key.protocol}": [
            f"sport={ports.source_port} dport={ports.destination_port}"
        ]
        for key, ports in entries
    }


class Count(Struct, frozen=True):
    """A row of `bpf metrics list`."""

    reason: str
    direction: str
    packets: int
    bytes: int
    file: str


def metric_rows(counters: Mapping[tuple[int, AttachPoint], Metric]) -> list[Count]:
    """Return the counters that have counted, by reason, direction and file."""
    rows = [
        Count(
            reason=DROP_TEXT.get(reason, f"Unknown ({reason})"),
            direction=_DIRECTIONS[point],
            packets=metric.packets,
            bytes=metric.bytes,
            file=f"{point.name.lower()}.bpf.c",
        )
        for (reason, point), metric in counters.items()
        if metric.packets
    ]
    return sorted(rows, key=lambda row: (row.reason, row.direction, row.file))


def _sorted(entries: Iterable[tuple[bytes, Endpoint]]) -> list[tuple[bytes, Endpoint]]:
    return sorted(entries, key=lambda item: item[0])
