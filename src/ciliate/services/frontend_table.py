"""Who answers at which address and port, where several may claim the same. Pure.

Of several the elder Service counts; what is asked for at an address of its own counts before a node
port, and that before a pod's hostPort. The others wait, and say so.

A frontend has an id, which commands show: it belongs to the address and port, so it outlives a
change of who answers there. Addresses that are for Services alone have one entry more, of what no
port is for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from msgspec import Struct

from ciliate.datapath.layout import Frontend, FrontendFlag, FrontendType
from ciliate.net.address import address_text, socket_text
from ciliate.net.protocol import protocol_name
from ciliate.services.backend_sets import PortBackends
from ciliate.services.capacity import Usage
from ciliate.services.map_keys import (
    MapKey,
    address_of,
    inside_key,
    outside_key,
    read_frontend_key,
    unknown_port_key,
)
from ciliate.services.model import ServiceKey, Variant
from ciliate.services.numbers import Numbers

_ORDER: Final = {FrontendType.FRONTEND_NODE_PORT: 1, FrontendType.FRONTEND_HOST_PORT: 2}


class Owner(NamedTuple):
    """A Service, elder ones first."""

    created: str
    key: ServiceKey


class Claim(Struct, frozen=True, eq=False, gc=False):
    """What a Service has at an address and port."""

    owner: Owner
    type: FrontendType
    flags: int
    port: PortBackends
    outside: Variant
    inside: Variant | None

    @property
    def rank(self) -> tuple[int, Owner]:
        """Sorts first the claim that counts."""
        return _ORDER.get(self.type, 0), self.owner


class _Entry:
    """An address and port: claims, the one that counts first, and the ids by scope."""

    __slots__ = ("claims", "inside", "outside")

    def __init__(self, outside: int) -> None:
        self.claims: tuple[Claim, ...] = ()
        self.outside = outside
        self.inside = 0


class FrontendTable:
    """All frontends, as the map should hold them. Keys are those of outside, but for `get`."""

    def __init__(self, usage: Usage, *, cluster_ips_from_outside: bool) -> None:
        self._usage = usage
        self._entries: dict[MapKey, _Entry] = {}
        self._unknown_at_cluster_ip = Frontend(
            id=0,
            service=0,
            type=FrontendType.FRONTEND_CLUSTER_IP,
            flags=_UNKNOWN if cluster_ips_from_outside else _UNKNOWN | _INSIDE_ONLY,
        )
        self._numbers = Numbers()
        self._adopted: dict[MapKey, Frontend] = {}
        self._contested: set[MapKey] = set()
        self._node_addresses: frozenset[bytes] = frozenset()
        #: How many frontends of each kind an address has.
        self._addresses: dict[FrontendType, Counter[bytes]] = {
            FrontendType.FRONTEND_CLUSTER_IP: Counter(),
            FrontendType.FRONTEND_LOAD_BALANCER: Counter(),
            FrontendType.FRONTEND_EXTERNAL_IP: Counter(),
        }

    def adopt(self, held: Mapping[MapKey, Frontend]) -> None:
        """Take over the ids of the map's entries."""
        self._adopted = dict(held)
        self._numbers.adopt(each.id for each in held.values())

    def settle(self) -> None:
        """Forget the ids that nobody has taken over."""
        self._adopted = {}
        self._numbers.settle()

    def adopted_set(self, key: MapKey, *, inside: bool) -> int:
        """Return the number of the set that the map had at a frontend, or 0."""
        held = self._adopted.get(inside_key(key) if inside else key)
        return held.service if held is not None else 0

    def claim(self, key: MapKey, claim: Claim) -> set[MapKey]:
        """Enter a claim, in place of an earlier one of its owner; return the keys that change."""
        entry = self._entries.get(key)
        if entry is None:
            number = self._numbers.take(self._adopted_id(key))
            entry = self._entries[key] = _Entry(number)
            self._usage.frontends += 1
        others = [each for each in entry.claims if each.owner.key != claim.owner.key]
        former = next((each for each in entry.claims if each.owner.key == claim.owner.key), None)
        touched = self._count(key, former, claim)
        return touched | self._set(key, entry, [*others, claim])

    def unclaim(self, key: MapKey, owner: ServiceKey) -> set[MapKey]:
        """Take a claim back; return the keys that change."""
        entry = self._entries[key]
        former = next(each for each in entry.claims if each.owner.key == owner)
        touched = self._count(key, former, None)
        touched |= self._set(key, entry, [each for each in entry.claims if each is not former])
        if not entry.claims:
            self._numbers.free(entry.outside)
            del self._entries[key]
            self._usage.frontends -= 1
        return touched

    def leading_to(self, keys: Iterable[MapKey], port: PortBackends) -> set[MapKey]:
        """Return those of the keys that change when a port has its first endpoint, or its last."""
        return {
            key
            for key in keys
            if (claim := self._entries[key].claims[0]).port is port
            and claim.flags & _DROP_IF_EMPTY
        }

    def set_node_addresses(
        self, addresses: frozenset[bytes], differing: AbstractSet[bytes]
    ) -> set[MapKey]:
        """Tell which addresses nodes have: no port of theirs is refused; and what changed of them."""
        standing = {each for each in differing if self._unknown_port(each) is not None}
        self._node_addresses = addresses
        coming = {each for each in differing if self._unknown_port(each) is not None}
        self._usage.frontends += len(coming) - len(standing)
        return {unknown_port_key(each) for each in standing ^ coming}

    def __iter__(self) -> Iterator[MapKey]:
        """Yield every key that the map should hold."""
        for key, entry in self._entries.items():
            yield key
            if entry.inside:
                yield inside_key(key)
        for address in self._addresses[FrontendType.FRONTEND_CLUSTER_IP]:
            if self._unknown_port(address) is not None:
                yield unknown_port_key(address)
        for address in self._addresses[FrontendType.FRONTEND_LOAD_BALANCER]:
            if address in self._addresses[FrontendType.FRONTEND_CLUSTER_IP]:
                continue
            if self._unknown_port(address) is not None:
                yield unknown_port_key(address)

    def get(self, key: MapKey) -> bytes | None:
        """Return what the map should hold under a key, of any scope, or None."""
        outside = outside_key(key)
        entry = self._entries.get(outside)
        found: Frontend | None = None
        if entry is not None:
            found = _outside(entry) if key == outside else _inside(entry)
        elif key == unknown_port_key(address_of(key)):
            found = self._unknown_port(address_of(key))
        return found and found.pack()

    @property
    def given(self) -> int:
        """How often an id was given to a frontend."""
        return self._numbers.given

    def claims(self) -> Iterator[tuple[MapKey, int, int, Claim]]:
        """Yield each frontend with its ids, outside and inside, and the claim that counts.

        Those that nobody claims any more by the time they are asked for are left out.
        """
        for key, entry in tuple(self._entries.items()):
            if entry.claims:
                yield key, entry.outside, entry.inside, entry.claims[0]

    def claim_at(self, key: MapKey) -> Claim | None:
        """Return the claim that counts at a frontend; None: nobody has it."""
        entry = self._entries.get(key)
        return entry.claims[0] if entry is not None and entry.claims else None

    def problems(self) -> Iterator[tuple[ServiceKey, str]]:
        """Yield each claim that does not count, and why."""
        for key in self._contested:
            first, *others = self._entries[key].claims
            address, number, protocol, _ = read_frontend_key(key)
            at = f"{socket_text(address_text(address), number)}/{protocol_name(protocol)}"
            for each in others:
                yield (
                    each.owner.key,
                    (
                        f"{each.owner.key.text}: {at} is served for"
                        f" {first.owner.key.text}, which is elder or has it as an"
                        " address of its own: use another address or port, or delete that"
                    ),
                )

    def _adopted_id(self, key: MapKey) -> int:
        held = self._adopted.get(key)
        return held.id if held is not None else 0

    def _set(self, key: MapKey, entry: _Entry, claims: list[Claim]) -> set[MapKey]:
        before = _outside(entry), _inside(entry)
        entry.claims = tuple(sorted(claims, key=lambda each: each.rank))
        (self._contested.add if len(claims) > 1 else self._contested.discard)(key)
        has_inside = bool(claims) and entry.claims[0].inside is not None
        if has_inside and not entry.inside:
            entry.inside = self._numbers.take(self._adopted_id(inside_key(key)))
            self._usage.frontends += 1
        elif entry.inside and not has_inside:
            self._numbers.free(entry.inside)
            entry.inside = 0
            self._usage.frontends -= 1
        touched = set()
        if before[0] != _outside(entry):
            touched.add(key)
        if before[1] != _inside(entry):
            touched.add(inside_key(key))
        return touched

    def _count(self, key: MapKey, former: Claim | None, claim: Claim | None) -> set[MapKey]:
        """Count what kinds of frontends an address has."""
        if former is not None and claim is not None and former.type is claim.type:
            return set()
        address = address_of(key)
        before = self._unknown_port(address)
        if claim is not None and claim.type in self._addresses:
            self._addresses[claim.type][address] += 1
        if former is not None and former.type in self._addresses:
            counts = self._addresses[former.type]
            counts[address] -= 1
            if not counts[address]:
                del counts[address]
        after = self._unknown_port(address)
        self._usage.frontends += (after is not None) - (before is not None)
        return set() if before == after else {unknown_port_key(address)}

    def _is_of_services(self, address: bytes) -> bool:
        return (
            address in self._addresses[FrontendType.FRONTEND_CLUSTER_IP]
            or address in self._addresses[FrontendType.FRONTEND_LOAD_BALANCER]
        )

    def _unknown_port(self, address: bytes) -> Frontend | None:
        """Return what stands for all ports of an address that no frontend has.

        An external IP is some machine's, and a node's address is the node's: their other ports are
        none of ours.
        """
        if (
            not self._is_of_services(address)
            or address in self._node_addresses
            or address in self._addresses[FrontendType.FRONTEND_EXTERNAL_IP]
        ):
            return None
        if address in self._addresses[FrontendType.FRONTEND_LOAD_BALANCER]:
            return _UNKNOWN_AT_BALANCER
        return self._unknown_at_cluster_ip


_UNKNOWN: Final = int(FrontendFlag.FRONTEND_UNKNOWN_PORT)
_INSIDE_ONLY: Final = int(FrontendFlag.FRONTEND_INSIDE_ONLY)
_DROP_IF_EMPTY: Final = int(FrontendFlag.FRONTEND_DROP_IF_EMPTY)
_UNKNOWN_AT_BALANCER: Final = Frontend(
    id=0, service=0, type=FrontendType.FRONTEND_LOAD_BALANCER, flags=_UNKNOWN
)


def _outside(entry: _Entry) -> Frontend | None:
    if not entry.claims:
        return None
    claim = entry.claims[0]
    flags = claim.flags
    if claim.port.is_empty:  # Nobody would answer a second try either.
        flags &= ~_DROP_IF_EMPTY
    return Frontend(entry.outside, claim.port.set_of(claim.outside).number, claim.type, flags)


_INSIDE_FLAGS: Final = int(FrontendFlag.FRONTEND_TWO_SCOPES | FrontendFlag.FRONTEND_LOOPBACK_ONLY)


def _inside(entry: _Entry) -> Frontend | None:
    if not entry.claims or entry.claims[0].inside is None:
        return None
    claim, inside = entry.claims[0], entry.claims[0].inside
    number = claim.port.set_of(inside).number
    return Frontend(entry.inside, number, claim.type, claim.flags & _INSIDE_FLAGS)
