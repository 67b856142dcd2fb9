"""A block of a pool: its first and last address, and which of them may be given. Pure.

The API server checks little of it, so everything that cannot be an address of a load balancer is
found here, with the field that says so.
"""

import re
from dataclasses import dataclass
from typing import Final

from ciliate.api.load_balancer_ip_pool import PoolBlock
from ciliate.errors import CiliateError
from ciliate.net.address import (
    IPAddress,
    IPNetwork,
    IPv4Address,
    IPv6Address,
    ip_address,
    ip_network,
)

#: Packets to these never come from another machine, or reach more than one (RFC 6890, RFC 4291).
_NO_DESTINATIONS: Final[tuple[tuple[IPNetwork, str], ...]] = tuple(
    (ip_network(prefix), name)
    for prefix, name in (
        ("0.0.0.0/8", 'addresses of "this network"'),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local addresses"),
        ("224.0.0.0/3", "multicast and reserved addresses"),
        ("::/127", "the unspecified and the loopback address"),
        ("::ffff:0:0/96", "IPv4 addresses written as IPv6"),
        ("fe80::/10", "link-local addresses"),
        ("ff00::/8", "multicast"),
    )
)
_LENGTH: Final = re.compile(r"[0-9]{1,3}")


class BlockError(CiliateError):
    """A field of a pool's block cannot be used."""

    def __init__(self, path: str, value: str, problem: str, remedy: str) -> None:
        self.path = path
        super().__init__(f'{path}: "{value}" {problem}: {remedy}')


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses `first` to `last` of one family; `low` to `high` are those that may be given.

    An address that is kept back may still be had: a Service keeps what it was given before.
    """

    text: str
    version: int
    first: int
    last: int
    low: int
    high: int

    @property
    def size(self) -> int:
        """How many addresses may be given."""
        return self.high - self.low + 1

    def address(self, number: int) -> IPAddress:
        """Return a number as an address of the block's family."""
        return IPv4Address(number) if self.version == 4 else IPv6Address(number)

    def may_give(self, address: IPAddress) -> bool:
        """Whether the address is one that may be given."""
        return address.version == self.version and self.low <= int(address) <= self.high


def read_block(block: PoolBlock, path: str, *, keeps_ends: bool) -> Block:
    """Return the block that stands at `path`; `keeps_ends`: not to give a prefix's first and last.

    Raises:
        BlockError: It is none.
    """
    if block.cidr and (block.start or block.stop):
        raise BlockError(
            path, block.cidr, "stands beside start and stop", "write either cidr or start and stop"
        )
    if block.cidr:
        read = _prefix(block.cidr, f"{path}.cidr", keeps_ends=keeps_ends)
    else:
        read = _range(block, path)
    for network, name in _NO_DESTINATIONS:
        if network.version != read.version:
            continue
        low, high = int(network.network_address), int(network.broadcast_address)
        if read.first <= high and low <= read.last:
            problem = f"has addresses of {network} ({name}), which no load balancer can have"
            remedy = "write a block without them"
            raise BlockError(path, read.text, problem, remedy)
    return read


def _prefix(text: str, path: str, *, keeps_ends: bool) -> Block:
    _, slash, length = text.partition("/")
    if not slash or _LENGTH.fullmatch(length) is None:
        raise BlockError(path, text, "has no prefix length", "write a prefix such as 192.0.2.0/24")
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        remedy = "write a prefix such as 192.0.2.0/24 or 2001:db8::/64"
        raise BlockError(path, text, "is no prefix", remedy) from error
    first, last = int(network.network_address), int(network.broadcast_address)
    kept = 1 if keeps_ends and last - first > 1 else 0
    return Block(str(network), network.version, first, last, first + kept, last - kept)


def _range(block: PoolBlock, path: str) -> Block:
    if not block.start:
        problem, remedy = "begins nowhere", "write cidr, or start"
        raise BlockError(path, block.stop, problem, remedy)
    first = read_address(block.start, f"{path}.start")
    last = read_address(block.stop, f"{path}.stop") if block.stop else first
    text = f"{first} - {last}" if last != first else str(first)
    if first.version != last.version:
        remedy = "write both of one family"
        raise BlockError(path, text, "begins in one family and ends in the other", remedy)
    if int(last) < int(first):
        raise BlockError(path, text, "ends before it begins", "write the lower address as start")
    return Block(text, first.version, int(first), int(last), int(first), int(last))


def read_address(text: str, path: str) -> IPAddress:
    """Return the address that stands at `path`.

    Raises:
        BlockError: It is none.
    """
    try:
        # A zone says which link of one machine is meant; others have no such link.
        address = ip_address("" if "%" in text else text)
    except ValueError as error:
        remedy = "write an address such as 192.0.2.1 or 2001:db8::1"
        raise BlockError(path, text, "is no address", remedy) from error
    return address
