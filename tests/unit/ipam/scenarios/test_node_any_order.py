"""A node's addresses against a model: whatever the order, none is given twice and none is lost.

Ranges come, shrink, grow, overlap and come back while pods are added and deleted, certain
addresses are taken, pods of other nodes have some of them, and the agent restarts.
CILIATE_LONG_TESTS=1 runs a million steps.
"""

import os
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ciliate.ipam.errors import (
    AddressOutOfRangeError,
    AddressTakenError,
    BlockExhaustedError,
    PoolExhaustedError,
    PoolNotReadyError,
)
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPAddress

LONG = bool(os.environ.get("CILIATE_LONG_TESTS"))

FULL = (BlockExhaustedError, PoolExhaustedError, PoolNotReadyError)

#: Eight addresses of each family, and what is cut out of them.
CIDRS = [
    ip_network((base + (part << (32 - length if version == 4 else 128 - length)), length))
    for version, base, lengths in (
        (4, int(ip_address("10.0.0.0")), range(29, 33)),
        (6, int(ip_address("fd00::")), range(125, 129)),
    )
    for length in lengths
    for part in range(1 << (length - lengths.start))
]
WIDE = [cidr for cidr in CIDRS if cidr.num_addresses > 2]
ADDRESSES = [cidr.network_address for cidr in CIDRS if cidr.num_addresses == 1]


class AnyOrder(RuleBasedStateMachine):
    """The model: which addresses pods have, and which are reserved."""

    def __init__(self) -> None:
        super().__init__()
        self.starts = 0
        self.node = NodeAddresses((4, 6), start=self._next_start)
        self.pods: dict[IPAddress, str] = {}
        self.kept: dict[IPAddress, list[str]] = {}
        self.named = 0

    def _next_start(self) -> int:
        self.starts += 1
        return self.starts * 5

    def _name(self) -> str:
        self.named += 1
        return f"default/pod-{self.named}"

    @rule(version=st.sampled_from([4, 6]))
    def allocate(self, version: int) -> None:
        pod = self._name()
        try:
            address = self.node.allocate_one(pod, "default", version)
        except FULL:
            current = [cidr for cidr in self.node.cidrs if cidr.version == version]
            assert all(self._is_full(held.cidr) for held in self.node.held if held.cidr in current)
            return
        assert address not in self.pods
        assert address not in self.kept
        assert any(address in cidr for cidr in self.node.cidrs)
        self.pods[address] = pod

    def _is_full(self, cidr: Any) -> bool:
        (held,) = (held for held in self.node.held if held.cidr == cidr)
        usable = [address for address in ADDRESSES if address in held.block]
        return all(address in self.pods or address in self.kept for address in usable)

    @rule(address=st.sampled_from(ADDRESSES))
    def take(self, address: IPAddress) -> None:
        pod = self._name()
        try:
            self.node.take((address,), pod)
        except (AddressOutOfRangeError, AddressTakenError):
            return
        assert address not in self.pods
        assert address not in self.kept
        self.pods[address] = pod

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.pods, key=str)))
        self.node.release((address,))
        del self.pods[address]

    @rule(cidrs=st.lists(st.sampled_from(CIDRS + WIDE * 4), max_size=3, unique=True))
    def ranges_change(self, cidrs: list[Any]) -> None:
        apart: list[Any] = []
        for cidr in cidrs:
            if not any(cidr.version == one.version and cidr.overlaps(one) for one in apart):
                apart.append(cidr)
        self.node.set_current({"default": apart})
        assert set(self.node.cidrs) == set(apart)

    @rule(cidr=st.sampled_from(CIDRS))
    def hold(self, cidr: Any) -> None:
        self.node.hold("default", (cidr,))

    @rule()
    def restart_without_memory(self) -> None:
        """Running pods' addresses are held one by one, then those of pods elsewhere reserved."""
        self.node = NodeAddresses((4, 6), start=self._next_start)
        self.node.hold("default", [ip_network(address) for address in self.pods])
        for address, pod in self.pods.items():
            self.node.take((address,), pod)
        for address, keepers in self.kept.items():
            for keeper in keepers:
                self.node.reserve(address, keeper)

    @rule(address=st.sampled_from(ADDRESSES), keeper=st.sampled_from(["node", "router", "far"]))
    def reserve(self, address: IPAddress, keeper: str) -> None:
        keepers = self.kept.setdefault(address, [])
        if keeper not in keepers:
            keepers.append(keeper)
        assert self.node.reserve(address, keeper) == self.pods.get(address)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def unreserve(self, data: st.DataObject) -> None:
        address = data.draw(st.sampled_from(sorted(self.kept, key=str)))
        keeper = data.draw(st.sampled_from(self.kept[address]))
        self.node.unreserve(address, keeper)
        self.kept[address].remove(keeper)
        if not self.kept[address]:
            del self.kept[address]

    @invariant()
    def every_pod_holds_its_address(self) -> None:
        for address, pod in self.pods.items():
            assert self.node.owner(address) == pod
            assert self.node.find(address) is not None

    @invariant()
    def nobody_else_holds_any(self) -> None:
        for address, owner, _held in self.node.allocations():
            assert owner == self.pods.get(address) or owner == self.kept[address][0], address

    @invariant()
    def counts_are_true(self) -> None:
        for held in self.node.held:
            of_pods = [address for address in self.pods if address in held.block]
            assert held.in_use == len(of_pods), held.cidr


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=10_000 if LONG else 50,
    stateful_step_count=100 if LONG else 50,
    suppress_health_check=list(HealthCheck),
)
if LONG:
    TestAnyOrder = pytest.mark.timeout(6 * 3600)(TestAnyOrder)
