"""Results in the shape of each version (CNI 0.1.0 to 1.1.0)."""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.result import render_add, render_error, render_version
from ciliate.cni.version import CniVersion
from ciliate.net.address import Mac
from ciliate.net.pod_interface import PodInterface

_RESULT = PodInterface(
    host_name="lxc0123456789ab",
    host_mac=Mac("02:00:00:00:00:01"),
    pod_name="eth0",
    pod_mac=Mac("02:00:00:00:00:02"),
    netns="/run/netns/pod",
    mtu=1500,
    route_mtu=1450,
    addresses=(ip_address("10.244.0.7"), ip_address("fd00::7")),
    gateways=(ip_address("10.244.0.93"), ip_address("fd00::93")),
)


def _rendered(version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render_add(_RESULT, CniVersion(version)))
    return document


def test_result_of_1_1_0_is_complete() -> None:
    assert _rendered("1.1.0") == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "lxc0123456789ab", "mac": "02:00:00:00:00:01", "mtu": 1500},
            {
                "name": "eth0",
                "mac": "02:00:00:00:00:02",
                "sandbox": "/run/netns/pod",
                "mtu": 1500,
            },
        ],
        "ips": [
            {"interface": 1, "address": "fd00::7/128", "gateway": "fd00::93"},
            {"interface": 1, "address": "10.244.0.7/32", "gateway": "10.244.0.93"},
        ],
        "routes": [
            {"dst": "fd00::93/128"},
            {"dst": "::/0", "gw": "fd00::93", "mtu": 1450},
            {"dst": "10.244.0.93/32"},
            {"dst": "0.0.0.0/0", "gw": "10.244.0.93", "mtu": 1450},
        ],
        "dns": {},
    }


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_oldest_results_have_one_address_of_each_family(version: str) -> None:
    assert _rendered(version) == {
        "cniVersion": version,
        "ip4": {
            "ip": "10.244.0.7/32",
            "gateway": "10.244.0.93",
            "routes": [{"dst": "10.244.0.93/32"}, {"dst": "0.0.0.0/0", "gw": "10.244.0.93"}],
        },
        "ip6": {
            "ip": "fd00::7/128",
            "gateway": "fd00::93",
            "routes": [{"dst": "fd00::93/128"}, {"dst": "::/0", "gw": "fd00::93"}],
        },
        "dns": {},
    }


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_old_results_name_the_ip_version(version: str) -> None:
    rendered = _rendered(version)

    assert rendered["cniVersion"] == version
    assert [ip["version"] for ip in rendered["ips"]] == ["6", "4"]


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0"])
def test_results_before_1_1_0_have_no_mtu(version: str) -> None:
    rendered = _rendered(version)

    assert not any("mtu" in each for each in rendered["interfaces"] + rendered["routes"])


def test_result_of_1_0_0_does_not_name_the_ip_version() -> None:
    assert not any("version" in ip for ip in _rendered("1.0.0")["ips"])


def test_error_has_number_sentence_and_details_if_any() -> None:
    full = CniError(CniCode.TRY_AGAIN_LATER, "pool is full", "10.244.0.0/24")
    plain = CniError(CniCode.DECODE_FAILURE, "not JSON \udcff")

    assert json.loads(render_error(full, CniVersion("1.0.0"))) == {
        "cniVersion": "1.0.0",
        "code": 11,
        "msg": "pool is full",
        "details": "10.244.0.0/24",
    }
    assert "details" not in json.loads(render_error(plain, CniVersion("1.0.0")))


def test_version_lists_what_we_speak() -> None:
    assert json.loads(render_version(CniVersion("1.1.0"))) == {
        "cniVersion": "1.1.0",
        "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    }
