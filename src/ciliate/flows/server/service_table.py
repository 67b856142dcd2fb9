"""Which Service was asked for at an address and port, and when. Pure.

Before the agent has the datapath serve a frontend it tells whose it is: no event of it is older than
its name, so what was sent to an address before is no Service's. A node port is at every address that a
node had.
"""

from typing import Final

from ciliate.flows.feed import NodeAddresses, ServiceLine, ServiceNamed, place_octets
from ciliate.flows.server.conditions import is_named
from ciliate.flows.server.tenures import Tenure, Tenures
from ciliate.net.address import ANY_ADDRESS, from_octets

#: Frontends that are known, four times as many as maps have by default; addresses of nodes. Further
#: ones are passed over.
FRONTENDS_MAX: Final = 1 << 18
NODE_ADDRESSES_MAX: Final = 1 << 16

#: Of the past, for flows of the past; the oldest goes.
FORMER_MAX: Final = 16384

#: What filters of several clients ask for, kept until something changes.
_WANTED_MAX: Final = 64

_ADDRESS_BYTES: Final = 16

#: Namespace and name.
ServiceName = tuple[str, str]


class ServiceTable:
    """Services by address, port and time."""

    def __init__(self) -> None:
        self._frontends: Tenures[ServiceName] = Tenures(
            now_max=FRONTENDS_MAX, former_max=FORMER_MAX
        )
        self._nodes: Tenures[str] = Tenures(now_max=NODE_ADDRESSES_MAX, former_max=FORMER_MAX)
        #: Every address that is in either, and some that were: of most flows there is none.
        self._addresses: set[bytes] = set()
        self._of_node: dict[str, tuple[bytes, ...]] = {}
        self._wanted: dict[tuple[ServiceName, ...], frozenset[bytes]] = {}

    def take(self, line: ServiceLine) -> None:
        """Take in what the agent tells."""
        self._wanted.clear()
        match line:
            case ServiceNamed():
                self._name(line)
            case NodeAddresses():
                self._settle(line)

    def at(self, address: bytes, port: int, protocol: int, time_ns: int) -> ServiceName | None:
        """Return the Service that had an address (16 octets) and port at a moment."""
        if address not in self._addresses:
            return None
        found = self._frontends.at(place_octets(address, port, protocol), time_ns)
        if found is not None or self._nodes.at(address, time_ns) is None:
            return found
        anywhere = ANY_ADDRESS[from_octets(address).version]
        return self._frontends.at(place_octets(anywhere, port, protocol), time_ns)

    def addresses_of(self, wanted: tuple[ServiceName, ...]) -> frozenset[bytes]:
        """Return every address that such Services have or had, by namespaces and beginnings of names."""
        known = self._wanted.get(wanted)
        if known is None:
            if len(self._wanted) >= _WANTED_MAX:
                self._wanted.clear()
            known = self._wanted[wanted] = frozenset(self._find(wanted))
        return known

    def _find(self, wanted: tuple[ServiceName, ...]) -> set[bytes]:
        places = self._frontends.keys_of(lambda service: is_named(service, wanted))
        found = {place[:_ADDRESS_BYTES] for place in places}
        if not found.isdisjoint(ANY_ADDRESS.values()):
            found.update(self._nodes.keys_of(lambda _: True))
        return found

    def _name(self, line: ServiceNamed) -> None:
        for place in line.gone:
            self._frontends.end(place, line.since_ns)
        for each in line.services:
            tenure = Tenure((each.namespace, each.name), line.since_ns)
            for place in each.places:
                self._frontends.begin(place, tenure)
                self._addresses.add(place[:_ADDRESS_BYTES])
        self._tidy()

    def _settle(self, line: NodeAddresses) -> None:
        """Let a node have the addresses of a line, and no others."""
        for address in set(self._of_node.pop(line.node, ())).difference(line.addresses):
            if self._nodes.holder(address) == line.node:  # Another may have it by now.
                self._nodes.end(address, line.since_ns)
        for address in line.addresses:
            self._nodes.begin(address, Tenure(line.node, line.since_ns))
        self._addresses.update(line.addresses)
        if line.addresses and len(self._of_node) < NODE_ADDRESSES_MAX:
            self._of_node[line.node] = line.addresses
        self._tidy()

    def _tidy(self) -> None:
        """Forget addresses of which nothing is known any more, once they are half of all."""
        if len(self._addresses) <= 2 * (len(self._frontends) + len(self._nodes) + 2 * FORMER_MAX):
            return
        places = self._frontends.keys_of(lambda _: True)
        self._addresses = {place[:_ADDRESS_BYTES] for place in places}
        self._addresses.update(self._nodes.keys_of(lambda _: True))
