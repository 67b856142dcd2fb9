"""A result in the shape of every version, out of that of every other."""

from typing import Any

import pytest
from tests.unit.cni.test_plugin_result import CHAINED

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.result_shape import in_version, with_list
from ciliate.cni.version import CniVersion

#: What the addresses and routes of `CHAINED` are in the oldest shape.
BY_FAMILY = {
    "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
    "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1", "routes": []},
    "dns": {},
}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_oldest_shape_has_the_containers_first_address_of_each_family(version: str) -> None:
    shown = in_version(CHAINED, CniVersion(version))

    assert shown == {"cniVersion": version, **BY_FAMILY}


def test_family_that_a_result_lacks_is_left_out_of_the_oldest_shape() -> None:
    shown = in_version({"ips": [{"address": "10.1.0.5/24"}]}, CniVersion("0.2.0"))

    assert shown == {
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.1.0.5/24", "routes": []},
        "dns": {},
    }


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_oldest_shape_becomes_a_list_of_addresses(version: str) -> None:
    shown = in_version({"cniVersion": "0.2.0", **BY_FAMILY}, CniVersion(version))

    assert shown == {
        "cniVersion": version,
        "ips": [
            {"address": "fd00::5/64", "gateway": "fd00::1"},
            {"address": "10.1.0.5/24", "gateway": "10.1.0.1"},
        ],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {},
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_older_shape_names_the_version_of_each_address(version: str) -> None:
    shown = in_version(CHAINED, CniVersion(version))

    assert [ip["version"] for ip in shown["ips"]] == ["4", "4", "4", "6"]
    assert shown["cniVersion"] == version


def test_result_in_the_shape_asked_for_is_unchanged() -> None:
    older = in_version(CHAINED, CniVersion("0.4.0"))

    assert in_version(CHAINED, CniVersion("1.0.0")) == CHAINED
    assert in_version(older, CniVersion("0.4.0")) == older
    assert in_version(older, CniVersion("1.0.0")) == CHAINED
    oldest = in_version(CHAINED, CniVersion("0.2.0"))
    assert in_version(oldest, CniVersion("0.2.0")) == oldest
    assert with_list(CHAINED) == CHAINED


@pytest.mark.parametrize(
    ("document", "version"),
    [
        ({"ips": [7]}, "0.2.0"),
        ({"ips": [{}]}, "0.2.0"),
        ({"ips": 7}, "0.4.0"),
        ({"ips": [{}]}, "0.4.0"),
        ({"ips": [{"address": "10.1.0.5/24"}], "routes": [{}]}, "0.1.0"),
        ({"ip4": 7}, "1.0.0"),
        ({"ip4": {"routes": []}}, "0.3.0"),
    ],
)
def test_what_is_no_result_is_code_7(document: dict[str, Any], version: str) -> None:
    with pytest.raises(CniError) as caught:
        in_version(document, CniVersion(version))

    assert caught.value.code == CniCode.INVALID_CONFIG
