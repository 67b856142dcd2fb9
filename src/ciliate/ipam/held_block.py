"""A block that a node holds: its pool, whether it drains, how much of it is reserved. Pure."""

from dataclasses import dataclass

from ciliate.ipam.allocator import Block
from ciliate.net.address import IPAddress, IPNetwork


@dataclass(slots=True, eq=False)
class HeldBlock:
    """A block of this node: which pool it is of, and whether it drains."""

    pool: str
    block: Block
    draining: bool
    kept: int = 0  # Used addresses that are reserved and that no pod of this node has.
    reserved: int = 0  # Every reserved address, also those that a pod of this node has.
    is_shared: bool = False  # Another block has addresses of this one, too.

    @property
    def cidr(self) -> IPNetwork:
        """The block's CIDR."""
        return self.block.cidr

    @property
    def in_use(self) -> int:
        """How many addresses this node's pods and router have."""
        return self.block.used - self.kept

    def reserve(self, address: IPAddress, owner: str) -> None:
        """Enter a reservation that is new here; a pod that has the address keeps it."""
        if address not in self.block:
            return
        self.reserved += 1
        if self.block.owner(address) is None:
            self.block.take(address, owner)
            self.kept += 1
