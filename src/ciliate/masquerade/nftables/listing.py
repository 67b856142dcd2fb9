"""What `nft` lists of our table, as the values that are written.

What somebody changed by hand shows: a part of another name, an element, or a rule whose comment is
not ours, which makes its chain another one.
"""

from collections.abc import Iterable, Iterator
from ipaddress import summarize_address_range

from ciliate.masquerade.nftables.model import AddressSet, Chain, Part
from ciliate.net.address import IPNetwork, ip_address, ip_network
from ciliate.netlink.nftables import Listed, ListedChain, ListedElement

_VERSIONS = {"ipv4_addr": 4, "ipv6_addr": 6}


def parts_of(listed: Iterable[Listed]) -> dict[str, Part]:
    """Return the sets and chains of a table."""
    found: dict[str, Part] = {}
    chains: dict[str, ListedChain] = {}
    comments: dict[str, list[str]] = {}
    for each in listed:
        if each.set is not None:
            prefixes = frozenset(prefix for item in each.set.elem for prefix in _prefixes(item))
            found[each.set.name] = AddressSet(_VERSIONS.get(str(each.set.type), 0), prefixes)
        elif each.chain is not None:
            chains[each.chain.name] = each.chain
        elif each.rule is not None:
            comments.setdefault(each.rule.chain, []).append(each.rule.comment)
    for name, chain in chains.items():
        found[name] = Chain(_hook(chain), tuple(comments.get(name, ())))
    return found


def _prefixes(item: str | ListedElement) -> Iterator[IPNetwork]:
    """Yield what an element stands for; nothing for one of another kind, which no set of ours has."""
    if isinstance(item, str):
        yield ip_network(item)
    elif item.prefix is not None:
        yield ip_network(f"{item.prefix.addr}/{item.prefix.len}")
    elif item.range is not None:
        first, last = map(ip_address, item.range)
        yield from summarize_address_range(first, last)


def _hook(chain: ListedChain) -> str:
    """Return where the kernel calls a chain, in the words it is made with."""
    if not chain.hook:
        return ""
    return f"type {chain.type} hook {chain.hook} priority {chain.prio}; policy {chain.policy};"
