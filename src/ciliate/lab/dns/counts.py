"""What a name server has done, as metrics: CoreDNS's names, where it counts the same.

Numbers alone; that a question costs next to nothing to count is why types are few.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from dns.rcode import Rcode, to_text
from dns.rdatatype import RdataType

from ciliate.metrics.family import Family, FamilyKind

#: Types that are counted by their own name; CoreDNS has a few more.
_TYPES: Final = frozenset({"A", "AAAA", "ANY", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"})
_SERVER: Final = ("dns://:53", ".")
_SERVER_LABELS: Final = ("server", "zone")


@dataclass(frozen=True, slots=True)
class Way:
    """How a question came: `proto` udp or tcp, `family` 1 for IPv4 and 2 for IPv6."""

    proto: str
    family: str

    @property
    def is_stream(self) -> bool:
        """Whether an answer may be as long as a message can be."""
        return self.proto == "tcp"


@dataclass(slots=True)
class Counts:
    """Counters of one server."""

    #: By way and type of the question; octets that were none have no type.
    requests: Counter[tuple[Way, str]] = field(default_factory=Counter)
    #: By rcode.
    responses: Counter[str] = field(default_factory=Counter)
    remembered: Counter[str] = field(default_factory=Counter)
    not_remembered: int = 0
    forwarded: Counter[str] = field(default_factory=Counter)
    forward_failures: Counter[str] = field(default_factory=Counter)
    forward_rejects: int = 0

    def asked(self, way: Way, kind: str) -> None:
        """Count a question of a type, as `type_label` names it."""
        self.requests[way, kind] += 1

    def families(self) -> Iterator[Family]:
        """Yield what there is, with labels of CoreDNS's."""
        yield _counted(
            "coredns_dns_requests_total",
            "Questions by protocol, address family and type.",
            ("proto", "family", "type"),
            {(way.proto, way.family, kind): n for (way, kind), n in self.requests.items()},
        )
        yield _counted(
            "coredns_dns_responses_total",
            "Answers by response code.",
            ("rcode",),
            {(rcode,): n for rcode, n in self.responses.items()},
        )
        yield _counted(
            "coredns_cache_hits_total",
            "Answers that were remembered: built here (local), or by another server (forward).",
            ("type",),
            {(kind,): n for kind, n in self.remembered.items()},
        )
        yield _counted(
            "coredns_cache_misses_total",
            "Answers that were built or asked for.",
            (),
            {(): self.not_remembered},
        )
        yield _counted(
            "coredns_forward_requests_total",
            "Questions asked of another server.",
            ("to",),
            {(server,): n for server, n in self.forwarded.items()},
        )
        yield _counted(
            "coredns_forward_failures_total",
            "Questions that another server did not answer in time, or not well.",
            ("to",),
            {(server,): n for server, n in self.forward_failures.items()},
        )
        yield _counted(
            "coredns_forward_max_concurrent_rejects_total",
            "Questions that were not forwarded: too many were under way.",
            (),
            {(): self.forward_rejects},
        )


def type_label(rdtype: RdataType) -> str:
    """Return a type as it is counted: "A", or "other"."""
    name = rdtype.name if isinstance(rdtype, RdataType) else ""
    return name if name in _TYPES else "other"


def rcode_label(rcode: Rcode) -> str:
    """Return a response code as it is counted: "NXDOMAIN"."""
    return to_text(rcode)


def _counted(
    name: str, meaning: str, labels: tuple[str, ...], values: dict[tuple[str, ...], int]
) -> Family:
    samples = [((*_SERVER, *own), float(value)) for own, value in values.items()]
    return Family(name, meaning, (*_SERVER_LABELS, *labels), samples, FamilyKind.COUNTER)
