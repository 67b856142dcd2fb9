"""What can go wrong when an address is asked for."""

from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress, IPNetwork


class IPAMError(CiliateError):
    """An address cannot be given or kept."""


class BlockExhaustedError(IPAMError):
    """Every usable address of the block has an owner."""

    def __init__(self, cidr: IPNetwork, usable: int) -> None:
        self.cidr = cidr
        self.usable = usable
        super().__init__(
            f"range is full: all {usable} addresses of pod CIDR {cidr} are in use:"
            " delete pods on this node or give it a larger pod CIDR"
        )


class AddressTakenError(IPAMError):
    """The address asked for belongs to somebody else."""

    def __init__(self, address: IPAddress, owner: str) -> None:
        self.address = address
        self.owner = owner
        super().__init__(f"address {address} is already allocated to {owner}")


class AddressOutOfRangeError(IPAMError):
    """The address asked for is not one of the block's usable ones."""

    def __init__(self, address: IPAddress, cidr: IPNetwork) -> None:
        self.address = address
        self.cidr = cidr
        super().__init__(
            f"address {address} is not in the valid range. The range of valid IPs is {cidr}"
        )


class FamilyDisabledError(IPAMError):
    """No block of that family is on this node."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"IPv{version} allocation disabled: this node has no IPv{version} CIDR")
