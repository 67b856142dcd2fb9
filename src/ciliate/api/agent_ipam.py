"""What the agent answers to GET /v1/ipam: its blocks, who holds which address, what is waited for.

Ours; Cilium's API has no such answer. `ciliate ipam status`, `check` and `repair` read it.
"""

from typing import Literal

from ciliate.api.agent import AgentModel


class HeldCIDRModel(AgentModel, frozen=True, kw_only=True):
    """A CIDR of this node. `used` counts what is kept from pods too, `in_use` does not."""

    cidr: str
    pool: str
    family: Literal["ipv4", "ipv6"]
    state: Literal["current", "draining"]
    used: int
    in_use: int
    usable: int


class AllocationModel(AgentModel, frozen=True, kw_only=True):
    """An address and who holds it: `<namespace>/<pod>`, `router`, or why pods may not have it."""

    ip: str
    owner: str
    pool: str
    cidr: str
    reserved: bool = False


class PendingModel(AgentModel, frozen=True, kw_only=True):
    """How many pods wait for an address of a pool."""

    pool: str
    family: Literal["ipv4", "ipv6"]
    pods: int


class IpamReport(AgentModel, frozen=True, kw_only=True):
    """Address management of one node; `waiting` says for what, empty when for nothing."""

    node: str
    mode: str
    default_pool: str
    waiting: str = ""
    cidrs: tuple[HeldCIDRModel, ...] = ()
    allocations: tuple[AllocationModel, ...] = ()
    pending: tuple[PendingModel, ...] = ()
