"""What other plugins answered, read and handed on."""

from typing import Any

import pytest

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import addresses_of, parse_result
from ciliate.net.address import ip_address

#: A result of `bridge` with `host-local`: node's bridge, node's veth, container's end.
CHAINED = {
    "cniVersion": "1.0.0",
    "interfaces": [
        {"name": "cni0", "mac": "02:00:00:00:00:01"},
        {"name": "veth12", "mac": "02:00:00:00:00:02"},
        {"name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": "/run/netns/a"},
    ],
    "ips": [
        {"interface": 0, "address": "10.1.0.1/24"},
        {"interface": 2, "address": "10.1.0.5/24", "gateway": "10.1.0.1"},
        {"interface": 2, "address": "10.1.0.6/24"},
        {"interface": 2, "address": "fd00::5/64", "gateway": "fd00::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {},
}


def test_first_address_of_each_family_is_the_containers() -> None:
    found = addresses_of(CHAINED, versions=(4, 6), source="prevResult")

    assert found.addresses == (ip_address("fd00::5"), ip_address("10.1.0.5"))
    assert found.gateways == (ip_address("fd00::1"), ip_address("10.1.0.1"))


def test_family_that_is_off_is_left_out() -> None:
    found = addresses_of(CHAINED, versions=(4,), source="prevResult")

    assert found.addresses == (ip_address("10.1.0.5"),)


@pytest.mark.parametrize("document", [{}, {"ips": None}, {"ips": []}])
def test_result_without_addresses_gives_none(document: dict[str, Any]) -> None:
    assert addresses_of(document, versions=(4, 6), source="x").addresses == ()


@pytest.mark.parametrize(
    "document",
    [
        {"ips": [{"address": "10.1.0.500/24"}]},
        {"ips": [{}]},
        {"ips": ["10.1.0.5"]},
        {"ips": 7},
        {"ip4": {"gateway": "10.1.0.1"}},
        {"ip4": {"ip": "10.1.0.500/24"}},
        {"ip4": "10.1.0.5/24"},
        {"ips": [{"address": "10.1.0.5/24", "gateway": "x"}]},
        {"interfaces": [3], "ips": [{"interface": 0, "address": "10.1.0.5/24"}]},
    ],
)
def test_malformed_result_is_an_error_that_names_its_source(document: dict[str, Any]) -> None:
    with pytest.raises(CniError) as caught:
        addresses_of(document, versions=(4, 6), source="result of host-local")

    assert caught.value.code == CniCode.INVALID_CONFIG
    assert "result of host-local" in caught.value.msg


def test_addresses_are_found_in_the_shape_of_0_2_0() -> None:
    document = {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
        "ip6": {"ip": "fd00::5/64"},
    }

    found = addresses_of(document, versions=(4, 6), source="prevResult")

    assert found.addresses == (ip_address("fd00::5"), ip_address("10.1.0.5"))
    assert found.gateways == (ip_address("10.1.0.1"),)


@pytest.mark.parametrize("stdout", [b"", b"x", b"[1]", b"null", b"[" * 100_000])
def test_what_is_no_result_is_a_decoding_failure(stdout: bytes) -> None:
    with pytest.raises(CniError) as caught:
        parse_result(stdout, plugin="host-local")

    assert caught.value.code == CniCode.DECODE_FAILURE
    assert "host-local" in caught.value.msg
