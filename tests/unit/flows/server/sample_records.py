"""Records as the datapath writes them, and the names that the agent tells of their addresses.

Pod `web-0` of this node (endpoint 7) and pod `db-0` of another have an address of each family.
"""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final

from ciliate.datapath.layout import (
    DropReason,
    Event,
    EventFlag,
    EventKind,
    SocketPoint,
    SourceFile,
    TracePoint,
)
from ciliate.flows.feed import (
    IdentityLabels,
    Line,
    NodeAddresses,
    PodName,
    ServiceNamed,
    ServicePlaces,
    place_octets,
)
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.name_table import NameTable
from ciliate.flows.server.record_view import RecordView, Surroundings
from ciliate.net.address import ANY_ADDRESS, to_octets
from ciliate.net.protocol import TCP

SECOND_NS: Final = 10**9
#: When records are, unless it is said: long after names begin.
NOW_NS: Final = 1000 * SECOND_NS
#: What to add for nanoseconds since 1970.
EPOCH_OFFSET_NS: Final = 1_790_000_000 * SECOND_NS

WEB_IP, WEB_IP6 = "10.244.0.7", "fd00::7"
DB_IP, DB_IP6 = "10.244.1.9", "fd00:1::9"
SERVICE_IP, OUTSIDE_IP, NODE_IP = "10.96.0.10", "8.8.8.8", "192.168.10.100"
WEB_IDENTITY, DB_IDENTITY, WORLD = 1001, 1002, 2

ETHERNET = EventFlag.EVENT_IS_IP | EventFlag.EVENT_HAS_ETHERNET
SYN, ACK = 2, 16

#: The group of a process of `web-0`; of no pod's.
WEB_CGROUP, OTHER_CGROUP = 4711, 4712

BLANK: Final = Event.unpack(bytes(Event.SIZE))


def octets(text: str) -> bytes:
    """Return an address as records have it."""
    return to_octets(ip_address(text))


def packet(source: str = WEB_IP, destination: str = DB_IP, **fields: Any) -> Event:
    """Return the SYN that `web-0` sends to `db-0`, as it leaves the node, with other `fields`."""
    event = BLANK._replace(
        time_ns=NOW_NS,
        source=octets(source),
        destination=octets(destination),
        source_port=40000,
        destination_port=80,
        source_identity=WEB_IDENTITY,
        destination_identity=DB_IDENTITY,
        source_endpoint=7,
        ifindex=3,
        bytes=66,
        kind=EventKind.EVENT_TRACE,
        about=TracePoint.TRACE_TO_NETWORK,
        flags=ETHERNET,
        protocol=TCP,
        tcp_flags=SYN,
        source_mac=bytes.fromhex("020000000001"),
        destination_mac=bytes.fromhex("020000000002"),
    )
    return event._replace(**fields)


def drop(source: str = WEB_IP, destination: str = DB_IP, **fields: Any) -> Event:
    """Return a packet that was dropped on its way out of `web-0`."""
    about = {
        "kind": EventKind.EVENT_DROP,
        "about": DropReason.DROP_INVALID_SOURCE_IP,
        "file": SourceFile.SOURCE_FROM_POD_BPF_C,
        "line": 77,
    }
    return packet(source, destination, **(about | fields))


def call(peer: str = SERVICE_IP, **fields: Any) -> Event:
    """Return a call of a process of `web-0`, which asks for a Service, with other `fields`."""
    event = BLANK._replace(
        time_ns=NOW_NS,
        destination=octets(peer),
        destination_port=80,
        kind=EventKind.EVENT_SOCKET,
        about=SocketPoint.SOCKET_PRE_FORWARD,
        flags=EventFlag.EVENT_IS_IP,
        protocol=TCP,
        cookie=99,
        cgroup=WEB_CGROUP,
    )
    return event._replace(**fields)


def told_peer(peer: str, **fields: Any) -> Event:
    """Return a call of a process of `web-0` that is told its peer."""
    about: dict[str, Any] = {
        "source": octets(peer),
        "source_port": 80,
        "destination": bytes(16),
        "destination_port": 0,
        "about": SocketPoint.SOCKET_PRE_REVERSE,
    }
    return call(**(about | fields))


def loss(count: int) -> Event:
    """Return the record that says that so many are missing."""
    return BLANK._replace(time_ns=NOW_NS, kind=EventKind.EVENT_LOST, bytes=count)


def joined(events: Iterable[Event]) -> bytes:
    """Return the octets of records that follow each other."""
    return b"".join(event.pack() for event in events)


WEB: Final = PodName(
    key="endpoint 7",
    since_ns=0,
    addresses=(octets(WEB_IP6), octets(WEB_IP)),
    namespace="shop",
    pod="web-0",
    identity=WEB_IDENTITY,
    endpoint=7,
    labels=("k8s:app=web",),
    workload_kind="Deployment",
    workload="web",
    uid="uid-web-0",
)
DB: Final = PodName(
    key="pod shop-db/db-0",
    since_ns=0,
    addresses=(octets(DB_IP), octets(DB_IP6)),
    namespace="shop-db",
    pod="db-0",
    identity=DB_IDENTITY,
)
LINES: Final[tuple[Line, ...]] = (
    WEB,
    DB,
    IdentityLabels(number=DB_IDENTITY, labels=("k8s:app=db",)),
)


#: Service `shop/front` at its own address and at node port 30080 of `NODE_IP`.
FRONT: Final = ("shop", "front")
SERVICE_LINES: Final[tuple[Line, ...]] = (
    NodeAddresses(node="k8s-ctr", since_ns=0, addresses=(octets(NODE_IP),)),
    ServiceNamed(
        since_ns=0,
        services=(
            ServicePlaces(
                *FRONT,
                places=(
                    place_octets(octets(SERVICE_IP), 80, TCP),
                    place_octets(ANY_ADDRESS[4], 30080, TCP),
                ),
            ),
        ),
    ),
)


def name_table(*lines: Line) -> NameTable:
    """Return a table that was told `lines`, else those of the two pods."""
    names = NameTable()
    for line in lines or LINES:
        names.take(line)
    return names


def surroundings(names: NameTable | None = None, **changes: Any) -> Surroundings:
    """Return what records of node k8s-w1 have in common, with `changes`."""
    around = Surroundings(
        node="k8s-w1",
        node_labels=("kubernetes.io/arch=amd64",),
        cluster="default",
        names=names or name_table(),
        uuid_seed=0x1234_5678,
        epoch_offset_ns=EPOCH_OFFSET_NS,
        device=lambda index: f"lxc{index}",
        pod_of_cgroup=lambda number: WEB.uid if number == WEB_CGROUP else "",
    )
    return replace(around, **changes)


def view(event: Event, number: int = 0, **changes: Any) -> RecordView:
    """Return a record as filters see it."""
    return RecordView(event, number, surroundings(**changes))


def store_of(*events: Event, capacity: int = 1023, **changes: Any) -> FlowStore:
    """Return a store that has taken `events`."""
    store = FlowStore(capacity, surroundings(**changes))
    if events:
        store.take(joined(events))
    return store
