"""Which nodes reach which others at full size: the parts that a faulty link leaves. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

#: Two nodes by name, in order of name.
Pair = tuple[str, str]

#: With so many others a node is tried before its own link is at fault, where there are so many.
ENOUGH: Final = 4


def pair_of(one: str, other: str) -> Pair:
    """Return the pair of two names."""
    return (one, other) if one < other else (other, one)


def find_segments(nodes: Iterable[str], good: Iterable[Pair]) -> tuple[frozenset[str], ...]:
    """Return the groups of nodes that `good` pairs tie together, the largest first."""
    heads = {node: node for node in nodes}

    def head(node: str) -> str:
        while heads[node] != node:
            heads[node] = heads[heads[node]]
            node = heads[node]
        return node

    for one, other in good:
        heads[head(one)] = head(other)
    groups: dict[str, set[str]] = {}
    for node in heads:
        groups.setdefault(head(node), set()).add(node)
    return tuple(sorted(map(frozenset, groups.values()), key=lambda each: (-len(each), min(each))))


def further_pairs(
    shuffled: Sequence[str],
    *,
    good: Collection[Pair],
    lost: Collection[Pair],
    tried: Collection[Pair],
) -> frozenset[Pair]:
    """Return the pairs that tell where a fault is.

    Empty when nothing was lost, or when all is known: a part that lost with others was tried with
    each, and a single node with enough of them. `shuffled` are all nodes, in the order in which they
    are taken; as all take the same ones first, parts that belong together meet there.
    """
    parts = find_segments(shuffled, good)
    place = {node: number for number, node in enumerate(shuffled)}
    losers = {node for pair in lost for node in pair}
    by_size = sorted(parts, key=lambda part: (-len(part), min(place[node] for node in part)))
    wanted: set[Pair] = set()
    for part in parts:
        hit = min(part & losers, key=place.__getitem__, default=None)
        if hit is None:
            continue
        unmet = [each for each in by_size if each is not part and not _is_tried(part, each, tried)]
        new = {
            pair_of(hit, min(each, key=lambda node: (node in losers, place[node])))
            for each in unmet[:ENOUGH]
        }
        if len(part) == 1:
            room = ENOUGH - len(new | {pair for pair in tried if hit in pair})
            untried = {pair_of(hit, node) for node in shuffled if node != hit} - {*tried, *new}
            # Those that are well first.
            new.update(
                sorted(untried, key=lambda pair: _order(pair, losers, place))[: max(0, room)]
            )
        wanted |= new
    return frozenset(wanted)


def _order(pair: Pair, losers: Collection[str], place: Mapping[str, int]) -> tuple[int, int]:
    return (sum(node in losers for node in pair), sum(place[node] for node in pair))


def _is_tried(part: frozenset[str], other: frozenset[str], tried: Iterable[Pair]) -> bool:
    return any((a in part and b in other) or (b in part and a in other) for a, b in tried)
