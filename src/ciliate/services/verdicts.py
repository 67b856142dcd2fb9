"""Which endpoints of a Service take new connections of a caller, and why others do not.

The maps are filled by these verdicts and `explain service` tells them, so the two agree.

Rules, in this order: an endpoint must be of the frontend's family and have its port; it must be
ready, or end and still serve; where the traffic policy is Local it must be of this node. One that
ends is used only where no ready one is left. Hints come last and are ignored where they would leave
nothing: a node's, if every ready endpoint has some and any names this node; else a zone's likewise.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from ciliate.services.model import (
    EndpointState,
    KnownSlice,
    NodeFacts,
    Place,
    ServicePort,
    SlicePort,
    Variant,
)


class Verdict(Enum):
    """What becomes of an endpoint; the text follows "would be" or "would not be chosen:"."""

    CHOSEN = "chosen"
    NOT_READY = "not ready"
    TERMINATING = "terminating, and a ready one exists"
    OTHER_NODE = "on another node, and the traffic policy is Local"
    OTHER_NODE_HINTED = "hinted for other nodes, and others are hinted for this one"
    OTHER_ZONE_HINTED = "hinted for other zones, and others are hinted for this one's"
    WRONG_FAMILY = "of the other address family"
    NO_SUCH_PORT = "its slice has no port of that name and protocol"
    REFUSED = "its address is refused"


class Judged(NamedTuple):
    """An endpoint and its verdict; `port` is 0 where it has no such port."""

    address: bytes  # Empty: refused.
    text: str  # Of a refused address, and why.
    port: int
    place: Place | None
    verdict: Verdict


def is_port_of(port: ServicePort, found: SlicePort) -> bool:
    """Whether a slice's port is behind a Service's: a Service's port without a name takes all."""
    return port.protocol == found.protocol and port.name in ("", found.name)


class Candidates:
    """The endpoints that have a port of a Service in one family, as backends.

    A backend's key is its address, port and protocol: 16, 2 and 1 octets, as on the wire.
    """

    __slots__ = ("_keys", "_of", "places")

    def __init__(self, slices: Iterable[KnownSlice], port: ServicePort, version: int) -> None:
        self._keys: list[bytes] = []
        self._of: list[Place] = []
        for each, found in _having(slices, port, version):
            octets, tail = each.addresses, _tail(found)
            self._keys += [octets[at : at + 16] + tail for at in range(0, len(octets), 16)]
            self._of += each.places
        self.places: Final = frozenset(self._of)

    def at(self, places: Container[Place]) -> list[bytes]:
        """Return those at these places, each once: it may be in two slices while it moves."""
        found = [key for key, place in zip(self._keys, self._of, strict=True) if place in places]
        return list(dict.fromkeys(found))


def _having(
    slices: Iterable[KnownSlice], port: ServicePort, version: int
) -> Iterator[tuple[KnownSlice, SlicePort]]:
    """Yield the slices of a family, with each of their ports that is behind a Service's port."""
    for each in slices:
        if each.version == version:
            for found in each.ports:
                if is_port_of(port, found):
                    yield each, found


def _tail(port: SlicePort) -> bytes:
    return port.port.to_bytes(2, "big") + port.protocol.to_bytes(1, "big")


def judge(
    places: Iterable[Place], *, variant: Variant, node: NodeFacts, follows_hints: bool
) -> dict[Place, Verdict]:
    """Return the verdict about each place; those of all endpoints that have the port are given."""
    verdicts: dict[Place, Verdict] = {}
    near: list[Place] = []
    for place in set(places):
        if place.state is EndpointState.NOT_READY:
            verdicts[place] = Verdict.NOT_READY
        elif variant is Variant.LOCAL and not is_local(place, node):
            verdicts[place] = Verdict.OTHER_NODE
        else:
            near.append(place)
    ready = [place for place in near if place.state is EndpointState.READY]
    if not ready:
        return verdicts | dict.fromkeys(near, Verdict.CHOSEN)
    verdicts |= dict.fromkeys(near, Verdict.TERMINATING)
    verdicts |= dict.fromkeys(ready, Verdict.CHOSEN)
    if follows_hints and variant is Variant.ALL:
        verdicts |= _hinted_elsewhere(ready, node)
    return verdicts


def is_local(place: Place, node: NodeFacts) -> bool:
    """Whether an endpoint is of this node: one without a node is of every node."""
    return place.node in ("", node.name)


def _hinted_elsewhere(ready: Sequence[Place], node: NodeFacts) -> Mapping[Place, Verdict]:
    """Return the ready ones that hints keep from this node.

    One without a hint says that hints are being made anew: those that have some would get it all.
    """
    if all(place.node_hints for place in ready) and any(
        node.name in place.node_hints for place in ready
    ):
        others = (place for place in ready if node.name not in place.node_hints)
        return dict.fromkeys(others, Verdict.OTHER_NODE_HINTED)
    if all(place.zone_hints for place in ready) and any(
        node.zone in place.zone_hints for place in ready
    ):
        others = (place for place in ready if node.zone not in place.zone_hints)
        return dict.fromkeys(others, Verdict.OTHER_ZONE_HINTED)
    return {}


def judge_all(
    slices: Sequence[KnownSlice],
    port: ServicePort,
    version: int,
    *,
    variant: Variant,
    node: NodeFacts,
    follows_hints: bool,
) -> Iterator[Judged]:
    """Yield every endpoint of a Service with its verdict, for one of its ports and a family."""
    found = list(_having(slices, port, version))
    places = {place for each, _ in found for place in each.places}
    verdicts = judge(places, variant=variant, node=node, follows_hints=follows_hints)
    having = {id(each) for each, _ in found}
    for each, slice_port in found:
        for address, place in endpoints(each):
            yield Judged(address, "", slice_port.port, place, verdicts[place])
    for each in slices:
        for refusal in each.refused:
            yield Judged(b"", f"{refusal.address}: {refusal.why}", 0, None, Verdict.REFUSED)
        if id(each) in having:
            continue
        verdict = Verdict.WRONG_FAMILY if each.version != version else Verdict.NO_SUCH_PORT
        for address, place in endpoints(each):
            yield Judged(address, "", 0, place, verdict)


def endpoints(known: KnownSlice) -> Iterator[tuple[bytes, Place]]:
    """Yield the address and place of each endpoint of a slice."""
    for at, place in enumerate(known.places):
        yield known.addresses[16 * at : 16 * at + 16], place
