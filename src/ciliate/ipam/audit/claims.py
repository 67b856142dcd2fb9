"""Nodes' CIDRs against each other, pools, nodes' addresses and Services; pools likewise. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot, PoolRange, parsed
from ciliate.ipam.audit.evidence import evidence, finding
from ciliate.ipam.audit.overlaps import NodeClaim, overlaps
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import SURROUNDINGS
from ciliate.net.address import ip_network

#: Nodes or Services that are named; of more, only the number is.
_NAMED_MAX: Final = 3


def unreadable_cidrs(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield texts that agents ignore: no CIDR, or one with host bits."""
    for node in seen.cilium_nodes:
        for text in (*node.current_cidrs, *node.draining_cidrs):
            try:
                ip_network(text)
            except ValueError:
                yield finding(
                    "unreadable-cidr",
                    text,
                    evidence(api=f"CiliumNode {node.metadata.name} has it"),
                    "correct it by kubectl edit",
                    node=node.metadata.name,
                )


def claims_twice(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield CIDRs of two nodes that share addresses."""
    created = {node.metadata.name: node.metadata.creation_timestamp for node in seen.cilium_nodes}
    for first, second in overlaps(seen.claims):
        if first.node == second.node:
            continue
        older, younger = sorted((first, second), key=lambda c: (created[c.node] or "", c.node))
        said = evidence(
            api=f"CiliumNode {older.node} {_how(older)} {older.cidr}, CiliumNode"
            f" {younger.node} {_how(younger)} {younger.cidr}"
        )
        if first.draining or second.draining:
            remedy = "it ends with the last pod in what is drained: nobody is given its address"
            yield finding(
                "cidr-still-drained",
                younger.cidr,
                said,
                remedy,
                node=younger.node,
                severity=Severity.WARNING,
            )
        else:
            remedy = (
                f"kubectl delete ciliumnode {younger.node}: it gets another CIDR, its pods keep"
                " theirs while they live"
            )
            yield finding("cidr-claimed-twice", younger.cidr, said, remedy, node=younger.node)


def _how(claim: NodeClaim) -> str:
    return "drains" if claim.draining else "has"


def claims_outside_pools(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield nodes' CIDRs that no pool lists; a note where the node drains it already."""
    if seen.mode not in ("cluster-pool", "multi-pool"):
        return
    for node in seen.cilium_nodes:
        ipam, name = node.spec.ipam, node.metadata.name
        named = [(pool.pool, cidr) for pool in ipam.pools.allocated for cidr in parsed(pool.cidrs)]
        listed = named if seen.mode == "multi-pool" else [("", c) for c in parsed(ipam.pod_cidrs)]
        for pool, cidr in listed:
            ranges = [each.cidr for each in seen.ranges if pool in ("", each.pool)]
            if not any(known.contains(cidr) for known in ranges):
                of = f"pool {pool} has" if pool else "the pools have"
                known = ", ".join(map(str, ranges)) or "no range"
                drains = str(cidr) in seen.drained(node)
                yield finding(
                    "cidr-outside-pools",
                    cidr,
                    evidence(
                        api=f"CiliumNode {name} {'drains' if drains else 'has'} it; {of} {known}"
                    ),
                    "none needed: no pod gets a new address of it, and it goes with its last pod"
                    if drains
                    else f"put its range back into the pool, or drain it: kubectl delete ciliumnode"
                    f" {name}",
                    node=name,
                    severity=Severity.INFO if drains else Severity.WARNING,
                )


def pool_overlaps(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield ranges that share addresses with each other, with Services or with nodes."""
    for number, one in enumerate(seen.ranges):
        for other in seen.ranges[:number]:
            if one.cidr.overlaps(other.cidr):
                yield finding(
                    "pools-overlap",
                    one.cidr,
                    evidence(api=f"pool {one.pool} has it, pool {other.pool} has {other.cidr}"),
                    "take one of the two out of its pool",
                )
        yield from _kept_of(one, _services_in(one.cidr, seen), "pool-overlaps-services")
        yield from _kept_of(one, _nodes_in(one.cidr, seen), "pool-overlaps-nodes")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A part of a range that the operator gives to no node, and why."""

    cidr: Cidr
    why: str


def _services_in(cidr: Cidr, seen: ClusterSnapshot) -> list[_Kept]:
    return [
        _Kept(service.cidr, f"{service.label} has {service.cidr}")
        for service in seen.services
        if service.cidr.overlaps(cidr)
    ]


def _nodes_in(cidr: Cidr, seen: ClusterSnapshot) -> list[_Kept]:
    return [
        _Kept(_around(host), f"{host.network.network_address} is of node {name}")
        for host, name in _hosts(seen)
        if cidr.overlaps(_around(host))
    ]


def _around(host: Cidr) -> Cidr:
    length = SURROUNDINGS[host.version]
    spare = host.length - length
    return Cidr(host.version, host.first >> spare << spare, length)


def _hosts(seen: ClusterSnapshot) -> list[tuple[Cidr, str]]:
    return [
        (host, name) for address, name in seen.node_by_ip.items() for host in parsed((address,))
    ]


def _kept_of(one: PoolRange, kept: list[_Kept], kind: str) -> Iterator[Finding]:
    """Yield a finding about reserved parts of a range: harmless, unless they are all of it."""
    if not kept:
        return
    named = ", ".join(each.why for each in kept[:_NAMED_MAX])
    more = f" and {len(kept) - _NAMED_MAX} more" if len(kept) > _NAMED_MAX else ""
    said = evidence(api=f"pool {one.pool} has it; {named}{more}")
    if any(each.cidr.contains(one.cidr) for each in kept):
        remedy = "use another range for pods: the operator gives no block of this one to nodes"
        yield finding(kind, one.cidr, said, remedy, severity=Severity.WARNING)
    else:
        remedy = "none needed: the operator gives nodes no block with such addresses"
        yield finding(kind, one.cidr, said, remedy, severity=Severity.INFO)


def claims_of_others(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield nodes' CIDRs with addresses of nodes or Services: pods may get these too.

    The operator gives no such CIDR; it may be older than the node or the Services.
    """
    taken = {
        NodeClaim(host, f"address {host.network.network_address} of node {name}"): "cidr-over-node"
        for host, name in _hosts(seen)
    }
    taken |= {
        NodeClaim(service.cidr, f"addresses of {service.label}"): "cidr-over-services"
        for service in seen.services
    }
    current = [claim for claim in seen.claims if not claim.draining]
    for pair in overlaps([*current, *taken]):
        mine = [claim for claim in pair if claim not in taken]
        if len(mine) != 1:
            continue
        (other,) = (claim for claim in pair if claim in taken)
        name = mine[0].node
        remedy = (
            "let kube-controller-manager have another --cluster-cidr"
            if seen.mode == "kubernetes"
            else f"kubectl delete ciliumnode {name}: it gets another CIDR, its pods keep theirs"
            " while they live"
        )
        yield finding(
            taken[other],
            mine[0].cidr,
            evidence(api=f"CiliumNode {name} has it, with {other.node}"),
            remedy,
            node=name,
        )
