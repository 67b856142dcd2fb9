"""Why a Service has not what it asks for: a reason in one word, as Cilium's, and what to do. Pure."""

from collections.abc import Sequence
from typing import Final

from ciliate.load_balancer_ipam.pools import Pool
from ciliate.load_balancer_ipam.requests import NOTHING, Request, Shortage
from ciliate.net.address import IPAddress

#: Pools named in one message.
_NAMES_MAX: Final = 8


def of_asked(
    request: Request, address: IPAddress, pools: Sequence[Pool], obstacle: str
) -> Shortage:
    """Return why a Service cannot have the address that it asks for; nothing, if it can.

    `obstacle`: why it cannot share it with those that have it.
    """
    having = [pool for pool in pools if pool.names(address)]
    selecting = [pool for pool in having if pool.selects(request.labels)]
    giving = [pool for pool in selecting if pool.gives]
    if not having:
        return Shortage("no_pool", f"no CiliumLoadBalancerIPPool has a block with {address}")
    if not selecting:
        message = (
            f"{address} is of {_named(having)}, whose serviceSelector leaves this Service out"
        )
        return Shortage("pool_selector_mismatch", message)
    if not giving:
        pool = selecting[0]
        return Shortage("no_pool", f"{address} is of pool {pool.name}, which {pool.idle_reason}")
    if obstacle:
        reason = "already_allocated"
        if request.sharing.key:
            reason = "already_allocated_incompatible_service"
        return Shortage(reason, f"{address}: {obstacle}")
    block = giving[0].block_of(address)
    if block is not None and not block.may_give(address):
        message = (
            f"{address} is the first or last address of {block.text}, which pool"
            f" {giving[0].name} keeps back (allowFirstLastIPs)"
        )
        return Shortage("already_allocated", message)
    return NOTHING


def of_family(request: Request, version: int, pools: Sequence[Pool], obstacle: str) -> Shortage:
    """Return why a Service has no address of a family.

    `obstacle`: why it cannot have the one of its sharing key.
    """
    suitable = [
        pool
        for pool in pools
        if pool.gives
        and pool.selects(request.labels)
        and any(block.version == version for block in pool.blocks)
    ]
    if not suitable:
        # Cilium's words, for whoever looks for them.
        message = "There are no enabled CiliumLoadBalancerIPPools that match this service"
        return Shortage("no_pool", f"{message}: none has IPv{version} addresses for it")
    message = f"every IPv{version} address of {_named(suitable)} is given"
    if obstacle:
        message = f"{message}, and that of the sharing key cannot be had: {obstacle}"
    return Shortage("out_of_ips", message)


def _named(pools: Sequence[Pool]) -> str:
    names = ", ".join(pool.name for pool in pools[:_NAMES_MAX])
    more = f" and {len(pools) - _NAMES_MAX} more" if len(pools) > _NAMES_MAX else ""
    return f"pool {names}{more}" if len(pools) == 1 else f"pools {names}{more}"
