"""What this node announces, for people. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from ciliate.metrics.family import Family


class Announced(Struct, frozen=True, gc=False, rename="camel"):
    """An address that this node answers for at one device."""

    ip: str
    network_interface: str
    service: str = ""
    answered: int = 0


def announced_lines(found: Iterable[Announced]) -> list[str]:
    """Return the table, as Cilium prints it."""
    return [
        "IP\tNetworkInterface",
        *(f"{each.ip}\t{each.network_interface}" for each in found),
    ]


def families(found: Sequence[Announced]) -> Iterator[Family]:
    """Yield the metrics as they are now."""
    yield Family(
        "ciliate_l2_announced_addresses",
        "Addresses of Services that this node answers for on layer 2, at each device.",
        (),
        [((), len(found))],
    )
