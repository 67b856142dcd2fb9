"""Lists and pools that stop the operator, and those it accepts."""

import pytest

from ciliate.errors import SettingError
from ciliate.ipam.operator.settings import PoolRanges, parse_ipam_settings

V4, V6 = "cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {V4: "10.0.0.0/8 10.1.0.0/16"},
            "requested CIDR 10.1.0.0/16 collides with clusterCIDR: 10.0.0.0/8, nodeMask: 24",
        ),
        ({V4: "10.0.0.0/16 fd00::/64"}, "CIDR is not v4 family: fd00::/64"),
        ({V4: " "}, "cluster-pool-ipv4-cidr must be provided when using ClusterPool"),
        ({V4: "10.0.0.0/26"}, "the mask is shorter than the pool's"),
        (
            {"cluster-pool-ipv4-mask-size": "33"},
            "SubNetMask is invalid, should be lower or equal to 32 for IPv4",
        ),
        ({V4: "10.0.0.0/8 169.254.0.0/16"}, "shares addresses with 169.254.0.0/16, which no pod"),
        ({V4: "10.0.0.0/8", "cluster-pool-ipv4-mask-size": "10"}, "it is shorter than /12"),
        ({"cluster-pool-ipv4-mask-size": "many"}, "is no whole number"),
        ({V6: "fd00::/104"}, "cluster-pool-ipv6-cidr must not be set if IPv6 is disabled"),
        (
            {"enable-ipv6": "true", V6: "fd00::/48", "cluster-pool-ipv6-mask-size": "120"},
            "New CIDR set failed; the node CIDR size is too big",
        ),
        ({"enable-ipv6": "true", V6: "10.0.0.0/8"}, "CIDR is not v6 family: 10.0.0.0/8"),
        (
            {"ipam": "multi-pool", "auto-create-cilium-pod-ip-pools": "default=ipv4-cidrs:x"},
            "is no prefix",
        ),
        (
            {
                "ipam": "multi-pool",
                "auto-create-cilium-pod-ip-pools": "a=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:24,"
                "b=ipv4-cidrs:10.2.0.0/16;ipv4-mask-size:24",
            },
            "collides with clusterCIDR: 10.0.0.0/8, nodeMask: 24 of pool a",
        ),
    ],
)
def test_ranges_that_cannot_be_used_stop_the_operator(
    config: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        parse_ipam_settings(config)
    assert message in str(caught.value)


def test_lists_are_not_read_in_other_modes() -> None:
    settings = parse_ipam_settings({"ipam": "kubernetes", V4: ""})

    assert not settings.grants


def test_the_ranges_of_families_that_are_on_are_read() -> None:
    settings = parse_ipam_settings(
        {
            "ipam": "cluster-pool",
            "enable-ipv6": "true",
            V4: "10.0.0.0/16 10.2.0.0/16",
            "cluster-pool-ipv4-mask-size": "25",
            V6: "fd00::/112",
        }
    )

    assert settings.grants
    assert settings.versions == (4, 6)
    assert settings.ranges == {
        4: PoolRanges(("10.0.0.0/16", "10.2.0.0/16"), 25),
        6: PoolRanges(("fd00::/112",), 120),
    }
    assert settings.auto_create == {}


def test_the_pools_to_create_are_those_of_multi_pool_alone() -> None:
    config = {"auto-create-cilium-pod-ip-pools": "a=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:24"}

    made = parse_ipam_settings(config | {"ipam": "multi-pool"})

    assert made.grants
    assert made.ranges == {}
    assert made.auto_create["a"][4].cidrs == ("10.0.0.0/8",)
    assert parse_ipam_settings(config | {"ipam": "cluster-pool"}).auto_create == {}
