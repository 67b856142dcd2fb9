"""What does not agree between the nodes of a cluster: a snapshot in, findings out. Pure.

Each agent compares what is on its own node (`audit.node`); here nodes' CIDRs are compared with
each other and with the pools, and Pods and CiliumEndpoints of all nodes.
"""

from collections.abc import Callable, Iterator

from ciliate.api.ipam_audit import Finding
from ciliate.ipam.audit.claims import (
    claims_of_others,
    claims_outside_pools,
    claims_twice,
    pool_overlaps,
    unreadable_cidrs,
)
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot
from ciliate.ipam.audit.nodes import (
    agent_findings,
    cidrs_of_another_mode,
    idle_draining,
    node_findings,
)
from ciliate.ipam.audit.pods import addresses_twice, publications


def audit_cluster(seen: ClusterSnapshot) -> tuple[Finding, ...]:
    """Return what does not agree, errors first."""
    checks: tuple[Callable[[ClusterSnapshot], Iterator[Finding]], ...] = (
        unreadable_cidrs,
        claims_twice,
        claims_outside_pools,
        pool_overlaps,
        claims_of_others,
        cidrs_of_another_mode,
        node_findings,
        idle_draining,
        agent_findings,
        addresses_twice,
        publications,
    )
    found = [finding for check in checks for finding in check(seen)]
    return tuple(
        sorted(found, key=lambda each: (each.severity.rank, each.kind, each.node, each.object))
    )
