"""Metrics of ports and of pods' connections: the fullest and the largest alone, so few series. Pure.

`cilium_nat_endpoint_max_connection` is Cilium's; the others are ours, since it has none.
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from ciliate.masquerade.ports.book import Account, OwnerName, PortBook, RemotePorts, largest
from ciliate.metrics.family import Family, FamilyKind
from ciliate.net.address import address_text

#: Remotes with series of their own: the fullest, from this fill on.
REMOTES_MAX: Final = 32
FILL_MIN: Final = 0.1
#: Pods of such a remote.
HOLDERS_MAX: Final = 3
#: Pods with series of their own: those that have most connections, and those that lost most.
PODS_MAX: Final = 32

_REMOTE: Final = ("address", "remote", "port", "protocol")
_POD: Final = ("namespace", "pod")
_MAPPED: Final = bytes(10) + b"\xff\xff"


def port_families(
    book: PortBook, accounts: Sequence[Account], name: Callable[[int], OwnerName]
) -> tuple[Family, ...]:
    """Return the families of a round."""
    full = list(islice((page for page in book.pages if page.fill >= FILL_MIN), REMOTES_MAX))
    failing = sorted((p for p in book.pages if p.failed), key=lambda page: -page.failed)
    return (
        Family(
            "cilium_nat_endpoint_max_connection",
            "Fill of the fullest address, remote and port, in per cent of the ports there are.",
            ("family",),
            [
                (
                    (family,),
                    max((p.fill for p in book.pages if _family(p) == family), default=0) * 100,
                )
                for family in ("ipv4", "ipv6")
            ],
        ),
        Family(
            "ciliate_masquerade_ports_used",
            "Ports of an address of the node that connections to a remote hold.",
            _REMOTE,
            [(_labels(page), page.used) for page in full],
        ),
        Family(
            "ciliate_masquerade_ports_limit",
            "Ports that there are for such a remote.",
            _REMOTE,
            [(_labels(page), page.ports) for page in full],
        ),
        Family(
            "ciliate_masquerade_ports_seconds_to_exhaustion",
            "When all will be used at the growth of the last half minute; +Inf while there is none.",
            _REMOTE,
            [(_labels(page), _end(page)) for page in full],
        ),
        Family(
            "ciliate_masquerade_pod_ports_used",
            "Ports of such a remote that the pods hold which have most.",
            (*_POD, *_REMOTE),
            [
                ((owner.namespace, owner.name, *_labels(page)), ports)
                for page in full
                for owner, ports in largest(page.holders, name, HOLDERS_MAX)
                if owner.namespace
            ],
        ),
        Family(
            "ciliate_masquerade_port_failures_total",
            "Connections to a remote that were not made since no port was free.",
            _REMOTE,
            [(_labels(page), page.failed) for page in failing[:REMOTES_MAX]],
            FamilyKind.COUNTER,
        ),
        *_pod_families(accounts),
    )


def _pod_families(accounts: Sequence[Account]) -> tuple[Family, ...]:
    pods = [each for each in accounts if each.owner.namespace]
    losers = sorted(pods, key=lambda each: -(each.evicted + each.refused))
    losers = [each for each in losers[:PODS_MAX] if each.evicted or each.refused]
    return (
        Family(
            "ciliate_masquerade_pod_connections",
            "Elements of the table of connections that a pod has.",
            _POD,
            [(each.owner, each.connections) for each in pods[:PODS_MAX]],
        ),
        Family(
            "ciliate_masquerade_pod_connections_evicted_total",
            "Connections of a pod that were ended to make room or to give back a port.",
            _POD,
            [(each.owner, each.evicted) for each in losers],
            FamilyKind.COUNTER,
        ),
        Family(
            "ciliate_masquerade_pod_connections_refused_total",
            "Connections that a pod could not open, for want of room or of a port.",
            _POD,
            [(each.owner, each.refused) for each in losers],
            FamilyKind.COUNTER,
        ),
    )


def _end(page: RemotePorts) -> float:
    seconds = page.seconds_to_exhaustion
    return math.inf if seconds is None else seconds


def _family(page: RemotePorts) -> str:
    return "ipv4" if page.remote.remote.startswith(_MAPPED) else "ipv6"


def _labels(page: RemotePorts) -> tuple[str, str, str, str]:
    remote = page.remote
    return (
        address_text(remote.address),
        address_text(remote.remote),
        str(remote.port),
        remote.protocol_name,
    )
