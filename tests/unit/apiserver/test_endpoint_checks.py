"""`apiserver/endpoint_checks.py`: endpoints that cannot be reached, or not by the slice's family."""

from typing import Any

import pytest

from ciliate.apiserver.endpoint_checks import check_endpoint_slice, check_endpoints


def endpoint_slice(*endpoints: dict[str, Any], kind: str = "IPv4", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "s"}, "addressType": kind, "endpoints": list(endpoints), **more}


def said(obj: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in check_endpoint_slice(obj, None)]


@pytest.mark.parametrize(
    ("kind", "address", "problem"),
    [
        ("IPv4", "fd00::1", "must be a valid IPv4 address"),
        ("IPv6", "10.0.0.1", "must be a valid IPv6 address"),
        ("IPv4", "127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("IPv6", "::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        ("IPv4", "169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        ("IPv4", "0.0.0.0", "may not be unspecified (0.0.0.0 or ::)"),
        ("IPv4", "web", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ],
)
def test_an_address_is_one_of_the_family_that_others_can_reach(
    kind: str, address: str, problem: str
) -> None:
    (cause,) = said(endpoint_slice({"addresses": [address]}, kind=kind))

    assert cause == f'endpoints[0].addresses[0]: Invalid value: "{address}": {problem}'
    if "must be a valid IPv" not in problem:
        subsets = [{"notReadyAddresses": [{"ip": address}]}]
        (older,) = check_endpoints({"subsets": subsets}, None)
        assert problem in older.message


def test_lists_have_bounds_and_names_are_names() -> None:
    many = [{"addresses": ["10.0.0.1"]}] * 1001
    assert said(endpoint_slice(*many)) == [
        "endpoints: Too many: 1001: must have at most 1000 items"
    ]
    assert said(endpoint_slice({})) == [
        "endpoints[0].addresses: Required value: must contain at least 1 address"
    ]
    ports = [{"name": "a", "protocol": "TCP", "port": 80}] * 2
    assert said(endpoint_slice(ports=ports)) == ['ports[1].name: Duplicate value: "a"']
    odd = {"addresses": ["10.0.0.1"], "nodeName": "A b", "hints": {"forZones": [{"name": "a b"}]}}
    assert [cause.split(":")[0] for cause in said(endpoint_slice(odd))] == [
        "endpoints[0].nodeName",
        "endpoints[0].hints.forZones[0].name",
    ]


def test_what_a_controller_writes_is_taken() -> None:
    endpoint = {
        "addresses": ["10.0.0.1"],
        "nodeName": "k8s-w1",
        "hostname": "web-0",
        "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "k8s-w1"}]},
    }
    ports = [{"name": "", "protocol": "UDP", "port": 53}, {"name": "any", "protocol": "TCP"}]

    assert said(endpoint_slice(endpoint, ports=ports)) == []
    assert said(endpoint_slice({"addresses": ["db.example.org"]}, kind="FQDN")) == []
