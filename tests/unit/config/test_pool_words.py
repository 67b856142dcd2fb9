import pytest

from ciliate.config.pool_words import PoolWords, read_pools
from ciliate.config.values import ValueTextError


def test_the_comma_stands_between_cidrs_and_between_pools() -> None:
    pools = read_pools(
        "default=ipv4-cidrs:10.10.0.0/16,10.11.0.0/16;ipv4-mask-size:24;"
        "ipv6-cidrs:fd00::/104,fd01::/104;ipv6-mask-size:120,"
        "mars-2=ipv4-cidrs:10.20.0.0/16;ipv4-mask-size:27"
    )

    assert pools == {
        "default": {
            4: PoolWords(("10.10.0.0/16", "10.11.0.0/16"), 24),
            6: PoolWords(("fd00::/104", "fd01::/104"), 120),
        },
        "mars-2": {4: PoolWords(("10.20.0.0/16",), 27)},
    }


@pytest.mark.parametrize(("version", "cidr", "mask"), [(4, "0.0.0.0/0", 1), (4, "10.0.0.0/8", 32)])
def test_mask_may_be_anything_from_one_bit_to_all(version: int, cidr: str, mask: int) -> None:
    pools = read_pools(f"default=ipv{version}-cidrs:{cidr};ipv{version}-mask-size:{mask}")

    assert pools == {"default": {version: PoolWords((cidr,), mask)}}


def test_nothing_is_no_pool() -> None:
    assert read_pools(" ") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.0/8", "does not begin with the name of a pool"),
        ("default=", "gives pool default no CIDR"),
        ("default=ipv4-cidrs:10.0.0.0/8", "without the other"),
        ("default=ipv4-mask-size:24", "no CIDR"),
        ("default=ipv4-cidrs:fd00::/64;ipv4-mask-size:24", "is an IPv6 prefix"),
        ("default=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:33", "mask size of 33"),
        ("default=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:0", "mask size of 0"),
        ("default=ipv6-cidrs:fd00::/8;ipv6-mask-size:129", "mask size of 129: choose 1 to 128"),
        ("default=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:x", "is no whole number"),
        ("default=colour:red", "no attribute of pool default"),
        (
            "a=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:24,a=ipv4-cidrs:11.0.0.0/8;ipv4-mask-size:24",
            "twice",
        ),
    ],
)
def test_what_is_no_pool_is_refused_with_what_would_do(text: str, message: str) -> None:
    with pytest.raises(ValueTextError, match=message) as caught:
        read_pools(text)
    assert caught.value.remedy
