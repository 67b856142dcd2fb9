"""What the operator answers to GET /ipam: the blocks of the pools, and which of them nodes have.

Ours; Cilium's operator has no such answer. `ciliate ipam status` reads it.
"""

from typing import Literal

from msgspec import Struct


class PoolBlocks(Struct, frozen=True, kw_only=True):
    """One family of a pool, counted in nodes' blocks.

    `used` counts all that keeps a block from being allocated, `reserved` the part of it that
    nodes' own addresses, Services and special ranges keep. `seconds_to_exhaustion` is None when it
    is not in sight.
    """

    pool: str
    family: Literal["ipv4", "ipv6"]
    cidrs: tuple[str, ...] = ()
    block_length: int = 0
    blocks: int = 0
    used: int = 0
    free: int = 0
    reserved: int = 0
    draining: int = 0
    exhausted: bool = False
    seconds_to_exhaustion: float | None = None


class OperatorIpam(Struct, frozen=True, kw_only=True):
    """The answer, as far as others read it."""

    pools: tuple[PoolBlocks, ...] = ()
    waiting: int = 0
    conflicts: int = 0
