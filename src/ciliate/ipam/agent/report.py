"""What the agent reports about addresses: the IPAM line of `dbg status`, and GET /v1/ipam."""

from typing import Final, Literal

from ciliate.api import agent_ipam
from ciliate.ipam import status as status_line
from ciliate.ipam.agent.node_ipam import NodeIPAM
from ciliate.ipam.held_block import HeldBlock
from ciliate.ipam.node import DEFAULT_POOL
from ciliate.net.address import IPAddress

_FAMILIES: Final[dict[int, Literal["ipv4", "ipv6"]]] = {4: "ipv4", 6: "ipv6"}


def ipam_status(ipam: NodeIPAM) -> status_line.IpamStatus:
    """Return the part of `dbg status` (docs/CILIUM.md, "Addresses")."""
    found = list(ipam.addresses.allocations())
    return status_line.IpamStatus(
        status=_line(ipam),
        ipv4=tuple(str(address) for address, _, _ in found if address.version == 4),
        ipv6=tuple(str(address) for address, _, _ in found if address.version == 6),
        allocations={_name(address, held): owner for address, owner, held in found},
        draining={str(held.cidr): held.in_use for held in ipam.addresses.held if held.draining},
    )


def _name(address: IPAddress, held: HeldBlock) -> str:
    return str(address) if held.pool == DEFAULT_POOL else f"{held.pool}/{address}"


def _line(ipam: NodeIPAM) -> str:
    settings = ipam.context.settings.ipam
    if settings.mode == "delegated-plugin":
        return "Delegated to the plugin named in the CNI configuration"
    if settings.mode == "multi-pool":
        return status_line.describe_pool_counts(
            *(_pool_count(ipam, version) for version in (4, 6))
        )
    usage: dict[int, status_line.PoolUsage] = {}
    for held in ipam.addresses.held:
        if not held.draining:
            usage[held.cidr.version] = status_line.PoolUsage(
                cidr=str(held.cidr), used=held.block.used, usable=held.block.usable
            )
    missing = ipam.pod_cidrs.missing()
    return missing or status_line.describe_pools(usage.get(4), usage.get(6))


def _pool_count(ipam: NodeIPAM, version: int) -> int | None:
    if version not in ipam.addresses.versions:
        return None
    current = [h for h in ipam.addresses.held if not h.draining and h.cidr.version == version]
    return len({held.pool for held in current})


def ipam_report(ipam: NodeIPAM) -> agent_ipam.IpamReport:
    """Return the answer of GET /v1/ipam."""
    settings, addresses = ipam.context.settings.ipam, ipam.addresses
    return agent_ipam.IpamReport(
        node=ipam.context.own.name,
        mode=settings.mode,
        default_pool=settings.default_pool,
        waiting=ipam.pod_cidrs.missing(),
        cidrs=held_cidrs(ipam),
        allocations=tuple(
            agent_ipam.AllocationModel(
                ip=str(address),
                owner=owner,
                pool=held.pool,
                cidr=str(held.cidr),
                reserved=addresses.is_reserved(address),
            )
            for address, owner, held in addresses.allocations()
        ),
        pending=tuple(
            agent_ipam.PendingModel(pool=pool, family=_FAMILIES[version], pods=count)
            for (pool, version), count in sorted(ipam.source.pending.items())
        ),
    )


def held_cidrs(ipam: NodeIPAM) -> tuple[agent_ipam.HeldCIDRModel, ...]:
    """Return the CIDRs of the node, current ones first."""
    return tuple(map(_cidr, ipam.addresses.held))


def _cidr(held: HeldBlock) -> agent_ipam.HeldCIDRModel:
    return agent_ipam.HeldCIDRModel(
        cidr=str(held.cidr),
        pool=held.pool,
        family=_FAMILIES[held.cidr.version],
        state="draining" if held.draining else "current",
        used=held.block.used,
        in_use=held.in_use,
        usable=held.block.usable,
    )
