"""Targets that are reached alike: by the same device, first hop and size. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ciliate.net.address import IPAddress


@dataclass(frozen=True, slots=True)
class LocalRoute:
    """How a node reaches a target. `gateway` is empty where the target is on the device's link."""

    target: IPAddress
    device: str = ""
    mtu: int = 0
    gateway: str = ""
    problem: str = ""

    @property
    def path_class(self) -> tuple[int, str, int, str]:
        """What targets that are reached alike have in common."""
        return (self.target.version, self.device, self.mtu, self.gateway)


def one_of_each(met: Collection[LocalRoute], others: Iterable[LocalRoute]) -> list[LocalRoute]:
    """Return the first of `others` of each class that `met` has none of."""
    known = {route.path_class for route in met}
    found = []
    for route in others:
        if route.problem or route.path_class in known:
            continue
        known.add(route.path_class)
        found.append(route)
    return found
