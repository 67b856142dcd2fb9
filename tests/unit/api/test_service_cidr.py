"""`api/service_cidr.py`: the ranges of Services, of which one may be no prefix."""

from ipaddress import ip_network

from ciliate.api.metadata import ObjectMeta
from ciliate.api.service_cidr import ServiceCIDR, ServiceCIDRSpec, service_ranges


def test_ranges_of_both_families_are_read_and_what_is_none_is_named() -> None:
    spec = ServiceCIDRSpec(("10.96.0.1/16", "nonsense", "fd00:96::/108"))

    ranges, unreadable = service_ranges(ServiceCIDR(ObjectMeta(name="kubernetes"), spec))

    assert ranges == (ip_network("10.96.0.0/16"), ip_network("fd00:96::/108"))
    (problem,) = unreadable
    assert "ServiceCIDR kubernetes: 'nonsense'" in problem
