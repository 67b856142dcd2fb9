"""Nodes' CIDRs against each other and against the pools; pools against everybody. Pure."""

from collections.abc import Iterator

from ciliate.api.ipam_audit import Finding
from ciliate.ipam.audit.cluster_witnesses import ClusterWitnesses, parsed
from ciliate.ipam.audit.evidence import cluster_error, cluster_warning, evidence
from ciliate.ipam.audit.overlaps import Claim, overlaps


def unreadable_cidrs(seen: ClusterWitnesses) -> Iterator[Finding]:
    """Yield what is no CIDR where one should be."""
    for node in seen.cilium_nodes:
        for text in (*node.current_cidrs, *node.draining_cidrs):
            if not parsed((text,)):
                yield cluster_error(
                    "unreadable-cidr",
                    text,
                    evidence(api=f"CiliumNode {node.metadata.name} has it"),
                    "correct it by kubectl edit",
                    node=node.metadata.name,
                )


def claims_twice(seen: ClusterWitnesses) -> Iterator[Finding]:
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
            yield cluster_warning(
                "cidr-still-drained", younger.cidr, said, remedy, node=younger.node
            )
        else:
            remedy = (
                f"kubectl delete ciliumnode {younger.node}: it gets another CIDR, its pods keep"
                " theirs while they live"
            )
            yield cluster_error(
                "cidr-claimed-twice", younger.cidr, said, remedy, node=younger.node
            )


def _how(claim: Claim) -> str:
    return "drains" if claim.draining else "has"


def claims_outside_pools(seen: ClusterWitnesses) -> Iterator[Finding]:
    """Yield nodes' CIDRs that no pool lists."""
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
                yield cluster_warning(
                    "cidr-outside-pools",
                    cidr,
                    evidence(api=f"CiliumNode {name} has it; {of} {known}"),
                    f"put its range back into the pool, or drain it: kubectl delete ciliumnode"
                    f" {name}",
                    node=name,
                )


def pool_overlaps(seen: ClusterWitnesses) -> Iterator[Finding]:
    """Yield pools that share addresses with each other, with Services or with nodes."""
    for number, one in enumerate(seen.ranges):
        for other in seen.ranges[:number]:
            if one.cidr.overlaps(other.cidr):
                yield cluster_error(
                    "pools-overlap",
                    one.cidr,
                    evidence(api=f"pool {one.pool} has it, pool {other.pool} has {other.cidr}"),
                    "take one of the two out of its pool",
                )
        for service in seen.services:
            if one.cidr.overlaps(service.cidr):
                yield cluster_error(
                    "pool-overlaps-services",
                    one.cidr,
                    evidence(api=f"pool {one.pool} has it; {service.label} has {service.cidr}"),
                    "use another range for pods: Services' addresses would be given to them",
                )
    for address, name in seen.node_by_ip.items():
        for host in parsed((address,)):
            for one in seen.ranges:
                if one.cidr.contains(host):
                    yield cluster_error(
                        "pool-overlaps-nodes",
                        one.cidr,
                        evidence(api=f"pool {one.pool} has it; {address} is of node {name}"),
                        "use another range for pods: nodes' addresses would be given to them",
                        node=name,
                    )
