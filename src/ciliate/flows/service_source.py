"""Where Services are asked for, as the flow server is told it.

There may be tens of thousands of frontends, so many are told in a line. A node port is told once, as
a port of any address, beside the addresses that nodes have.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from ciliate.api.resource import ObjectKey
from ciliate.flows.feed import (
    Line,
    NodeAddresses,
    ServiceNamed,
    ServicePlaces,
    place_octets,
)
from ciliate.flows.name_source import Clock
from ciliate.net.address import to_octets
from ciliate.node.context import Context
from ciliate.node.known_node import KnownNode
from ciliate.node.service_names import Change, Place
from ciliate.reconcile.listeners import Listeners

#: Frontends in a line: some 0.7 KiB. Hundreds of lines are written before others have their turn.
_PLACES_AT_ONCE: Final = 16


class ServiceSource:
    """Frontends of Services, and the addresses of nodes; `changed` gets each line that follows."""

    def __init__(self, context: Context, *, clock: Clock = time.monotonic_ns) -> None:
        self.changed: Listeners[Line] = Listeners()
        self._names = context.service_names
        self._nodes = context.cluster.known_nodes
        self._devices = context.devices
        self._own = context.own.name
        self._clock = clock

    def listen(self) -> None:
        """Follow what changes, from now on."""
        self._names.listen(self._services_changed)
        self._nodes.add_listener(self._node_changed)
        self._devices.listen(lambda _old, _new: self._tell_own())

    def all(self) -> Iterator[Line]:
        """Yield everything there is now."""
        yield self._own_addresses(since_ns=0)
        for node in tuple(self._nodes):
            if not node.is_local:
                yield _addresses(node, since_ns=0)
        every = self._names.all()
        while some := tuple(islice(every, _PLACES_AT_ONCE)):
            yield ServiceNamed(since_ns=0, services=_by_service(some))

    def _services_changed(self, changes: Sequence[Change]) -> None:
        now_ns = self._clock()
        for first in range(0, len(changes), _PLACES_AT_ONCE):
            some = changes[first : first + _PLACES_AT_ONCE]
            self.changed(
                ServiceNamed(
                    since_ns=now_ns,
                    services=_by_service((at, who) for at, who in some if who is not None),
                    gone=tuple(place_octets(*at) for at, who in some if who is None),
                )
            )

    def _node_changed(self, old: KnownNode | None, new: KnownNode | None) -> None:
        node = new or old
        assert node is not None, "a change has a before or an after"
        if node.is_local:
            self._tell_own()
        elif new is None:
            self.changed(NodeAddresses(node=node.name, since_ns=self._clock()))
        elif old is None or set(_octets(old)) != set(_octets(new)):  # CIDRs change more often.
            self.changed(_addresses(new, since_ns=self._clock()))

    def _tell_own(self) -> None:
        self.changed(self._own_addresses(since_ns=self._clock()))

    def _own_addresses(self, *, since_ns: int) -> NodeAddresses:
        """Return what this node has: on its devices, and by what others know it."""
        published = [node for node in self._nodes if node.is_local]
        octets = self._devices.current.octets.union(*map(_octets, published))
        return NodeAddresses(node=self._own, since_ns=since_ns, addresses=tuple(sorted(octets)))


def _addresses(node: KnownNode, *, since_ns: int) -> NodeAddresses:
    return NodeAddresses(
        node=node.name, since_ns=since_ns, addresses=tuple(sorted(set(_octets(node))))
    )


def _octets(node: KnownNode) -> Iterator[bytes]:
    return map(to_octets, (*node.internal_ips, *node.other_addresses))


def _by_service(named: Iterable[tuple[Place, ObjectKey]]) -> tuple[ServicePlaces, ...]:
    """Return places that follow each other and are one Service's together."""
    return tuple(
        ServicePlaces(namespace, name, tuple(place_octets(*at) for at, _ in places))
        for (namespace, name), places in groupby(named, key=itemgetter(1))
    )
