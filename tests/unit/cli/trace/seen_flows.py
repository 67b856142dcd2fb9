"""Flows as a lab's nodes told them: a curl through a Service, pings, drops."""

from typing import Any, Final

from google.protobuf.json_format import ParseDict

from ciliate.cli.trace.collector import Collector
from ciliate.cli.trace.event import Event, event_of
from ciliate.cli.trace.sought import Sought
from ciliate.cli.trace.way import Surroundings, Way, way_of
from ciliate.flows.pb.flow import flow_pb2

POD: Final = "10.244.0.36"
WEB: Final = "10.244.1.244"
NEAR_WEB: Final = "10.244.0.37"
SERVICE: Final = "10.96.8.89"
WORLD: Final = "203.0.113.10"
CTR: Final = "k8s-ctr"
W1: Final = "k8s-w1"
LXC: Final = "lxce06d6a8d54e0"

#: 2026-11-30 13:41:04 UTC.
SECONDS: Final = 1796046064

_NAMES: Final = {POD: "curl-pod", WEB: "webpod-n77wf", NEAR_WEB: "webpod-67d5p"}
_POINTS: Final = {"to-endpoint": 0, "to-stack": 3, "from-endpoint": 5, "from-network": 10}
_CALLS: Final = {"pre-xlate-fwd": 1, "post-xlate-fwd": 2, "pre-xlate-rev": 3, "post-xlate-rev": 4}

AROUND: Final = Surroundings("medium")
SOUGHT: Final = Sought(
    pod="default/curl-pod",
    node=CTR,
    addresses=frozenset({POD}),
    device=LXC,
    destination="Service default/webpod",
    peers=frozenset({(SERVICE, 0), (WEB, 80), (NEAR_WEB, 80)}),
    names={(SERVICE, 0): "Service default/webpod"},
    nodes={WEB: W1, NEAR_WEB: CTR},
)


def toward(address: str, port: int = 0, **fields: Any) -> Sought:
    """The same pod, and another destination."""
    return Sought(
        **{
            "pod": SOUGHT.pod,
            "node": SOUGHT.node,
            "addresses": SOUGHT.addresses,
            "device": SOUGHT.device,
            "destination": address,
            "peers": frozenset({(address, port)}),
            **fields,
        }
    )


def flow(at_us: float, node: str, point: str, source: str, destination: str, **more: Any) -> Event:
    """An event; `source` and `destination` are ADDRESS or ADDRESS:PORT, `packet` the TCP flags."""
    found = event_of(message(at_us, node, point, source, destination, **more))
    assert found is not None
    return found


def message(
    at_us: float, node: str, point: str, source: str, destination: str, **more: Any
) -> flow_pb2.Flow:
    """The same as it comes from a node."""
    ends = [
        (host, int(port or 0))
        for host, _, port in (e.partition(":") for e in (source, destination))
    ]
    fields: dict[str, Any] = {
        "verdict": "FORWARDED",
        "node_name": node,
        "IP": {"source": ends[0][0], "destination": ends[1][0], "ipVersion": "IPv4"},
        "source": _endpoint(ends[0][0]),
        "destination": _endpoint(ends[1][0]),
        "event_type": {"type": 4, "sub_type": _POINTS.get(point, 11)},
    }
    if point in _CALLS:
        fields |= {
            "event_type": {"type": 7, "sub_type": _CALLS[point]},
            "sock_xlate_point": _CALLS[point],
            "socket_cookie": "87062",
            "verdict": "TRACED" if point.startswith("pre") else "TRANSLATED",
        }
    fields |= _transport(more.pop("protocol", "TCP"), ends, more.pop("packet", ""))
    if device := more.pop("device", ""):
        fields["interface"] = {"index": 7, "name": device}
    if seen := more.pop("seen", ""):
        fields["IP"]["source_xlated"] = seen
    if point == "drop":
        reason, file, line = more.pop("drop")
        fields |= {
            "verdict": "DROPPED",
            "event_type": {"type": 1, "sub_type": reason},
            "drop_reason_desc": reason,
            "file": {"name": file, "line": line},
        }
    found = ParseDict(fields | more, flow_pb2.Flow())
    found.time.FromNanoseconds(SECONDS * 10**9 + 81_000_000 + round(at_us * 1000))
    return found


def _endpoint(address: str) -> dict[str, Any]:
    if address in _NAMES:
        return {"identity": 39368, "namespace": "default", "pod_name": _NAMES[address]}
    return {"identity": 6 if address.startswith("192.168.10.") else 2}


def _transport(protocol: str, ends: list[tuple[str, int]], packet: str) -> dict[str, Any]:
    if protocol == "ICMP":
        kind = {"EchoRequest": 8, "EchoReply": 0}.get(packet, 3)
        return {"l4": {"ICMPv4": {"type": kind}}, "Summary": f"ICMPv4 {packet}"}
    ports = {"source_port": ends[0][1], "destination_port": ends[1][1]}
    summary = f"TCP Flags: {packet}" if packet else protocol
    return {"l4": {protocol: ports}, "Summary": summary}


def call(at_us: float = 0, *, backend: str = f"{WEB}:80", cookie: int = 87062) -> list[Event]:
    """What a socket's call tells: the Service, and the backend."""
    more = {"socket_cookie": str(cookie)}
    return [
        flow(at_us, CTR, "pre-xlate-fwd", POD, f"{SERVICE}:80", **more),
        flow(at_us + 17, CTR, "post-xlate-fwd", POD, backend, **more),
    ]


def there(at_us: float, packet: str, *, port: int = 36234, behind_us: float = 23) -> list[Event]:
    """A packet from the pod to the backend on the other node."""
    ends = (f"{POD}:{port}", f"{WEB}:80")
    return [
        flow(at_us, CTR, "to-network", *ends, packet=packet, device=LXC, is_reply=False),
        flow(
            at_us + behind_us,
            W1,
            "to-endpoint",
            *ends,
            packet=packet,
            device="eth1",
            is_reply=False,
        ),
    ]


def back(at_us: float, packet: str, *, port: int = 36234) -> list[Event]:
    """A packet from the backend to the pod."""
    ends = (f"{WEB}:80", f"{POD}:{port}")
    return [
        flow(
            at_us, W1, "to-network", *ends, packet=packet, device="lxcc0d89ab7beb1", is_reply=True
        ),
        flow(at_us + 8, CTR, "to-endpoint", *ends, packet=packet, device="eth1", is_reply=True),
    ]


def curl() -> list[Event]:
    """A curl of the Service, to its end, as the two nodes told it."""
    return [
        *call(),
        *there(65, "SYN"),
        *back(134, "SYN, ACK"),
        *there(161, "ACK"),
        flow(240, CTR, "post-xlate-rev", f"{SERVICE}:80", POD),
        *there(294, "ACK, PSH"),
        *back(9647, "ACK, PSH"),
        *there(10168, "ACK, FIN"),
        *back(19644, "ACK, FIN"),
    ]


def ping_world() -> list[Event]:
    """A ping to the world, masqueraded, and its answer."""
    return [
        flow(
            *(0, CTR, "to-network", POD, WORLD),
            protocol="ICMP",
            packet="EchoRequest",
            device=LXC,
            seen="10.0.2.15",
        ),
        flow(
            *(103, CTR, "to-endpoint", WORLD, POD),
            protocol="ICMP",
            packet="EchoReply",
            device="eth0",
            is_reply=True,
        ),
    ]


def forged_ping() -> Event:
    """A ping that the pod sent from an address that is not its own."""
    return flow(
        *(0, CTR, "drop", "10.99.99.99", WORLD),
        protocol="ICMP",
        packet="EchoRequest",
        device=LXC,
        drop=(132, "from_pod.bpf.c", 42),
    )


def ways(events: list[Event], sought: Sought = SOUGHT) -> list[Way]:
    """The ways that events make, once all have been heard."""
    collector = Collector(sought)
    for event in events:
        collector.add(event, 0.0)
    return [way_of(each, sought) for each in collector.rest()]
