"""The IPAM lines of `dbg status`: the agent's answer, and the text of it. Pure.

`describe_pools` writes the one text that Cilium's API carries ready-made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import field

from ciliate.api.agent import AgentModel


class IpamStatus(AgentModel, frozen=True, kw_only=True):
    """Address management of this node.

    `status` is the line `dbg status` prints: see `describe_pools`. `allocations` maps every
    address in use to its owner: `<namespace>/<pod>`, `<namespace>/<pod> [restored]`, `router`,
    `health`, `ingress`. Addresses of a pool other than the default are `<pool>/<address>`.
    `draining`, ours, are former pod CIDRs with how many of their addresses are still in use.
    """

    status: str
    ipv4: tuple[str, ...] = ()
    ipv6: tuple[str, ...] = ()
    allocations: dict[str, str] = field(default_factory=dict)
    draining: dict[str, int] = field(default_factory=dict)


def lines(state: IpamStatus, *, addresses: bool) -> Iterator[str]:
    """Yield the lines; `addresses` asks for every address in use and every draining CIDR."""
    yield f"IPAM:\t{state.status}"
    if not addresses:
        return
    yield "Allocated addresses:"
    yield from sorted(f"  {ip} ({owner})" for ip, owner in state.allocations.items())
    if state.draining:
        yield "Draining pod CIDRs:"
        yield from (f"  {cidr} ({count} in use)" for cidr, count in state.draining.items())


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """One family's block of addresses on this node: `used` counts everything not free."""

    cidr: str
    used: int
    usable: int


def describe_pools(ipv4: PoolUsage | None, ipv6: PoolUsage | None) -> str:
    """Return the text of Cilium's IPAM line for the blocks of both families.

    Each is "IPv4: <used>/<usable> allocated from <cidr>", joined by a comma and a blank. The
    second half is empty without IPv6, which leaves Cilium's trailing ", " in place: programs
    match on it. Without any block: "Not running".
    """
    if ipv4 is None and ipv6 is None:
        return "Not running"
    halves = [
        f"{name}: {pool.used}/{pool.usable} allocated from {pool.cidr}" if pool else ""
        for name, pool in (("IPv4", ipv4), ("IPv6", ipv6))
    ]
    if not halves[0]:
        return halves[1]
    return ", ".join(halves)


def describe_pool_counts(ipv4: int | None, ipv6: int | None) -> str:
    """Return the text of Cilium's IPAM line in multi-pool mode; None for a family that is off."""
    return ", ".join(
        "" if count is None else f"{family}: {count} IPAM pool(s) available"
        for family, count in (("IPv4", ipv4), ("IPv6", ipv6))
    )
