"""What probes tell of paths between nodes, and what `ciliate doctor mtu` makes of it. Pure.

A size is that of the IP packet, header included, in bytes: what an MTU limits.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

#: Octets of an echo with the least that is asked: IPv4's least MTU (RFC 791), and as much for IPv6.
SIZE_MIN: Final = {4: 68, 6: 88}

#: The longest IP packet.
SIZE_MAX: Final = 65535


class PathStatus(StrEnum):
    """What became of packets toward one target."""

    PASSES = "passes"  # At the assumed size.
    SMALLER = "smaller"  # Not at that size, and a router says so: senders adapt.
    BLACK_HOLE = "black-hole"  # Not at that size, and nobody says so.
    SILENT = "silent"  # Not even the smallest: nothing is known of sizes.
    UNSTEADY = "unsteady"  # Small ones are lost as well, now and then.
    FAILED = "failed"  # The node itself cannot send there.


class ReplyStatus(StrEnum):
    """Whether replies of full size come back, when the question reaches the target in pieces."""

    COME = "come"
    LOST = "lost"
    UNKNOWN = "unknown"


class PathReport(Struct, frozen=True, kw_only=True):
    """What a node found out about the path to one address."""

    target: str
    status: PathStatus
    assumed: int = 0
    """What the node sends at most: the device's MTU, a route's, or what was asked for."""
    passes: int = 0
    """The greatest size that got through; 0 where it was not searched."""
    told: int = 0
    """The MTU that a router told; 0: none."""
    told_by: str = ""
    replies: ReplyStatus = ReplyStatus.UNKNOWN
    refused_here: bool = False
    """Whether the node's own packet filter refused to send."""
    device: str = ""
    mtu: int = 0
    """Of device and route."""
    gateway: str = ""
    problem: str = ""


class ProbeReport(Struct, frozen=True, kw_only=True):
    """What `cilium-dbg probe-mtu` prints."""

    paths: tuple[PathReport, ...]
    pod_mtu: int = 0
    """What the node's pods send at most, as its agent says; 0: it did not answer."""
    tunnel_bytes: int = 0
    """What a tunnel adds to that."""


class PairReport(Struct, frozen=True, kw_only=True):
    """What both ends found out about one pair of nodes, by one family."""

    nodes: tuple[str, str]
    family: int
    status: PathStatus
    assumed: int
    passes: int
    lost_towards: tuple[str, ...] = ()
    """Which of the two do not get full size; empty: nothing is lost, or it cannot be told."""
    told: int = 0
    told_by: str = ""
    refused_by: tuple[str, ...] = ()
    problem: str = ""


class FindingKind(StrEnum):
    """What is wrong, and where."""

    NODE_LINK = "node-link"  # Between one node and all others that it was tried with.
    SEGMENT_LINK = "segment-link"  # Between two groups of nodes, each well in itself.
    EVERY_LINK = "every-link"  # Between most nodes, each with each.
    PAIR_PATH = "pair-path"  # Between two nodes that others reach.
    UNEQUAL_MTU = "unequal-mtu"
    UNEQUAL_POD_MTU = "unequal-pod-mtu"
    POD_MTU_TOO_LARGE = "pod-mtu-too-large"
    SMALLER_PATH = "smaller-path"
    SIZE_NOT_SENT = "size-not-sent"
    NO_ECHO = "no-echo"


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be, in words."""

    kind: FindingKind
    severity: Severity
    says: str
    remedy: str = ""
    nodes: tuple[str, ...] = ()
    """Where it is: the node, or the pair."""
    others: tuple[str, ...] = ()
    """Of a link between groups: the other group."""
    family: int = 0
    assumed: int = 0
    passes: int = 0
    lost_towards: tuple[str, ...] = ()


class Verdict(StrEnum):
    """How the whole ended."""

    WELL = "well"
    BLACK_HOLE = "black-hole"
    INCOMPLETE = "incomplete"  # No black hole, but not all could be looked at.


class DoctorReport(Struct, frozen=True, kw_only=True):
    """The output of `-o json`."""

    verdict: Verdict
    says: str
    nodes: tuple[str, ...]
    pairs: tuple[PairReport, ...]
    findings: tuple[Finding, ...]
    unanswered: dict[str, str]
    pairs_possible: int
    """So many pairs there are, of both families."""
    seconds: float = 0.0
