"""Which prefixes can be pods' at all: a wrong one in one object must not reach any table."""

from ipaddress import IPv4Network, IPv6Network
from typing import Final

from ciliate.net.address import IPNetwork

#: The shortest prefix that one node has for pods, by IP version: sixteen times as many addresses as
#: a node has endpoints, and what a whole site is given (RFC 6177). Anything shorter would lead the
#: company's networks, or the internet, to one node.
PREFIX_LENGTH_MIN: Final = {4: 12, 6: 48}

#: Addresses that mean the same on every machine, or nothing: no pod can have one (RFC 6890).
SPECIAL: Final[tuple[IPNetwork, ...]] = (
    *map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")),
    *map(IPv6Network, ("::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8")),
)


def why_no_pods(prefix: IPNetwork) -> str:
    """Return why a prefix cannot be pods'; empty when it can."""
    least = PREFIX_LENGTH_MIN[prefix.version]
    if prefix.prefixlen < least:
        return f"it is shorter than /{least}"
    for special in SPECIAL:
        # Prefixes nest or are disjoint.
        if special.network_address in prefix or prefix.network_address in special:
            return f"it shares addresses with {special}, which no pod can have"
    return ""
