"""`ipam/allocator.py`: exact under any order of operations."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ciliate.ipam.allocator import Block
from ciliate.ipam.errors import AddressOutOfRangeError, AddressTakenError, BlockExhaustedError
from ciliate.ipam.slots import FREED_MAX
from ciliate.net.address import IPAddress


def test_freed_address_is_used_again_last() -> None:
    """A new pod must not inherit connections its predecessor's peers still hold."""
    block = Block(IPv4Network("10.0.3.0/29"))
    freed = block.allocate("gone")
    block.release(freed)

    allocated = [block.allocate(name) for name in "abcdef"]

    assert allocated.index(freed) == 5


def test_first_and_last_address_are_nobodys() -> None:
    block = Block(IPv4Network("10.0.3.0/29"), start=3)

    allocated = {block.allocate(name) for name in "abcdef"}

    assert allocated == {IPv4Address(f"10.0.3.{n}") for n in range(1, 7)}


@pytest.mark.parametrize(
    ("first", "last", "allocated"),
    [(True, False, range(7)), (False, True, range(1, 8)), (True, True, range(8))],
)
def test_pool_that_allows_them_gives_first_and_last(
    first: bool,  # noqa: FBT001 - a case of the table.
    last: bool,  # noqa: FBT001 - a case of the table.
    allocated: range,
) -> None:
    block = Block(IPv4Network("10.0.3.0/29"), allow_first=first, allow_last=last)

    addresses = {block.allocate(str(n)) for n in range(block.usable)}

    assert addresses == {IPv4Address(f"10.0.3.{n}") for n in allocated}


@pytest.mark.parametrize("cidr", ["10.0.3.6/31", "10.0.3.6/32"])
def test_block_of_one_or_two_addresses_gives_all_of_them(cidr: str) -> None:
    block = Block(IPv4Network(cidr))

    assert block.usable == IPv4Network(cidr).num_addresses
    assert block.allocate("a") == IPv4Address("10.0.3.6")


def test_full_block_names_cidr_and_size() -> None:
    block = Block(IPv4Network("10.0.3.0/30"))
    block.allocate("a")
    block.allocate("b")

    with pytest.raises(BlockExhaustedError, match=r"range is full: all 2 .* 10\.0\.3\.0/30"):
        block.allocate("c")


def test_address_of_another_owner_is_refused_by_name() -> None:
    block = Block(IPv4Network("10.0.3.0/24"))
    block.take(IPv4Address("10.0.3.7"), "default/a")

    with pytest.raises(AddressTakenError, match="default/a") as caught:
        block.take(IPv4Address("10.0.3.7"), "default/b")

    assert caught.value.address == IPv4Address("10.0.3.7")
    assert block.owner(IPv4Address("10.0.3.7")) == "default/a"


@pytest.mark.parametrize("text", ["10.0.3.0", "10.0.3.255", "10.0.4.1"])
def test_unusable_address_is_refused(text: str) -> None:
    with pytest.raises(AddressOutOfRangeError) as caught:
        Block(IPv4Network("10.0.3.0/24")).take(IPv4Address(text), "default/a")

    assert caught.value.address == IPv4Address(text)
    assert caught.value.cidrs == (IPv4Network("10.0.3.0/24"),)


def test_block_begins_where_start_says_and_goes_around() -> None:
    block = Block(IPv4Network("10.0.3.0/29"), start=4)

    allocated = [str(block.allocate(name)) for name in "abcdef"]

    assert allocated == [f"10.0.3.{n}" for n in (5, 6, 1, 2, 3, 4)]


def test_address_of_the_other_family_is_nobodys_and_frees_nothing() -> None:
    block = Block(IPv4Network("10.0.3.0/24"))
    block.take(IPv4Address("10.0.3.1"), "default/a")

    assert block.owner(IPv6Address(int(IPv4Address("10.0.3.1")))) is None
    assert not block.release(IPv6Address(int(IPv4Address("10.0.3.1"))))
    assert block.used == 1


def test_large_block_remembers_a_bounded_number_of_freed_addresses() -> None:
    """A /64 is never swept to its end; what pods leave behind must not add up for ever."""
    block = Block(IPv6Network("fd00::/64"))
    allocated = set()

    for _ in range(3 * FREED_MAX):
        address = block.allocate("default/pod")
        allocated.add(address)
        block.release(address)

    assert len(allocated) == FREED_MAX
    assert block.used == 0


def test_large_block_costs_what_is_used() -> None:
    block = Block(IPv6Network("fd00::/64"), start=1 << 60)

    allocated = {block.allocate(str(n)) for n in range(1000)}

    assert len(allocated) == block.used == 1000


class AnyOrder(RuleBasedStateMachine):
    """Compares a block with a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block(IPv4Network("10.0.3.0/28"), start=5)
        self.model: dict[IPAddress, str] = {}

    @rule(owner=st.sampled_from("abc"))
    def allocate(self, owner: str) -> None:
        if len(self.model) == self.block.usable:
            with pytest.raises(BlockExhaustedError):
                self.block.allocate(owner)
            return
        address = self.block.allocate(owner)
        assert address not in self.model
        self.model[address] = owner

    @rule(last=st.integers(0, 16), owner=st.sampled_from("abc"))
    def take(self, last: int, owner: str) -> None:
        address = IPv4Address("10.0.3.0") + last
        if not 1 <= last <= 14:
            with pytest.raises(AddressOutOfRangeError):
                self.block.take(address, owner)
        elif self.model.get(address, owner) != owner:
            with pytest.raises(AddressTakenError):
                self.block.take(address, owner)
        else:
            self.block.take(address, owner)
            self.model[address] = owner

    @rule(last=st.integers(0, 16))
    def release(self, last: int) -> None:
        address = IPv4Address("10.0.3.0") + last
        assert self.block.release(address) == (self.model.pop(address, None) is not None)

    @invariant()
    def agrees(self) -> None:
        assert dict(self.block.allocations()) == self.model
        assert self.block.used == len(self.model)


AnyOrder.TestCase.settings = settings(max_examples=40, stateful_step_count=40)
test_any_order_agrees_with_a_dictionary = AnyOrder.TestCase
