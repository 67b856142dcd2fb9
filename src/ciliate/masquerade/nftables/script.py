"""Transactions in nft's language that make our table what it should be. Pure."""

from collections.abc import Collection, Iterator
from typing import Final

from ciliate.masquerade.nftables.model import FAMILY, TABLE, AddressSet, Chain, Parts

_PLACE: Final = f"{FAMILY} {TABLE}"
_TYPES: Final = {4: "ipv4_addr", 6: "ipv6_addr"}


def replacement(wanted: Parts) -> str:
    """Return what puts the whole table in place of whatever stands under its name.

    Connections keep what was decided for them: the kernel remembers that apart from rules.
    """
    return removal() + "".join(_lines(wanted, {}))


def removal() -> str:
    """Return what removes the table; absent, it is made first, so that this succeeds too."""
    return f"add table {_PLACE}\ndelete table {_PLACE}\n"


def difference(wanted: Parts, found: Parts) -> str | None:
    """Return what brings the parts `wanted` from `found` to what they should be.

    None: a part is there as something else, such as a set of the other family, and only a
    replacement of the table helps.
    """
    for name, part in wanted.items():
        before = found.get(name)
        if before is None:
            continue
        if isinstance(part, AddressSet):
            if not isinstance(before, AddressSet) or before.version != part.version:
                return None
        elif not isinstance(before, Chain) or before.hook != part.hook:
            return None
    return "".join(_lines(wanted, found))


def deletion(names: Collection[str], found: Parts) -> str:
    """Return what removes these parts: all rules first, since they name sets and chains."""
    parts = {name: found[name] for name in names if name in found}
    chains = [name for name, part in parts.items() if isinstance(part, Chain)]
    sets = [name for name in parts if name not in chains]
    return "".join(
        (
            *(f"flush chain {_PLACE} {name}\n" for name in chains),
            *(f"delete chain {_PLACE} {name}\n" for name in chains),
            *(f"delete set {_PLACE} {name}\n" for name in sets),
        )
    )


def _lines(wanted: Parts, found: Parts) -> Iterator[str]:
    """Yield first what is referred to: sets, then all chains, then rules.

    What was found is not made again: where it is gone by now, the transaction fails as a whole.
    """
    if not found:
        yield f"add table {_PLACE}\n"
    for name, part in wanted.items():
        if isinstance(part, AddressSet):
            yield from _set_lines(name, part, is_there=name in found)
    chains = {name: part for name, part in wanted.items() if isinstance(part, Chain)}
    for name, chain in chains.items():
        if name not in found:
            hook = f" {{ {chain.hook} }}" if chain.hook else ""
            yield f"add chain {_PLACE} {name}{hook}\n"
    for name, chain in chains.items():
        if name in found:
            yield f"flush chain {_PLACE} {name}\n"
        for rule in chain.rules:
            yield f'add rule {_PLACE} {name} {rule.text} comment "{rule.comment}"\n'


def _set_lines(name: str, part: AddressSet, *, is_there: bool) -> Iterator[str]:
    """Yield what fills a set: all of it anew, which no packet sees half done.

    `nft` takes 12 ms to delete one element of 10,000, and 150 ms to put 10,000 in their place.
    """
    if is_there:
        yield f"flush set {_PLACE} {name}\n"
    else:
        yield f"add set {_PLACE} {name} {{ type {_TYPES[part.version]}; flags interval; }}\n"
    if part.prefixes:
        elements = ", ".join(sorted(map(str, part.prefixes)))
        yield f"add element {_PLACE} {name} {{ {elements} }}\n"
