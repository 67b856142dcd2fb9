"""What the maps of masquerading hold, as `dbg bpf … list` shows it.

A row prints itself as Cilium prints it and is a value for `-o json`. What our maps do not have
is left out, never made up. Pure: entries and the time are arguments.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from ciliate.datapath.layout import (
    Connection,
    ConnectionFlag,
    ConnectionOwnerNumber,
    FragmentKey,
    FragmentPorts,
    MasqueradeAddress,
    Tuple,
    TupleDirection,
)
from ciliate.errors import CiliateError
from ciliate.masquerade.compile import RuleTables
from ciliate.masquerade.connections import is_translated, tuple_in, tuple_out
from ciliate.net.address import address_text, socket_text
from ciliate.net.protocol import protocol_name

_ORIGINAL_IS_DONE: Final = (
    ConnectionFlag.CONNECTION_CLOSING_ORIGINAL | ConnectionFlag.CONNECTION_RESET_ORIGINAL
)
_REPLY_IS_DONE: Final = (
    ConnectionFlag.CONNECTION_CLOSING_REPLY | ConnectionFlag.CONNECTION_RESET_REPLY
)

#: Our flags of a connection as Cilium numbers and names them; "Rx" is toward the pod.
_FLAGS: Final = (
    (_ORIGINAL_IS_DONE, 0x01, "RxClosing"),
    (_REPLY_IS_DONE, 0x02, "TxClosing"),
    (ConnectionFlag.CONNECTION_SEEN_NON_SYN, 0x10, "SeenNonSyn"),
)
_FLAGS_OUT: Final = (
    (_REPLY_IS_DONE, 0x01, "RxClosing"),
    (_ORIGINAL_IS_DONE, 0x02, "TxClosing"),
    (ConnectionFlag.CONNECTION_SEEN_NON_SYN, 0x10, "SeenNonSyn"),
)


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
        """Return the flow of a tuple."""
        return cls(
            protocol=protocol_name(key.protocol),
            direction="OUT" if key.direction == TupleDirection.TUPLE_OUT else "IN",
            source_addr=address_text(key.source),
            source_port=key.source_port,
            dest_addr=address_text(key.destination),
            dest_port=key.destination_port,
        )

    def __str__(self) -> str:
        source = socket_text(self.source_addr, self.source_port)
        destination = socket_text(self.dest_addr, self.dest_port)
        return f"{self.protocol} {self.direction} {source} -> {destination}"


class Translation(Struct, frozen=True, rename="pascal"):
    """A row of `bpf nat list`."""

    key: Flow
    addr: str
    port: int
    created_sec_ago: int
    expires_in_sec: int

    @classmethod
    def read(cls, connection: Connection, *, now_ns: int) -> "tuple[Translation, Translation]":
        """Return the two rows of a connection; `now_ns` is CLOCK_MONOTONIC, the programs' clock."""
        times = {
            "created_sec_ago": _seconds(now_ns - connection.created_ns),
            "expires_in_sec": _seconds(connection.expires_ns - now_ns),
        }
        return (
            cls(
                key=Flow.read(tuple_out(connection)),
                addr=address_text(connection.seen),
                port=connection.seen_port,
                **times,
            ),
            cls(
                key=Flow.read(tuple_in(connection)),
                addr=address_text(connection.local),
                port=connection.local_port,
                **times,
            ),
        )

    def __str__(self) -> str:
        what = "XLATE_SRC" if self.key.direction == "OUT" else "XLATE_DST"
        target = socket_text(self.addr, self.port)
        return f"{self.key} {what} {target} Created={self.created_sec_ago}sec ago NeedsCT=0"


def translations(connections: Iterable[Connection], *, now_ns: int) -> list[Translation]:
    """Return the rows of `bpf nat list`: of what is translated, and of the node's own echoes."""
    return [
        row
        for connection in connections
        if is_translated(connection) or connection.owner == ConnectionOwnerNumber.OWNER_NODE
        for row in Translation.read(connection, now_ns=now_ns)
    ]


class TrackedConnection(Struct, frozen=True, rename="pascal"):
    """A row of `bpf ct list global`: a connection as who opened it sees it."""

    key: Flow
    expires: int
    remaining_sec: int
    packets: int
    bytes: int
    flags: int
    flag_names: tuple[str, ...]
    source_security_id: int
    rev_nat: int = field(default=0, name="RevNAT")  # The id of a Service's frontend.

    @classmethod
    def read(cls, connection: Connection, *, now_ns: int) -> "TrackedConnection":
        """Return the row of a connection; `now_ns` is CLOCK_MONOTONIC, the programs' clock."""
        inbound = connection.flags & ConnectionFlag.CONNECTION_INBOUND
        flags = _FLAGS if inbound else _FLAGS_OUT
        shown = [(bit, name) for flag, bit, name in flags if connection.flags & flag]
        return cls(
            key=Flow.read(tuple_in(connection) if inbound else tuple_out(connection)),
            expires=_seconds(connection.expires_ns),
            remaining_sec=_seconds(connection.expires_ns - now_ns),
            packets=connection.packets,
            bytes=connection.bytes,
            flags=sum(bit for bit, _ in shown),
            flag_names=tuple(name for _, name in shown),
            source_security_id=connection.source_identity,
            rev_nat=connection.frontend,
        )

    def text(self, *, time_diff: bool) -> str:
        """Return the row; `time_diff` adds how long the entry has left."""
        remaining = f" (remaining: {self.remaining_sec} sec(s))" if time_diff else ""
        names = "".join(f"{name} " for name in self.flag_names)
        counted = f"Packets={self.packets} Bytes={self.bytes} " if self.packets else ""
        return (
            f"{self.key} expires={self.expires}{remaining} {counted}"
            f"Flags=0x{self.flags:04x} [ {names}] RevNAT={self.rev_nat} "
            f"SourceSecurityID={self.source_security_id} BackendID=0"
        )


def _seconds(time_ns: int) -> int:
    """Whole seconds, never negative: an entry's writer may be a moment ahead of our clock."""
    return max(0, time_ns) // 1_000_000_000


def masquerade_rows(entries: Iterable[tuple[int, MasqueradeAddress]]) -> dict[str, list[str]]:
    """Return "<ifindex>" -> the addresses that pods get behind that device."""
    return {
        str(ifindex): [f"ipv4={address_text(entry.ipv4)} ipv6={address_text(entry.ipv6)}"]
        for ifindex, entry in sorted(entries)
    }


class AgentOffError(CiliateError):
    """Rows of ip-masq-agent were asked for, and it is off."""

    def __init__(self) -> None:
        super().__init__(
            "error opening ip-masq-agent map: ip-masq-agent is off: set enable-ip-masq-agent to"
            ' "true" (Helm: ipMasqAgent.enabled) and restart the agents'
        )


def agent_rows(tables: RuleTables) -> dict[str, list[str]]:
    """Return the ranges that ip-masq-agent excludes, IPv4 first; Cilium's rows have no value."""
    ranges = sorted(tables.agent_prefixes(), key=lambda each: (each.version, each))
    return {str(each): [""] for each in ranges}


def fragment_rows(entries: Iterable[tuple[FragmentKey, FragmentPorts]]) -> dict[str, list[str]]:
    """Return a datagram in pieces -> the ports its first piece had, as `bpf frag list` does."""
    return {
        f"{address_text(key.source)} -> {address_text(key.destination)} id={key.id} proto={key.protocol}": [
            f"sport={ports.source_port} dport={ports.destination_port}"
        ]
        for key, ports in entries
    }
