"""The allocator of node CIDRs against a model that searches all uses: any order of events."""

import os
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.pool_errors import PoolBlocksExhaustedError, PoolMissingError

LONG = bool(os.environ.get("CILIATE_LONG_TESTS"))

NODES = [f"n{number}" for number in range(6)]
POOLS = ["default", "mars"]
#: Ranges that pools may have, some of which overlap, and the length of blocks of each family.
RANGES = [
    "10.0.0.0/27",
    "10.0.0.32/27",
    "10.0.0.0/26",
    "10.0.1.0/28",
    "fd00::/124",
    "fd00::10/124",
]
LENGTHS = {4: 29, 6: 126}
ADDRESSES = [f"10.0.0.{number}" for number in range(0, 80, 3)] + [
    "10.0.1.5",
    "fd00::1",
    "fd00::7",
    "fd00::12",
    "192.0.2.9",
]
PLACES = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "10.0.0.20", "fd00::9"]


def claim_texts() -> st.SearchStrategy[str]:
    """CIDRs as an API may hold them: blocks, parts of blocks, several blocks, foreign ones."""

    def text(address: str, length: int) -> str:
        bits = ip_address(address).max_prefixlen
        return str(ip_network((address, min(length, bits)), strict=False))

    lengths = st.sampled_from([24, 26, 27, 28, 29, 29, 29, 30, 32, 120, 126, 126, 128])
    return st.builds(text, st.sampled_from(ADDRESSES), lengths)


@dataclass
class Truth:
    """What the API holds, and what was granted and not written yet."""

    current: dict[str, list[str]] = field(default_factory=dict)
    draining: dict[str, list[str]] = field(default_factory=dict)
    granted: dict[str, set[str]] = field(default_factory=dict)
    places: dict[str, set[str]] = field(default_factory=dict)
    pods: list[tuple[str, str]] = field(default_factory=list)
    ranges: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    service: str = ""

    def claims(self, node: str) -> set[str]:
        return {
            *self.current.get(node, ()),
            *self.draining.get(node, ()),
            *self.granted.get(node, ()),
        }

    def obstacles(self, node: str, block: str) -> list[str]:
        """Every use because of which `node` may not get `block`, found by a full search."""
        found = [
            f"{claim} of {other}"
            for other in {*self.current, *self.granted} - {node}
            for claim in self.claims(other)
            if overlap(claim, block)
        ]
        found += [
            f"pod {address} at {at}"
            for at, address in self.pods
            if overlap(address, block) and self.owner(at) != node
        ]
        return found + self.reservations(block)

    def reservations(self, block: str) -> list[str]:
        """Everything of `block` that no node may be given."""
        found = [
            f"address {own} of {other}"
            for other, places in self.places.items()
            for own in places
            if overlap(own, block)
        ]
        if self.service and overlap(self.service, block):
            found.append(self.service)
        return found

    def owner(self, at: str) -> str | None:
        return next((node for node, places in self.places.items() if at in places), None)

    def blocks(self, pool: str, version: int) -> list[str]:
        return [
            str(block)
            for text in self.ranges.get((pool, version), ())
            for block in ip_network(text).subnets(new_prefix=LENGTHS[version])
        ]


def overlap(one: str, other: str) -> bool:
    first: Any = ip_network(one)
    second: Any = ip_network(other)
    return bool(first.version == second.version and first.overlaps(second))


class AnyOrder(RuleBasedStateMachine):
    """Nodes, pods, pools and the operator itself come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = Truth()
        self.allocator = ClusterAllocator(surroundings={4: 32, 6: 128})

    nodes = st.sampled_from(NODES)
    pools = st.sampled_from(POOLS)
    versions = st.sampled_from([4, 4, 6])

    def learn(self, node: str) -> None:
        truth = self.truth
        truth.granted[node] = truth.granted.get(node, set()) - {
            *truth.current.get(node, ()),
            *truth.draining.get(node, ()),
        }
        self.allocator.learn(node, truth.current.get(node, ()), truth.draining.get(node, ()))

    @rule(pool=pools, version=versions, ranges=st.lists(st.sampled_from(RANGES), max_size=3))
    def pool_is_edited(self, pool: str, version: int, ranges: list[str]) -> None:
        refused = self.allocator.define(pool, version, LENGTHS[version], ranges)
        left_out = {refusal.cidr for refusal in refused}
        kept = [text for text in dict.fromkeys(ranges) if text not in left_out]
        self.truth.ranges[pool, version] = kept
        every = [text for texts in self.truth.ranges.values() for text in texts]
        for number, text in enumerate(every):
            assert not any(overlap(text, other) for other in every[number + 1 :])

    @rule(pool=pools)
    def pool_is_deleted(self, pool: str) -> None:
        self.allocator.drop(pool)
        for version in (4, 6):
            self.truth.ranges.pop((pool, version), None)

    @rule(node=nodes, claims=st.lists(claim_texts(), max_size=3), drained=st.booleans())
    def node_is_edited_by_hand(self, node: str, claims: list[str], *, drained: bool) -> None:
        self.truth.draining[node] = self.truth.current.get(node, []) if drained else []
        self.truth.current[node] = claims
        self.learn(node)

    @rule(node=nodes)
    def node_is_deleted(self, node: str) -> None:
        for table in (self.truth.current, self.truth.draining, self.truth.granted):
            table.pop(node, None)
        self.allocator.forget(node)

    @rule(node=nodes, at=st.sets(st.sampled_from(PLACES), max_size=2))
    def node_is_placed(self, node: str, at: set[str]) -> None:
        for other, places in self.truth.places.items():
            if other != node:
                at -= places  # Two nodes with one address are another test.
        self.truth.places[node] = at
        self.allocator.place(node, sorted(at))

    @rule(at=st.sampled_from(PLACES), address=st.sampled_from(ADDRESSES))
    def pod_appears(self, at: str, address: str) -> None:
        self.truth.pods.append((at, address))
        self.allocator.pod_appeared(at, address)

    @rule(number=st.integers(0, 1000))
    def pod_vanishes(self, number: int) -> None:
        if self.truth.pods:
            gone = self.truth.pods.pop(number % len(self.truth.pods))
            self.allocator.pod_vanished(*gone)

    @rule(text=st.sampled_from(["", "10.0.0.8/29", "10.0.0.0/28"]))
    def service_range_changes(self, text: str) -> None:
        for old, times in ((text, 1), (self.truth.service, -1)):
            if old:
                cidr = Cidr.parse(old)
                self.allocator.reserve(cidr, f"Services in {cidr}", times=times)
        self.truth.service = text

    @rule(node=nodes, pool=pools, version=versions)
    def node_asks(self, node: str, pool: str, version: int) -> None:
        truth = self.truth
        listed = [Cidr.parse(text) for text in truth.current.get(node, ())]
        taken = {str(cidr) for cidr in listed}
        free = [
            block
            for block in truth.blocks(pool, version)
            if block not in taken and not truth.obstacles(node, block)
        ]
        try:
            block = str(self.allocator.grant(node, pool, version, listed=listed))
        except PoolMissingError:
            assert not truth.ranges.get((pool, version))
        except PoolBlocksExhaustedError:
            # A block that the node uses in part is not looked for; nothing else may be left.
            untouched = [
                block
                for block in free
                if not any(overlap(claim, block) for claim in truth.claims(node))
                and not any(overlap(address, block) for _, address in truth.pods)
            ]
            assert untouched == []
        else:
            assert not truth.obstacles(node, block), block
            assert block in truth.blocks(pool, version)
            assert block not in taken
            again = self.allocator.grant(node, pool, version, listed=listed)
            assert str(again) == block, "asked again, another answer"
            if block not in truth.claims(node):
                truth.granted.setdefault(node, set()).add(block)

    @rule(node=nodes)
    def grants_are_written(self, node: str) -> None:
        truth = self.truth
        truth.current[node] = [*truth.current.get(node, []), *truth.granted.get(node, ())]
        self.learn(node)

    @rule(node=nodes)
    def grants_are_taken_back(self, node: str) -> None:
        for block in self.truth.granted.pop(node, ()):
            self.allocator.withdraw(node, Cidr.parse(block))

    @rule(order=st.permutations(NODES))
    def operator_restarts(self, order: list[str]) -> None:
        """What was granted and not written is forgotten; the rest is learned from the API."""
        truth = self.truth
        truth.granted.clear()
        self.allocator = ClusterAllocator(surroundings={4: 32, 6: 128})
        for (pool, version), ranges in truth.ranges.items():
            assert self.allocator.define(pool, version, LENGTHS[version], ranges) == []
        if truth.service:
            cidr = Cidr.parse(truth.service)
            self.allocator.reserve(cidr, f"Services in {cidr}")
        for node in order:
            self.allocator.place(node, sorted(truth.places.get(node, ())))
            if node in truth.current:
                self.learn(node)
        for at, address in truth.pods:
            self.allocator.pod_appeared(at, address)

    @invariant()
    def of_two_nodes_that_overlap_one_is_reported(self) -> None:
        truth = self.truth
        conflicts = {
            (conflict.node, conflict.owner, str(conflict.cidr))
            for node in truth.current
            for conflict in self.allocator.conflicts_of(node)
        }
        for node, owner, cidr in conflicts:
            assert any(overlap(cidr, claim) for claim in truth.claims(owner)), (node, owner)
        named = {(node, cidr) for node, _owner, cidr in conflicts}
        known = sorted({*truth.current, *truth.granted})
        for number, node in enumerate(known):
            for other in known[number + 1 :]:
                for one in truth.claims(node):
                    for two in truth.claims(other):
                        if overlap(one, two):
                            assert (node, one) in named or (other, two) in named

    @invariant()
    def blocks_in_use_are_counted(self) -> None:
        truth = self.truth
        for (pool, version), ranges in truth.ranges.items():
            if ranges:
                free = [
                    block
                    for block in truth.blocks(pool, version)
                    if not truth.obstacles("nobody", block)
                ]
                assert self.allocator.free(pool, version) == len(free)
                kept = [b for b in truth.blocks(pool, version) if truth.reservations(b)]
                assert self.allocator.reserved(pool, version) == len(kept)


TestAnyOrder = AnyOrder.TestCase
# A million steps in the long run.
TestAnyOrder.settings = settings(
    max_examples=10_000 if LONG else 40,
    stateful_step_count=100 if LONG else 40,
    suppress_health_check=list(HealthCheck),
)
if LONG:
    TestAnyOrder = pytest.mark.timeout(6 * 3600)(TestAnyOrder)


def cluster(*cidrs: str, length: int = 24) -> ClusterAllocator:
    allocator = ClusterAllocator()
    version = ip_network(cidrs[0]).version
    assert allocator.define("default", version, length, cidrs) == []
    return allocator


def test_blocks_come_in_order_and_the_next_range_when_one_is_full() -> None:
    allocator = cluster("10.0.0.0/23", "10.9.0.0/24")

    blocks = [str(allocator.grant(f"n{number}", "default", 4)) for number in range(3)]

    assert blocks == ["10.0.0.0/24", "10.0.1.0/24", "10.9.0.0/24"]
    with pytest.raises(PoolBlocksExhaustedError, match="allocator full: all 3 IPv4 blocks /24"):
        allocator.grant("n3", "default", 4)


def test_a_freed_block_is_used_again_last() -> None:
    allocator = cluster("10.0.0.0/22")
    allocator.grant("a", "default", 4)
    allocator.forget("a")

    blocks = [str(allocator.grant(f"n{number}", "default", 4)) for number in range(4)]

    assert blocks == ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.0.0/24"]


def test_releasing_one_of_two_overlapping_claims_does_not_free_the_block() -> None:
    allocator = cluster("10.0.0.0/23")
    allocator.learn("a", ["10.0.0.0/24"], [])
    learned = allocator.learn("b", ["10.0.0.128/25"], [])
    assert [conflict.owner for conflict in learned.conflicts] == ["a"]

    allocator.forget("a")

    assert allocator.conflicts_of("b") == ()
    assert str(allocator.grant("c", "default", 4)) == "10.0.1.0/24"
    with pytest.raises(PoolBlocksExhaustedError):
        allocator.grant("d", "default", 4)


def test_a_claim_outside_all_pools_is_not_given_out_by_a_pool_added_later() -> None:
    allocator = cluster("10.0.0.0/24")
    allocator.learn("a", ["10.244.0.0/24"], [])

    allocator.define("default", 4, 24, ["10.0.0.0/24", "10.244.0.0/23"])
    allocator.grant("b", "default", 4)

    assert str(allocator.grant("c", "default", 4)) == "10.244.1.0/24"


def test_a_pool_inside_the_service_range_is_exhausted_and_says_why() -> None:
    allocator = cluster("10.96.0.0/22")
    allocator.reserve(Cidr.parse("10.96.0.0/16"), "Services in 10.96.0.0/16")

    with pytest.raises(
        PoolBlocksExhaustedError,
        match="4 of them by nodes' own addresses, Services or special ranges",
    ):
        allocator.grant("a", "default", 4)
    assert "overlaps 10.96.0.0/16" in str(allocator.reservation_problems())


@pytest.mark.parametrize(
    ("version", "length", "cidr", "good"),
    [
        (4, 16, "169.252.0.0/14", "169.252.0.0/16 169.253.0.0/16 169.255.0.0/16"),
        (6, 96, "::/94", "::1:0:0/96 ::2:0:0/96 ::3:0:0/96"),
    ],
)
def test_a_block_of_special_addresses_is_never_given_and_the_range_goes_on(
    version: int, length: int, cidr: str, good: str
) -> None:
    """Agents route no such block: the node that got it was cut off from the others."""
    allocator = ClusterAllocator()
    assert allocator.define("default", version, length, [cidr]) == []

    for number, block in enumerate(good.split()):
        assert str(allocator.grant(f"n{number}", "default", version)) == block
    with pytest.raises(PoolBlocksExhaustedError, match="1 of them by"):
        allocator.grant("late", "default", version)
    (told,) = allocator.reservation_problems()["default"].values()
    assert "special addresses, which no pod can have" in told


def test_a_block_of_special_addresses_that_a_node_has_stays_its_own() -> None:
    allocator = ClusterAllocator()
    allocator.define("default", 4, 16, ["169.252.0.0/14"])

    learned = allocator.learn("a", ["169.254.0.0/16"], [])

    assert (learned.unreadable, learned.conflicts) == ((), ())
    assert list(map(str, allocator.claims("a"))) == ["169.254.0.0/16"]


def test_a_node_gets_the_block_that_it_drains_again() -> None:
    allocator = cluster("10.0.0.0/16")
    allocator.learn("a", [], ["10.0.7.0/24"])

    assert str(allocator.grant("a", "default", 4)) == "10.0.7.0/24"


def test_a_node_gets_the_block_of_its_pods_again_not_that_of_others() -> None:
    allocator = cluster("10.0.0.0/16")
    allocator.place("a", ["192.0.2.1"])
    allocator.pod_appeared("192.0.2.1", "10.0.7.9")
    allocator.pod_appeared("192.0.2.1", "10.0.3.9")
    allocator.pod_appeared("192.0.2.1", "10.0.3.10")
    allocator.pod_appeared("192.0.2.2", "10.0.3.11")

    assert str(allocator.grant("a", "default", 4)) == "10.0.7.0/24"


def test_a_claim_over_millions_of_blocks_costs_little_and_frees_them_all() -> None:
    allocator = cluster("10.0.0.0/8", length=32)
    allocator.learn("a", ["10.0.0.0/9"], [])
    assert allocator.free("default", 4) == 1 << 23

    assert str(allocator.grant("b", "default", 4)) == "10.128.0.0/32"
    allocator.forget("a")
    assert allocator.free("default", 4) == (1 << 24) - 1
    assert str(allocator.grant("c", "default", 4)) == "10.0.0.0/32"


def test_an_unreadable_claim_is_reported_and_the_others_count() -> None:
    allocator = cluster("10.0.0.0/23")

    learned = allocator.learn("a", ["10.0.0.0/24", "ten"], [])

    assert learned.unreadable == ("ten",)
    assert str(allocator.grant("b", "default", 4)) == "10.0.1.0/24"


def test_two_nodes_that_say_they_have_one_address_free_it_when_both_are_gone() -> None:
    allocator = cluster("10.0.0.0/24")
    allocator.place("a", ["10.0.0.7"])
    allocator.place("b", ["10.0.0.7"])
    allocator.place("a", [])
    assert allocator.node_at("10.0.0.7") == "b"
    with pytest.raises(PoolBlocksExhaustedError):
        allocator.grant("c", "default", 4)

    allocator.place("b", [])

    assert str(allocator.grant("c", "default", 4)) == "10.0.0.0/24"


def test_of_three_nodes_with_one_address_the_first_has_it_until_all_are_gone() -> None:
    allocator = cluster("10.0.0.0/24")
    for node in ("a", "b", "c"):
        allocator.place(node, ["192.0.2.1"])
    allocator.pod_appeared("192.0.2.1", "10.0.0.7")

    owners = []
    for gone in ("b", "c", "a"):
        owners.append(allocator.node_at("192.0.2.1"))
        allocator.place(gone, [])

    assert owners == ["a", "a", "a"]
    assert allocator.node_at("192.0.2.1") is None
    allocator.pod_vanished("192.0.2.1", "10.0.0.7")
    assert allocator.free("default", 4) == 1


def test_a_node_that_goes_costs_the_same_however_many_there_are() -> None:
    def going_s(nodes: int) -> float:
        allocator = ClusterAllocator()
        for number in range(nodes):
            allocator.place(f"n{number}", [str(ip_address("172.16.0.0") + number)])
        began_s = process_time()
        for number in range(nodes - 1, nodes - 51, -1):
            allocator.place(f"n{number}", [])
        return process_time() - began_s

    assert min(going_s(8000) for _ in range(3)) < 20 * min(going_s(50) for _ in range(3))


def test_blocks_around_a_nodes_address_are_given_to_no_pod() -> None:
    """Which network a node is in is not known: its router and other hosts are near."""
    allocator = ClusterAllocator()
    allocator.place("a", ["192.168.10.101"])
    allocator.define("mars", 4, 28, ["192.168.8.0/22"])

    blocks = [str(allocator.grant("b", "mars", 4)) for _ in range(32)]

    assert not [block for block in blocks if block.startswith("192.168.10.")]


@pytest.mark.parametrize("text", ["10.0.0.0/8", "fd00::/64", "nonsense", ""])
def test_what_is_no_address_is_nobodys(text: str) -> None:
    """Objects of others may say anything: it must neither stop the operator nor block a range."""
    allocator = ClusterAllocator()
    allocator.define("default", 4, 30, ["10.0.0.0/29"])

    allocator.place("a", [text])
    allocator.pod_appeared("192.0.2.1", text)

    assert {str(allocator.grant(node, "default", 4)) for node in "bc"} == {
        "10.0.0.0/30",
        "10.0.0.4/30",
    }
    allocator.pod_vanished("192.0.2.1", text)
    allocator.place("a", [])
