"""`sysctl/desired.py`: node-wide settings, and those of every device that pods' packets pass."""

from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.config.settings import parse_agent_settings
from ciliate.net.link import Link, LinkFlag
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint_table import EndpointTable
from ciliate.sysctl.desired import DesiredSysctls

SETTINGS = {
    "routing-mode": "native",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
}
BOTH = (ip_address("10.244.0.7"), ip_address("fd00::7"))


@pytest.fixture
def table() -> EndpointTable:
    table = EndpointTable()
    table.put(endpoint(7, ifindex=17, host_name="lxc7", addresses=BOTH))
    table.put(endpoint(8, ifindex=18, host_name="veth8", chained=True, external_ipam=True))
    table.put(endpoint(9, ifindex=19, host_name="lxc9", state=EndpointState.DISCONNECTING))
    return table


def desired(table: EndpointTable, *, ipv6: bool = True) -> DesiredSysctls:
    unused: Any = None
    eth1 = Link(3, "eth1", LinkFlag.UP, 1500)
    devices = DeviceWatch(unused, parse_agent_settings(SETTINGS), NodeDevices((eth1,), ()))
    return DesiredSysctls(devices, table, ipv4=True, ipv6=ipv6)


def test_node_forwards_and_so_do_its_devices_the_routers_and_pods(table: EndpointTable) -> None:
    settings = desired(table).all()

    assert settings["net.ipv4.ip_forward"] == settings["net.ipv6.conf.all.forwarding"] == "1"
    assert settings["net.ipv4.conf.all.rp_filter"] == "0"
    for family in ("ipv4", "ipv6"):
        for device in ("eth1", "cilium_host", "cilium_net", "lxc7"):
            assert settings[f"net/{family}/conf/{device}/forwarding"] == "1"
    for device in ("cilium_host", "lxc7"):
        assert settings[f"net/ipv4/conf/{device}/rp_filter"] == "0"
        assert settings[f"net/ipv6/conf/{device}/accept_ra"] == "0"


def test_what_resets_every_device_comes_first(table: EndpointTable) -> None:
    names = list(desired(table).all())

    assert names.index("net.ipv4.ip_forward") < names.index("net/ipv4/conf/eth1/forwarding")
    assert names.index("net.ipv6.conf.all.disable_ipv6") < names.index(
        "net.ipv6.conf.all.forwarding"
    )


def test_devices_of_other_plugins_and_of_pods_on_their_way_out_are_left_alone(
    table: EndpointTable,
) -> None:
    settings = " ".join(desired(table).all())

    assert "veth8" not in settings
    assert "lxc9" not in settings
    assert desired(table).of_device(18) == {}


def test_device_that_is_not_known_may_be_the_routers(table: EndpointTable) -> None:
    assert {name.split("/")[3] for name in desired(table).of_device(99)} == {
        "cilium_host",
        "cilium_net",
    }


def test_settings_of_one_device_are_those_among_all(table: EndpointTable) -> None:
    of_pod, of_uplink = desired(table).of_device(17), desired(table).of_device(3)

    assert of_pod
    assert of_uplink.keys() == {f"net/ipv{v}/conf/eth1/forwarding" for v in (4, 6)}
    assert (of_pod | of_uplink).items() <= desired(table).all().items()


def test_without_ipv6_nothing_is_asked_of_it(table: EndpointTable) -> None:
    assert not [name for name in desired(table, ipv6=False).all() if "ipv6" in name]
