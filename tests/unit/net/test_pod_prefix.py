"""`net/pod_prefix.py`: the bounds of what can be pods' are met exactly."""

from ipaddress import ip_network

import pytest

from ciliate.net.pod_prefix import why_no_pods


@pytest.mark.parametrize(
    "prefix",
    [
        "172.16.0.0/12",
        "10.244.0.0/24",
        "10.244.0.7/32",
        "100.64.0.0/12",
        "fd00::/48",
        "2001:db8::/64",
    ],
)
def test_prefix_of_the_least_length_or_longer_can_be_pods(prefix: str) -> None:
    assert why_no_pods(ip_network(prefix)) == ""


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("0.0.0.0/0", "shorter than /12"),
        ("10.0.0.0/11", "shorter than /12"),
        ("::/0", "shorter than /48"),
        ("fd00::/47", "shorter than /48"),
        ("0.16.0.0/12", "0.0.0.0/8"),
        ("127.0.0.1/32", "127.0.0.0/8"),
        ("169.240.0.0/12", "169.254.0.0/16"),
        ("255.255.255.255/32", "224.0.0.0/3"),
        ("::1/128", "::/96"),
        ("::ffff:10.0.0.0/104", "::ffff:0"),  # Python 3.13 writes ::ffff:0.0.0.0/96.
        ("::/48", "::/96"),
        ("febf::/64", "fe80::/10"),
        ("ff02::1/128", "ff00::/8"),
    ],
)
def test_prefix_of_everybody_or_nobody_cannot_and_says_why(prefix: str, reason: str) -> None:
    assert reason in why_no_pods(ip_network(prefix))
