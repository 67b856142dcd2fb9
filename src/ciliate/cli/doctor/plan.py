"""Which pairs of nodes are probed, and who probes whom. Pure.

Not every pair: a ring of all nodes, in order of their addresses, and two more rounds of it with larger
strides. A link whose loss parts the nodes into two groups lies between two neighbours of the ring,
wherever it is: a ring runs from one group into the other and back. So in a network where two nodes have
one way between them, a tree of switches and routers, each faulty link is found. What is not found for
sure is a fault that only some pairs meet whose ways others do not share: one cable of a bundle, a filter
or a tunnel for one pair. The strides are drawn anew at each call; `--all-pairs` leaves nothing to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ciliate.cli.doctor.segments import Pair, pair_of
from ciliate.net.address import IPAddress

#: Of so many nodes all pairs are probed.
ALL_PAIRS_NODES_MAX: Final = 8

#: Further rounds of the ring, each with a stride of its own.
STRIDES: Final = 2

#: Addresses of one command, those drawn for their path class included: they are words of a URL.
ADDRESSES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Place:
    """A node and its InternalIPs, by IP version."""

    name: str
    addresses: Mapping[int, IPAddress]


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """What one node is asked to probe."""

    targets: tuple[IPAddress, ...]
    others: tuple[IPAddress, ...] = ()


def in_ring(places: Iterable[Place], version: int) -> tuple[str, ...]:
    """Return the nodes that have an address of this family, neighbours of a network together."""
    having = [place for place in places if version in place.addresses]
    return tuple(p.name for p in sorted(having, key=lambda p: (int(p.addresses[version]), p.name)))


def first_pairs(ring: Sequence[str], strides: Iterable[int]) -> frozenset[Pair]:
    """Return the pairs of the first round; `strides` are those beside 1."""
    count = len(ring)
    if count <= ALL_PAIRS_NODES_MAX:
        return all_pairs(ring)
    return frozenset(
        pair_of(ring[at], ring[(at + stride) % count])
        for stride in (1, *strides)
        for at in range(count)
        if stride % count
    )


def all_pairs(nodes: Iterable[str]) -> frozenset[Pair]:
    """Return every pair."""
    return frozenset(pair_of(one, other) for one, other in combinations(nodes, 2))


def pairs_with(node: str, nodes: Iterable[str]) -> frozenset[Pair]:
    """Return the pairs of one node with each other."""
    return frozenset(pair_of(node, other) for other in nodes if other != node)


def orders(
    pairs: Mapping[int, Iterable[Pair]],
    places: Mapping[str, Place],
    *,
    others: Sequence[IPAddress] = (),
    askers: Iterable[str] | None = None,
) -> tuple[dict[str, NodeOrder], ...]:
    """Return who probes whom, in turns: each pair from both of its ends, by IP version.

    With `askers` from one end, which is among them. Of `others` each node gets as many as have room
    in the first turn: one of each path class is probed.
    """
    wanted: dict[str, list[IPAddress]] = {}
    able = None if askers is None else frozenset(askers)
    for version, of_version in sorted(pairs.items()):
        for one, other in sorted(of_version):
            if able is None or one in able:
                wanted.setdefault(one, []).append(places[other].addresses[version])
            if able is None or one not in able:
                wanted.setdefault(other, []).append(places[one].addresses[version])
    turns: list[dict[str, NodeOrder]] = []
    for node, targets in wanted.items():
        own = set(places[node].addresses.values())
        for number, part in enumerate(_batches(targets)):
            if number == len(turns):
                turns.append({})
            room = 0 if number else ADDRESSES_MAX - len(part)
            more = [each for each in others if each not in own and each not in targets][:room]
            turns[number][node] = NodeOrder(part, tuple(more))
    return tuple(turns)


def _batches(targets: Sequence[IPAddress]) -> Iterable[tuple[IPAddress, ...]]:
    starts = range(0, len(targets), ADDRESSES_MAX)
    return (tuple(targets[start : start + ADDRESSES_MAX]) for start in starts)
