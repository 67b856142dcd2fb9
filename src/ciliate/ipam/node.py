"""The addresses of one node: a block per family, and what is kept from pods.

Host scope (`ipam: kubernetes`): the blocks are the node's pod CIDRs and never change while the
agent runs. Pure, like the blocks themselves.
"""

from collections.abc import Iterable, Iterator

from ciliate.ipam.allocator import Block
from ciliate.ipam.errors import FamilyDisabledError, IPAMError
from ciliate.net.address import IPAddress, IPNetwork

#: Owner of the address that is every pod's gateway (reference/ipam.md, 4.2).
ROUTER_OWNER = "router"


class NodeAddresses:
    """Allocates addresses of every family the node has a block of."""

    def __init__(self, blocks: Iterable[Block], *, excluded: Iterable[IPAddress] = ()) -> None:
        self._blocks: dict[int, Block] = {block.cidr.version: block for block in blocks}
        for address in excluded:
            block = self._blocks.get(address.version)
            if block is not None and address in block:
                block.take(address, "node-ip (excluded)")

    @property
    def cidrs(self) -> tuple[IPNetwork, ...]:
        """The blocks' CIDRs, IPv4 first."""
        return tuple(self._blocks[version].cidr for version in sorted(self._blocks))

    def block(self, version: int) -> Block | None:
        """Return the block of IP `version` 4 or 6, or None."""
        return self._blocks.get(version)

    def allocate(self, owner: str) -> tuple[IPAddress, ...]:
        """Give `owner` one address of every family, IPv6 first; all or none.

        Raises:
            BlockExhaustedError: A family has no address left.
        """
        given: list[IPAddress] = []
        try:
            for version in sorted(self._blocks, reverse=True):
                given.append(self._blocks[version].allocate(owner))  # noqa: PERF401 - kept on failure
        except IPAMError:
            self.release(given)
            raise
        return tuple(given)

    def take(self, addresses: Iterable[IPAddress], owner: str) -> None:
        """Give these very addresses to `owner`, all or none.

        Raises:
            FamilyDisabledError: No block of an address's family.
            AddressOutOfRangeError: An address is outside its block.
            AddressTakenError: Somebody else holds an address.
        """
        taken: list[IPAddress] = []
        try:
            for address in addresses:
                block = self._blocks.get(address.version)
                if block is None:
                    raise FamilyDisabledError(address.version)
                if block.owner(address) != owner:
                    block.take(address, owner)
                    taken.append(address)
        except IPAMError:
            self.release(taken)
            raise

    def release(self, addresses: Iterable[IPAddress]) -> None:
        """Free addresses; those nobody holds are a success too."""
        for address in addresses:
            block = self._blocks.get(address.version)
            if block is not None:
                block.release(address)

    def allocations(self) -> Iterator[tuple[IPAddress, str]]:
        """Yield every address in use with its owner, IPv4 first."""
        for version in sorted(self._blocks):
            yield from self._blocks[version].allocations()
