"""`lab/dns/internet_zone.py`: a few names, and nothing else in the world."""

from ipaddress import ip_address

import pytest
from dns.name import root
from dns.rcode import Rcode
from tests.unit.lab.dns.cluster_samples import found, told

from ciliate.lab.dns.internet_zone import InternetZone

ZONE = InternetZone([ip_address("203.0.113.10"), ip_address("2001:db8:113::10")])


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        ("www.example.com.", "A", "203.0.113.10"),
        ("WWW.example.COM.", "AAAA", "2001:db8:113::10"),
        ("example.com.", "MX", "10 mail.example.com."),
        ("10.113.0.203.in-addr.arpa.", "PTR", "www.example.com."),
        ("web.example.net.", "A", "www.example.com."),
    ],
)
def test_name_of_the_world_is_known(name: str, kind: str, data: str) -> None:
    (record,) = told(found(ZONE, name, kind))

    assert record.split(maxsplit=2)[2] == data


def test_what_is_not_known_is_nowhere() -> None:
    answer = found(ZONE, "www.debian.org.")

    assert answer.rcode is Rcode.NXDOMAIN
    assert answer.authority[0].name == root


def test_name_above_another_is_there() -> None:
    assert found(ZONE, "net.").rcode is Rcode.NOERROR


def test_lab_of_one_family_tells_no_address_of_the_other() -> None:
    zone = InternetZone([ip_address("203.0.113.10")])

    assert told(found(zone, "www.example.com.", "AAAA")) == []
