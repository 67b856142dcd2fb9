"""What can be wrong with a pool of node CIDRs, or keep a node from getting one out of it."""

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.errors import IPAMError


class PoolRangeError(IPAMError):
    """A CIDR, or a whole family of a pool, cannot be used; the rest of the pool can."""

    def __init__(self, pool: str, cidr: str, problem: str, remedy: str) -> None:
        self.pool = pool
        self.cidr = cidr
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"pool {pool}: {problem}: {remedy}")


class PoolMissingError(IPAMError):
    """No such pool, or none with CIDRs of the family."""

    def __init__(self, pool: str, version: int, *, exists: bool) -> None:
        self.pool = pool
        self.version = version
        self.exists = exists
        problem = (
            f"allocator for IPv{version} addresses does not exist in pool {pool}"
            if exists
            else f"cannot allocate from non-existing pool: {pool}"
        )
        super().__init__(problem)


class PoolBlocksExhaustedError(IPAMError):
    """Every block of the family is in use or must not be given."""

    def __init__(
        self, pool: str, version: int, *, block_length: int, blocks: int, reserved: int
    ) -> None:
        self.pool = pool
        self.version = version
        self.block_length = block_length
        self.blocks = blocks
        self.reserved = reserved
        kept = (
            f", {reserved} of them by nodes' own addresses, Services or special ranges"
            if reserved
            else ""
        )
        super().__init__(
            f"allocator full: all {blocks} IPv{version} blocks /{block_length} of pool {pool}"
            f" are in use{kept}: add a CIDR to the pool, or remove nodes"
        )


class ClaimConflict(IPAMError):  # noqa: N818 - shown as a node's error, never raised
    """Two nodes claim addresses in common: the first keeps them."""

    def __init__(self, node: str, cidr: Cidr, *, owner: str, held: Cidr) -> None:
        self.node = node
        self.cidr = cidr
        self.owner = owner
        self.held = held
        by = f"node {owner}" if held == cidr else f"node {owner}, which has {held}"
        super().__init__(f"requested CIDR ({cidr}) is already allocated to {by}")
