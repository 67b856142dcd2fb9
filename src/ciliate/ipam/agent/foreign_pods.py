"""Addresses of this node's blocks that pods of other nodes have: no pod here may have them too.

It happens when Kubernetes or the operator gives a node the CIDR in which another node's pods still
live. CiliumEndpoints show it; when such a pod is gone its address is free here.
"""

import logging
from bisect import bisect_right
from itertools import accumulate

from ciliate.api.resource import ObjectKey
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPAddress, from_octets, to_octets
from ciliate.node.known_pod import NO_NODE, KnownPod
from ciliate.node.known_pods import KnownPods
from ciliate.node.own_node import OwnNodeWatch

_log = logging.getLogger(__name__)


class ForeignPods:
    """Keeps addresses of pods elsewhere reserved in `addresses`, while they fall in its blocks."""

    def __init__(self, pods: KnownPods, addresses: NodeAddresses, own: OwnNodeWatch) -> None:
        self._pods = pods
        self._addresses = addresses
        self._own = own
        #: Reserved addresses by pod, with the owner of the reservation.
        self._reserved: dict[ObjectKey, dict[IPAddress, str]] = {}
        #: First addresses of this node's blocks, ascending, and last ones, as 128-bit numbers.
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def follow(self) -> None:
        """Check every pod now, on each change of it, and all when a block comes or goes."""
        self._addresses.listen(self._check_all)
        self._own.listen(lambda _old, _new: self._check_all())
        self._pods.add_listener(lambda key, _old, new: self._check(key, new))

    def _check_all(self) -> None:
        ranges = sorted(
            (_number(held.cidr.network_address), _number(held.cidr.broadcast_address))
            for held in self._addresses.held
        )
        self._firsts = [first for first, _last in ranges]
        # The maximum so far: a CIDR within a wider one ends before it.
        self._lasts = list(accumulate((last for _first, last in ranges), max))
        for key, pod in self._pods.pods.items():
            self._check(key, pod)

    def _check(self, key: ObjectKey, pod: KnownPod | None) -> None:
        theirs: dict[IPAddress, str] = {}
        if pod is not None and pod.node != NO_NODE and not self._own.has(pod.node):
            name = f"{'/'.join(key)} (on {from_octets(pod.node)})"
            theirs = {from_octets(o): name for o in pod.addresses if self._is_ours(o)}
        before = self._reserved.pop(key, {})
        for address, owner in theirs.items():
            if before.get(address) != owner:
                self._reserve(address, owner)
        for address, owner in before.items():
            if theirs.get(address) != owner:
                self._addresses.unreserve(address, owner)
        if theirs:
            self._reserved[key] = theirs

    def _is_ours(self, octets: bytes) -> bool:
        number = int.from_bytes(octets, "big")
        at = bisect_right(self._firsts, number) - 1
        return at >= 0 and number <= self._lasts[at]

    def _reserve(self, address: IPAddress, owner: str) -> None:
        other = self._addresses.reserve(address, owner)
        if other is not None:
            _log.error("address %s is used twice: by %s here and by %s", address, other, owner)


def _number(address: IPAddress) -> int:
    return int.from_bytes(to_octets(address), "big")
