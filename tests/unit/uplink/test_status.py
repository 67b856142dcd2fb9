"""`uplink/status.py`: the node's devices in `dbg status`, in Cilium's form."""

import pytest

from ciliate.uplink.status import (
    DeviceModel,
    KubeProxyReplacement,
    detail_lines,
    lines,
)

ETH0 = DeviceModel(name="eth0", ip=("10.0.2.15", "fe80::1"))
ETH1 = DeviceModel(name="eth1", ip=("192.168.10.100",))
BOTH = KubeProxyReplacement(mode="True", device_list=(ETH0, ETH1), direct_routing_device="eth1")


def test_devices_are_told_with_their_addresses_and_which_one_routes() -> None:
    devices = "eth0    10.0.2.15 fe80::1, eth1   192.168.10.100 (Direct Routing)"

    assert list(lines(BOTH)) == [f"KubeProxyReplacement:\tTrue\t[{devices}]"]


@pytest.mark.parametrize(
    "replacement",
    [
        KubeProxyReplacement(mode="False", device_list=(ETH0,)),
        KubeProxyReplacement(mode="False"),
    ],
)
def test_replacement_that_is_off_names_no_device(replacement: KubeProxyReplacement) -> None:
    assert list(lines(replacement)) == ["KubeProxyReplacement:\tFalse\t"]


def test_replacement_without_devices_says_so_by_an_empty_field() -> None:
    assert list(lines(KubeProxyReplacement(mode="True"))) == ["KubeProxyReplacement:\tTrue\t"]


def test_details_name_devices_without_addresses() -> None:
    head = ["KubeProxyReplacement Details:", "  Status:\tTrue"]

    assert list(detail_lines(BOTH)) == [
        *head,
        "  Devices:\teth0, eth1",
        "  Direct Routing Device:\teth1",
    ]
    assert list(detail_lines(KubeProxyReplacement(mode="True", device_list=(ETH0,)))) == [
        *head,
        "  Devices:\teth0",
    ]


def test_devices_that_programs_cannot_read_are_told_with_the_reason() -> None:
    told = detail_lines(KubeProxyReplacement(mode="False", unsupported_devices=("ib0: why",)))

    assert list(told)[-1] == "  Unsupported Device:\tib0: why"
