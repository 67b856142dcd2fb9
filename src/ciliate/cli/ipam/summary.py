"""Pools and nodes with their addresses, computed from API, agents' and operator's answers. Pure.

The operator counts blocks and knows the trend, the agents count addresses. Without them blocks are
counted by the CiliumNodes' CIDRs, addresses by the CiliumEndpoints.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import Struct

from ciliate.api.agent_ipam import IpamReport
from ciliate.api.cilium_endpoint import CiliumEndpoint
from ciliate.api.cilium_node import CiliumNode
from ciliate.api.operator_ipam import OperatorIpam, PoolBlocks
from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.cli.cluster_addresses import Families, ipam_mode, pool_families, versions
from ciliate.ipam.audit.cluster_snapshot import node_ip, parsed, published
from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import Claim, ClusterAllocator
from ciliate.ipam.node import DEFAULT_POOL

#: A CIDR's first and last address, which no pod gets.
_RESERVED: Final = 2
_WHOLE_MAX: Final = 2

Family = Literal["ipv4", "ipv6"]
_FAMILIES: Final[dict[int, Family]] = {4: "ipv4", 6: "ipv6"}


class PoolStatus(Struct, frozen=True, kw_only=True):
    """One family of a pool. Blocks are nodes' CIDRs; addresses those of all current ones.

    `blocks` is None where Kubernetes gives nodes their CIDRs: its range is not known.
    """

    pool: str
    family: Family
    cidrs: tuple[str, ...]
    block_length: int | None
    blocks: int | None
    blocks_left: int | None
    blocks_draining: int
    used: int
    usable: int
    free: int
    exhausted: bool = False
    seconds_to_exhaustion: float | None = None


class CIDRStatus(Struct, frozen=True, kw_only=True):
    """A CIDR of a node; `pods` is how many live in it."""

    cidr: str
    pool: str
    state: Literal["current", "draining"]
    used: int
    usable: int
    pods: int


class NodeSummary(Struct, frozen=True, kw_only=True):
    """A node; `mode` is the one its agent runs in, empty when it was not asked."""

    node: str
    mode: str = ""
    cidrs: tuple[CIDRStatus, ...] = ()
    waiting: str = ""
    operator_error: str = ""
    pending_pods: int = 0
    unanswered: str = ""  # Why its agent gave no answer.
    out_of_reach: str = ""  # Why its agent, which is ready, was not asked.


class IpamSummary(Struct, frozen=True, kw_only=True):
    """Everything that `ciliate ipam status` shows."""

    mode: str
    pools: tuple[PoolStatus, ...]
    nodes: tuple[NodeSummary, ...]
    agents_asked: int
    agents_answered: int
    operator: str  # "answers", "not asked", or why there is no answer.


@dataclass(frozen=True, slots=True, kw_only=True)
class IpamInventory:
    """The objects and answers that the summary is computed from."""

    config: Mapping[str, str]
    cilium_nodes: tuple[CiliumNode, ...]
    endpoints: tuple[CiliumEndpoint, ...]
    pools: tuple[CiliumPodIPPool, ...]
    reports: Mapping[str, IpamReport] = field(default_factory=dict)
    unanswered: Mapping[str, str] = field(default_factory=dict)
    out_of_reach: Mapping[str, str] = field(default_factory=dict)
    operator: OperatorIpam | None = None
    operator_problem: str = "not asked"


def summarize(seen: IpamInventory) -> IpamSummary:
    """Return pools and nodes, each by name."""
    mode, lived_in = ipam_mode(seen.config), _addresses_by_node(seen)
    nodes = tuple(
        _node(seen, node, lived_in.get(node.metadata.name, []))
        for node in sorted(seen.cilium_nodes, key=lambda node: node.metadata.name)
    )
    return IpamSummary(
        mode=mode,
        pools=_pools(seen, mode, nodes),
        nodes=nodes,
        agents_asked=len(seen.reports) + len(seen.unanswered),
        agents_answered=len(seen.reports),
        operator="answers" if seen.operator is not None else seen.operator_problem,
    )


def pool_names(config: Mapping[str, str], nodes: Sequence[CiliumNode]) -> set[str]:
    """Return the names that `--pool` completes: pools that nodes have or request."""
    if ipam_mode(config) != "multi-pool":
        return {DEFAULT_POOL}
    allocated = {pool.pool for node in nodes for pool in node.spec.ipam.pools.allocated}
    requested = {pool.pool for node in nodes for pool in node.spec.ipam.pools.requested}
    return allocated | requested


# Nodes


def _addresses_by_node(seen: IpamInventory) -> dict[str, list[Cidr]]:
    names = {
        address.ip: node.metadata.name
        for node in seen.cilium_nodes
        for address in node.spec.addresses
    }
    found: dict[str, list[Cidr]] = {}
    for endpoint in seen.endpoints:
        name = names.get(node_ip(endpoint))
        if name is not None:
            found.setdefault(name, []).extend(parsed(published(endpoint)))
    return found


def _node(seen: IpamInventory, node: CiliumNode, pods: list[Cidr]) -> NodeSummary:
    name = node.metadata.name
    report = seen.reports.get(name)
    error = node.status.ipam.operator_status.error
    if report is None:
        return NodeSummary(
            node=name,
            cidrs=tuple(_cidrs_by_api(node, pods)),
            operator_error=error,
            unanswered=seen.unanswered.get(name, ""),
            out_of_reach=seen.out_of_reach.get(name, ""),
        )
    lived_in = Counter(
        each.cidr for each in report.allocations if not each.reserved and "/" in each.owner
    )
    return NodeSummary(
        node=name,
        mode=report.mode,
        cidrs=tuple(
            CIDRStatus(
                cidr=each.cidr,
                pool=each.pool,
                state=each.state,
                used=each.used,
                usable=each.usable,
                pods=lived_in[each.cidr],
            )
            for each in report.cidrs
        ),
        waiting=report.waiting,
        operator_error=error,
        pending_pods=sum(each.pods for each in report.pending),
    )


def _cidrs_by_api(node: CiliumNode, pods: list[Cidr]) -> Iterable[CIDRStatus]:
    pool_of = {cidr: p.pool for p in node.spec.ipam.pools.allocated for cidr in p.cidrs}
    states: tuple[tuple[Literal["current", "draining"], tuple[str, ...]], ...] = (
        ("current", node.current_cidrs),
        ("draining", node.draining_cidrs),
    )
    for state, texts in states:
        for text in texts:
            for cidr in parsed((text,)):
                count = sum(cidr.contains(pod) for pod in pods)
                yield CIDRStatus(
                    cidr=text,
                    pool=pool_of.get(text, DEFAULT_POOL),
                    state=state,
                    used=count,
                    usable=_usable(cidr),
                    pods=count,
                )


def _usable(cidr: Cidr) -> int:
    size = cidr.last - cidr.first + 1
    return size if size <= _WHOLE_MAX else size - _RESERVED


# Pools


def _pools(
    seen: IpamInventory, mode: str, nodes: tuple[NodeSummary, ...]
) -> tuple[PoolStatus, ...]:
    families = pool_families(seen.config, seen.pools)
    blocks = (
        {(each.pool, each.family): each for each in seen.operator.pools}
        if seen.operator is not None
        else _blocks_by_api(seen, families)
    )
    series = dict.fromkeys(
        (pool, _FAMILIES[version]) for pool, of in sorted(families.items()) for version in of
    )
    series |= dict.fromkeys(blocks)
    if mode == "kubernetes":
        series |= {(DEFAULT_POOL, _FAMILIES[version]): None for version in versions(seen.config)}
    return tuple(_pool(pool, family, blocks.get((pool, family)), nodes) for pool, family in series)


def _pool(
    pool: str, family: Family, blocks: PoolBlocks | None, nodes: tuple[NodeSummary, ...]
) -> PoolStatus:
    wanted = 4 if family == "ipv4" else 6
    mine = [
        each
        for node in nodes
        for each in node.cidrs
        if each.pool == pool and Cidr.parse(each.cidr).version == wanted
    ]
    current = [each for each in mine if each.state == "current"]
    used, usable = sum(e.used for e in current), sum(e.usable for e in current)
    draining = sum(each.state == "draining" for each in mine)
    return PoolStatus(
        pool=pool,
        family=family,
        cidrs=blocks.cidrs if blocks else (),
        block_length=blocks.block_length if blocks else None,
        blocks=blocks.blocks if blocks else None,
        blocks_left=blocks.free if blocks else None,
        blocks_draining=blocks.draining if blocks else draining,
        used=used,
        usable=usable,
        free=max(usable - used, 0),
        exhausted=blocks.exhausted or not blocks.free if blocks else False,
        seconds_to_exhaustion=blocks.seconds_to_exhaustion if blocks else None,
    )


def _blocks_by_api(
    seen: IpamInventory, families: Families
) -> dict[tuple[str, Family], PoolBlocks]:
    """Count blocks as the operator does, by nodes' CIDRs and pods' addresses."""
    allocator = ClusterAllocator()
    for pool, of in families.items():
        for version, ranges in of.items():
            allocator.define(pool, version, ranges.block_length, ranges.cidrs)
    for node in seen.cilium_nodes:
        name = node.metadata.name
        allocator.place(name, [a.ip for a in node.spec.addresses if a.type == "InternalIP"])
        allocator.learn(name, node.current_cidrs, node.draining_cidrs)
    for endpoint in seen.endpoints:
        for address in published(endpoint):
            if parsed((address,)):
                allocator.pod_appeared(node_ip(endpoint), address)
    draining = _draining_blocks(allocator)
    found = {}
    for pool, of in families.items():
        for version, ranges in of.items():
            known = allocator.pools.families.get(pool, {}).get(version)
            total = sum(cidr_set.blocks for cidr_set in known.cidr_sets) if known else 0
            free = allocator.pools.free(pool, version)
            found[pool, _FAMILIES[version]] = PoolBlocks(
                pool=pool,
                family=_FAMILIES[version],
                cidrs=ranges.cidrs,
                block_length=ranges.block_length,
                blocks=total,
                used=total - free,
                free=free,
                draining=draining[pool, version],
            )
    return found


def _draining_blocks(allocator: ClusterAllocator) -> Counter[tuple[str, int]]:
    counts: Counter[tuple[str, int]] = Counter()
    for node in allocator.nodes:
        for cidr, kind in allocator.claims(node).items():
            if kind is Claim.DRAINING:
                counts.update((c.pool, cidr.version) for c in allocator.pools.overlapping(cidr))
    return counts
