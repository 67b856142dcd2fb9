"""Which addresses a block of a pool has, and which blocks are none."""

import pytest
from tests.unit.load_balancer_ipam.objects import block

from ciliate.api.load_balancer_ip_pool import PoolBlock
from ciliate.load_balancer_ipam.blocks import BlockError, read_block


@pytest.mark.parametrize(
    ("text", "keeps_ends", "size", "low"),
    [
        ("223.255.255.9 - 223.255.255.255", False, 247, "223.255.255.9"),
        ("192.0.2.0/24", False, 256, "192.0.2.0"),
        ("192.0.2.0/24", True, 254, "192.0.2.1"),
        ("192.0.2.7/24", True, 254, "192.0.2.1"),
        ("192.0.2.0/30", True, 2, "192.0.2.1"),
        ("192.0.2.0/31", True, 2, "192.0.2.0"),
        ("192.0.2.9/32", True, 1, "192.0.2.9"),
        ("2001:db8::/64", True, 2**64 - 2, "2001:db8::1"),
        ("2001:db8::/127", True, 2, "2001:db8::"),
        ("192.0.2.20 - 192.0.2.29", True, 10, "192.0.2.20"),
        ("2001:db8::a - 2001:db8::f", False, 6, "2001:db8::a"),
        ("192.0.2.4", True, 1, "192.0.2.4"),
    ],
)
def test_addresses_of_a_block_are_those_of_its_prefix_or_range(
    text: str, size: int, low: str, *, keeps_ends: bool
) -> None:
    found = read_block(block(text), "spec.blocks[0]", keeps_ends=keeps_ends)

    assert found.size == size
    assert str(found.address(found.low)) == low


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (PoolBlock(cidr="192.0.2.0"), "has no prefix length"),
        (PoolBlock(cidr="192.0.2.0/255.255.255.0"), "has no prefix length"),
        (PoolBlock(cidr="192.0.2.0/33"), "is no prefix"),
        (PoolBlock(cidr="192.0.2/24"), 'spec.blocks[2].cidr: "192.0.2/24" is no prefix: write a'),
        (PoolBlock(start="192.0.2.300"), 'spec.blocks[2].start: "192.0.2.300" is no address'),
        (
            PoolBlock(start="192.0.2.1", stop="x"),
            'spec.blocks[2].stop: "x" is no address: write an',
        ),
        (PoolBlock(start="223.255.255.9", stop="224.0.0.0"), "multicast"),
        (PoolBlock(start="fe80::1%eth0"), "is no address"),
        (PoolBlock(start="192.0.2.9", stop="192.0.2.1"), "ends before it begins"),
        (PoolBlock(start="192.0.2.9", stop="2001:db8::1"), "begins in one family and ends in the"),
        (PoolBlock(stop="192.0.2.1"), "begins nowhere"),
        (PoolBlock(), "begins nowhere"),
        (PoolBlock(cidr="192.0.2.0/24", start="192.0.2.1"), "stands beside start and stop"),
        (PoolBlock(cidr="0.0.0.0/0"), "0.0.0.0/8"),
        (PoolBlock(cidr="::/0"), "the unspecified and the loopback address"),
        (PoolBlock(start="126.0.0.1", stop="127.0.0.1"), "loopback"),
        (PoolBlock(cidr="239.1.0.0/24"), "multicast"),
        (PoolBlock(cidr="ff02::/64"), "multicast"),
        (PoolBlock(start="255.255.255.255"), "reserved"),
        (PoolBlock(cidr="::ffff:192.0.2.0/120"), "IPv4 addresses written as IPv6"),
        (PoolBlock(cidr="fe80::/64"), "link-local"),
    ],
)
def test_block_that_no_load_balancer_can_have_is_refused_with_its_field(
    written: PoolBlock, told: str
) -> None:
    with pytest.raises(BlockError) as caught:
        read_block(written, "spec.blocks[2]", keeps_ends=False)

    assert told in str(caught.value)
    assert str(caught.value).startswith("spec.blocks[2]")
