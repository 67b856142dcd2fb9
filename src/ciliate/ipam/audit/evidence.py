"""How findings are built: evidence, severity, remedy. Pure."""

from collections.abc import Iterable, Iterator

from ciliate.api.ipam_audit import Evidence, Finding, Severity
from ciliate.ipam.audit.node_snapshot import LocalEndpoint, NodeSnapshot
from ciliate.net.address import IPAddress


def evidence(**said: str) -> tuple[Evidence, ...]:
    """Return the evidence: what allocator, agent, kernel and api say, each its own text."""
    return tuple(Evidence(source=source, says=says) for source, says in said.items())


def finding(
    kind: str,
    thing: object,
    said: tuple[Evidence, ...],
    remedy: str,
    *,
    node: str = "",
    severity: Severity = Severity.ERROR,
) -> Finding:
    """Return a finding about `thing`, on `node` if it is one node's.

    ERROR: traffic is wrong, or soon may be. WARNING: something is left over. INFO: nothing is to
    be done.
    """
    return Finding(
        kind=kind,
        severity=severity,
        node=node,
        object=str(thing),
        evidence=said,
        remedy=remedy,
    )


def settled(seen: NodeSnapshot, *, ours: bool = True) -> Iterator[LocalEndpoint]:
    """Yield the endpoints that are not being removed; not `ours`: those of other plugins too."""
    for endpoint in seen.endpoints:
        if endpoint.number not in seen.leaving and (endpoint.ours or not ours):
            yield endpoint


def listed(addresses: Iterable[IPAddress]) -> str:
    """Return addresses for people, IPv4 first."""
    return ", ".join(map(str, sorted(addresses, key=lambda a: (a.version, int(a)))))


def joined(texts: Iterable[str]) -> str:
    """Return texts for people."""
    return ", ".join(sorted(texts)) or "nothing"
