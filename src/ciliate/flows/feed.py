"""What the agent tells the flow server: an object a line, on the server's standard input.

The first line is `Begin`, the next are all names there are, and each that changes follows. The end of
the input is the end of the agent. Pure.

Moments are nanoseconds of CLOCK_MONOTONIC, as events have them: an address that one pod gives back and
another gets names the one or the other, by when the event was.
"""

from typing import Final

import msgspec
from msgspec import Struct

from ciliate.config.hubble_metrics_settings import HubbleMetric


class MetricsBegin(Struct, frozen=True, kw_only=True):
    """Which metrics are made of flows, and where they are served."""

    address: str  # HOST:PORT.
    open_metrics: bool  # Whether OpenMetrics' form is given to who takes it.
    metrics: tuple[HubbleMetric, ...]


class TlsBegin(Struct, frozen=True, kw_only=True):
    """Paths of a certificate, its key, and the authorities that sign clients' certificates."""

    certificate: str
    key: str
    client_authorities: tuple[str, ...]


class ListenBegin(Struct, frozen=True, kw_only=True):
    """Where relays ask, and by what they are known; without TLS they are not."""

    address: str  # Host and port, such as ":4244".
    tls: TlsBegin | None = None


class FlowLogs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which flow logs are written (`server.export`)."""

    path: str = ""  # Of the one that settings name, or AGENT_LOG; empty: there is none.
    size_mb: int = 10
    backups: int = 5
    compress: bool = False
    allowlist: str = ""  # Objects of JSON.
    denylist: str = ""
    fieldmask: tuple[str, ...] = ()
    list_path: str = ""  # Of the file that lists others; empty: there is none.
    run: str = ""  # The folder that stands for STATE_DIR in its paths.


class Begin(Struct, frozen=True, kw_only=True, tag="begin"):
    """What the server serves, and where."""

    node: str
    node_labels: tuple[str, ...] = ()
    cluster: str
    version: str
    listen: str  # A path: where clients ask.
    monitor: str  # A path: where the agent gives events.
    capacity: int  # Flows that are kept.
    agent_began_ns: int = 0  # Since 1970; 0: not said.
    cgroup_root: str = ""  # The node's root group, where it is not the usual one.
    metrics: MetricsBegin | None = None  # None: there are none.
    logs: FlowLogs | None = None  # None: no flow log is written.
    listener: ListenBegin | None = None  # None: clients ask at `listen` alone.


class PodName(Struct, frozen=True, kw_only=True, tag="pod", omit_defaults=True):
    """Who has addresses, from a moment on."""

    key: str
    since_ns: int
    addresses: tuple[bytes, ...]  # 16 octets each.
    namespace: str
    pod: str
    identity: int
    endpoint: int = 0  # Of this node; 0: the pod is on another.
    labels: tuple[str, ...] = ()  # Empty: those of the identity.
    workload_kind: str = ""
    workload: str = ""
    uid: str = ""


class PodGone(Struct, frozen=True, kw_only=True, tag="gone"):
    """The addresses of `key` are nobody's from a moment on."""

    key: str
    at_ns: int


class IdentityLabels(Struct, frozen=True, kw_only=True, tag="identity"):
    """What an identity stands for. An identity that goes is not told: its number comes back no more."""

    number: int
    labels: tuple[str, ...]


class ServicePlaces(Struct, frozen=True, array_like=True):
    """A Service and where it is asked for: see `place_octets`."""

    namespace: str
    name: str
    places: tuple[bytes, ...]


class ServiceNamed(Struct, frozen=True, kw_only=True, tag="services", omit_defaults=True):
    """Whose places are from a moment on, and which are nobody's."""

    since_ns: int
    services: tuple[ServicePlaces, ...] = ()
    gone: tuple[bytes, ...] = ()


class NodeAddresses(Struct, frozen=True, kw_only=True, tag="node", omit_defaults=True):
    """All addresses that a node has from a moment on; none: it is gone. Node ports are at each."""

    node: str
    since_ns: int
    addresses: tuple[bytes, ...] = ()  # 16 octets each.


class NodePeer(Struct, frozen=True, kw_only=True, tag="peer", omit_defaults=True):
    """A node has a flow server; for relays."""

    name: str  # As the API names nodes.
    address: str  # Host and port.
    server_name: str = ""  # In its certificate; empty: without TLS.


class NodePeerGone(Struct, frozen=True, kw_only=True, tag="peer_gone"):
    """A node is no more."""

    name: str


class Report(Struct, frozen=True, kw_only=True):
    """What the server says of itself, now and then, on its standard output."""

    kept: int
    seen: int
    uptime_ns: int


#: What is told of Services.
ServiceLine = ServiceNamed | NodeAddresses

Line = Begin | PodName | PodGone | IdentityLabels | ServiceLine | NodePeer | NodePeerGone

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


def place_octets(address: bytes, port: int, protocol: int) -> bytes:
    """Return an address of 16 octets, a port and a protocol as one value, of 19 octets."""
    return address + port.to_bytes(2) + bytes((protocol,))


def encode_line(line: Line) -> bytes:
    """Return an object as a line."""
    return _encoder.encode(line) + b"\n"


def decode_line(text: bytes) -> Line:
    """Return the object of a line.

    Raises:
        msgspec.MsgspecError: It is none of these.
    """
    return _decoder.decode(text)
