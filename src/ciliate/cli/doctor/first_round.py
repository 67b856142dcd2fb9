"""What the first round probes: the pairs that were asked for, or those of the plan.

Chance decides on strides, and on whom each node may choose for its path classes: the next call sees
other pairs.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ciliate.api.core import Node
from ciliate.cli.doctor import plan
from ciliate.cli.doctor.plan import Place
from ciliate.cli.doctor.segments import Pair
from ciliate.console.nearest import meant
from ciliate.errors import CiliateError
from ciliate.net.address import IPAddress


class NodeUnknownError(CiliateError):
    """A name that no node has."""

    def __init__(self, wanted: str, present: Sequence[str]) -> None:
        self.wanted = wanted
        listed = ", ".join(present) or "none"
        super().__init__(
            f"there is no node {wanted!r}{meant(wanted, present)}: there are {listed}"
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out. Without `nodes` of all; `size` 0: what each route assumes."""

    nodes: tuple[str, ...] = ()
    all_pairs: bool = False
    size: int = 0


def find_places(nodes: Iterable[Node]) -> dict[str, Place]:
    """Return the nodes with the first InternalIP of each family."""
    found: dict[str, Place] = {}
    for node in nodes:
        addresses: dict[int, IPAddress] = {}
        for each in node.status.addresses:
            if each.type == "InternalIP":
                address = ip_address(each.address)
                addresses.setdefault(address.version, address)
        found[node.metadata.name] = Place(node.metadata.name, addresses)
    return found


def without_address(places: Mapping[str, Place]) -> dict[str, str]:
    """Return what is wrong with each node that has none."""
    return {
        name: "its Node has no InternalIP: see `kubectl get nodes -o wide`"
        for name, place in places.items()
        if not place.addresses
    }


def choose_pairs(question: Question, places: Mapping[str, Place]) -> dict[int, frozenset[Pair]]:
    """Return the pairs of the first round, by IP version.

    Raises:
        NodeUnknownError: A node that is named is not there.
    """
    for node in question.nodes:
        if node not in places:
            raise NodeUnknownError(node, sorted(places))
    chosen = dict.fromkeys(question.nodes)
    pairs: dict[int, frozenset[Pair]] = {}
    for version in (4, 6):
        ring = plan.in_ring(places.values(), version)
        if len(chosen) == 1:
            (node,) = chosen
            pairs[version] = plan.pairs_with(node, ring) if node in ring else frozenset()
            continue
        ring = tuple(node for node in ring if not chosen or node in chosen)
        if question.all_pairs:
            pairs[version] = plan.all_pairs(ring)
        else:
            pairs[version] = plan.first_pairs(ring, _strides(len(ring)))
    return pairs


def _strides(count: int) -> list[int]:
    """Return strides beside 1, which other nodes than neighbours are met by, drawn by chance."""
    choices = range(2, count // 2 + 1)
    return random.sample(choices, min(plan.STRIDES, len(choices)))


def draw_others(question: Question, places: Mapping[str, Place]) -> list[IPAddress]:
    """Return all addresses in an order of chance; none where nodes were named."""
    if question.nodes or question.all_pairs:
        return []
    addresses = [each for place in places.values() for each in place.addresses.values()]
    return random.sample(addresses, len(addresses))


def count_pairs(places: Mapping[str, Place]) -> int:
    """Return how many pairs there are, of both families."""
    counts = [sum(version in place.addresses for place in places.values()) for version in (4, 6)]
    return sum(count * (count - 1) // 2 for count in counts)
