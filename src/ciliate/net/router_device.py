"""The router's device as a value: `cilium_host`, with the gateways of this node's pods."""

from dataclasses import dataclass

from ciliate.net.address import IPAddress


@dataclass(frozen=True, slots=True)
class RouterDevice:
    """`cilium_host` as it is; `index` 0: it is not made yet. At most one address a family."""

    index: int = 0
    addresses: tuple[IPAddress, ...] = ()

    def address(self, version: int) -> IPAddress | None:
        """Return the router's address of IP `version`, or None."""
        return next((each for each in self.addresses if each.version == version), None)
