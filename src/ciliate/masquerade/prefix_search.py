"""How the longest prefix is found in a hash of prefixes: by halves of the lengths they have. Pure.

The programs look whether the destination's prefix of the middle length has an entry. If it has, a
longer one may have one too; if not, only a shorter one can (M. Waldvogel and others, "Scalable High
Speed IP Routing Lookups", 1997). For that a length that is looked at on the way to a longer prefix
needs an entry, a *marker*, which says what the prefix around it says.

So the cost depends on how many lengths there are, most often three or four, and not on how many
prefixes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ciliate.masquerade.compile import Outcome, Prefix

#: Entries for one prefix, itself and its markers: the looks at 129 lengths by halves.
MARKERS_MAX: Final = 8

_NO_RULE: Final = Outcome(())


def lengths_of(prefixes: Iterable[Prefix]) -> Mapping[int, tuple[int, ...]]:
    """Return, by family, the lengths that prefixes have, ascending."""
    # One prefix for each length and place above IPv4's bits: asking each for its family costs more.
    some = {(bits, begin >> 32): Prefix(pods, begin, bits) for pods, begin, bits in prefixes}
    found: dict[int, set[int]] = {4: set(), 6: set()}
    for prefix in some.values():
        found[prefix.version].add(prefix.bits)
    return {version: tuple(sorted(lengths)) for version, lengths in found.items()}


class Look(NamedTuple):
    """One look: at which length, and the numbers of those after a hit and after a miss, if any."""

    length: int
    longer: int | None = None
    shorter: int | None = None


def search_looks(lengths: Sequence[int]) -> tuple[Look, ...]:
    """Return the looks of a search among `lengths`, ascending; it begins with number 0."""
    looks: list[Look] = []

    def add(low: int, high: int) -> int | None:
        if low >= high:
            return None
        number, middle = len(looks), (low + high) // 2
        looks.append(Look(lengths[middle]))
        longer, shorter = add(middle + 1, high), add(low, middle)
        looks[number] = Look(lengths[middle], longer, shorter)
        return number

    add(0, len(lengths))
    return tuple(looks)


def hits_before(looks: Sequence[Look], length: int) -> Iterator[int]:
    """Yield the lengths at which a search for `length` has hits before it: each needs an entry."""
    number: int | None = 0
    while number is not None and (look := looks[number]).length != length:
        if look.length < length:
            yield look.length
        number = look.longer if look.length < length else look.shorter


def markers(outcomes: Mapping[Prefix, Outcome]) -> Mapping[Prefix, Outcome]:
    """Return the markers that a search of `outcomes` needs, each with what it says."""
    hits = {
        (version, each): tuple(hits_before(search_looks(lengths), each))
        for version, lengths in lengths_of(outcomes).items()
        for each in lengths
    }
    found: dict[Prefix, Outcome] = {}
    if not any(hits.values()):
        return found
    ordered = sorted(outcomes, key=_sweep_order)
    for (_, version), prefixes in groupby(ordered, key=lambda each: (each.pods, each.version)):
        around: list[tuple[int, int, Outcome]] = []  # End, length, and what stands there.
        for prefix in prefixes:
            while around and prefix.begin >= around[-1][0]:
                around.pop()
            for bits in hits[version, prefix.bits]:
                begin = prefix.begin >> 128 - bits << 128 - bits
                marker = Prefix(prefix.pods, begin, bits)
                if marker not in outcomes and marker not in found:
                    found[marker] = _standing(around, bits)
            end = prefix.begin + (1 << 128 - prefix.bits)
            around.append((end, prefix.bits, outcomes[prefix]))
    return found


def _sweep_order(prefix: Prefix) -> tuple[int, int, int, int]:
    return prefix.pods, prefix.version, prefix.begin, prefix.bits


def _standing(around: Sequence[tuple[int, int, Outcome]], bits: int) -> Outcome:
    """Return what the longest of the prefixes around says that is shorter than `bits`."""
    return next((outcome for _, length, outcome in reversed(around) if length < bits), _NO_RULE)
