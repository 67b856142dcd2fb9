"""The addresses of pods by their node's address, and the node that has that address. Pure.

A CiliumEndpoint names its node by address. The CiliumNode may be gone while pods live on: then
the owner of their addresses is "node at ADDRESS", until a node with that address is known again.
Two nodes may say that they have one address: the first keeps it, as with CIDRs, so whoever writes
an object today takes no pods from a node that stands.
"""

from collections.abc import Callable, Iterable, Iterator

from ciliate.ipam.cidr_set import Cidr

#: Called with the address of a pod, and its owner.
Note = Callable[[Cidr, str], None]


class PodPlaces:
    """Pods and nodes' own addresses; `occupy` and `vacate` are called with each change."""

    def __init__(self, *, occupy: Note, vacate: Note) -> None:
        self._occupy = occupy
        self._vacate = vacate
        #: How many endpoints have each address.
        self._pods: dict[str, dict[tuple[int, int], int]] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._node_at: dict[str, str] = {}
        #: Addresses that several nodes say they have, with those nodes; the first one counts.
        self._rivals: dict[str, list[str]] = {}
        self._touched: set[str] = set()

    def knows(self, node: str) -> bool:
        """Whether an address of `node` is known."""
        return node in self._places

    def node_at(self, address: str) -> str | None:
        """Return the node that has `address` as its own."""
        return self._node_at.get(address)

    def place(self, node: str, addresses: Iterable[str]) -> tuple[set[str], set[str]]:
        """Make `addresses` those of `node`; return which it no longer has, and which are new."""
        old, new = self._places.get(node, ()), tuple(dict.fromkeys(addresses))
        if new:
            self._places[node] = new
        else:
            self._places.pop(node, None)
        gone, came = set(old) - set(new), set(new) - set(old)
        for address in gone:
            rivals = self._rivals.get(address, [node])
            rivals.remove(node)
            self._touched.update(rivals)
            if len(rivals) == 1:
                del self._rivals[address]
            self._hand_over(address, rivals[0] if rivals else None)
        for address in came:
            known = self._node_at.get(address)
            if known is None:
                self._hand_over(address, node)
            else:
                self._rivals.setdefault(address, [known]).append(node)
                self._touched.add(node)
        return gone, came

    def take_touched(self) -> set[str]:
        """Return the nodes with an address whose owner came, went or changed since the last call.

        Of addresses that several say they have; the others concern nobody else.
        """
        touched, self._touched = self._touched, set()
        return touched

    def appeared(self, at: str, pod: Cidr) -> None:
        """Note an endpoint's address on the node at `at`."""
        pods = self._pods.setdefault(at, {})
        key = pod.version, pod.first
        pods[key] = pods.get(key, 0) + 1
        if pods[key] == 1:
            self._occupy(pod, self._owner_at(at))

    def vanished(self, at: str, pod: Cidr) -> None:
        """Note the end of an endpoint that was noted."""
        pods = self._pods[at]
        key = pod.version, pod.first
        pods[key] -= 1
        if not pods[key]:
            del pods[key]
            self._vacate(pod, self._owner_at(at))
        if not pods:
            del self._pods[at]

    def of(self, node: str) -> Iterator[Cidr]:
        """Yield the addresses of the node's pods; none at an address that is another node's."""
        for at in self._places.get(node, ()):
            if self._node_at.get(at) == node:
                for key in self._pods.get(at, ()):
                    yield Cidr.host(*key)

    def uses(self) -> Iterator[tuple[Cidr, str]]:
        """Yield every pod's address and its owner."""
        for at, pods in self._pods.items():
            owner = self._owner_at(at)
            for key in pods:
                yield Cidr.host(*key), owner

    def _owner_at(self, at: str) -> str:
        return self._node_at.get(at) or f"node at {at}"

    def _hand_over(self, address: str, node: str | None) -> None:
        """Make the pods at a node's address those of `node`; None: no node with it is known."""
        old = self._owner_at(address)
        if node is None:
            self._node_at.pop(address, None)
        else:
            self._node_at[address] = node
        new = self._owner_at(address)
        if new != old:
            for key in self._pods.get(address, ()):
                # The new use first, so that the block is never free.
                self._occupy(Cidr.host(*key), new)
                self._vacate(Cidr.host(*key), old)
