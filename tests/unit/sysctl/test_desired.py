"""`sysctl/desired.py`: node-wide settings, and those of every device that pods' packets pass."""

import errno
from ipaddress import ip_address
from typing import Any

import pytest
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.config.settings import parse_agent_settings
from ciliate.net.link import Link, LinkFlag
from ciliate.netlink.monitor import Setting
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
    return DesiredSysctls(devices, table, ipv4=True, ipv6=ipv6, link_name=named)


def named(index: int) -> str:
    """The links of the node that are neither pods' nor carry programs."""
    names = {5: "cilium_net", 6: "cilium_host", 7: "docker0"}
    if index not in names:
        raise OSError(errno.ENXIO, "No such device or address")
    return names[index]


def touched(table: EndpointTable, setting: Setting) -> set[str]:
    """The names that an announcement leads to."""
    return set(desired(table).announced(setting))


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
    for version in (4, 6):
        assert touched(table, Setting(version, 18, forwards=False)) == set()


@pytest.mark.parametrize("index", [7, 99, 2**32 - 1], ids=["not ours", "gone", "no index"])
def test_device_that_is_not_ours_leads_to_no_setting(table: EndpointTable, index: int) -> None:
    """Every device that came, a pod's among them, had all settings of the router looked at."""
    assert touched(table, Setting(4, index, forwards=False, rp_filter=2)) == set()


@pytest.mark.parametrize(
    ("index", "name"), [(3, "eth1"), (5, "cilium_net"), (6, "cilium_host"), (17, "lxc7")]
)
def test_announcement_leads_to_the_setting_that_it_names_and_no_other(
    table: EndpointTable, index: int, name: str
) -> None:
    for version in (4, 6):
        forwarding = {f"net/ipv{version}/conf/{name}/forwarding"}
        assert touched(table, Setting(version, index, forwards=False)) == forwarding
    rp_filter = {f"net/ipv4/conf/{name}/rp_filter"} if name != "eth1" else set()
    assert touched(table, Setting(4, index, rp_filter=2)) == rp_filter


def test_announcement_about_all_devices_leads_to_the_node_wide_settings_of_its_family(
    table: EndpointTable,
) -> None:
    of_all_4 = {"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"}
    assert touched(table, Setting(4, None, forwards=False)) == of_all_4
    assert touched(table, Setting(6, None, forwards=False)) == {"net.ipv6.conf.all.forwarding"}
    assert touched(table, Setting(4, None, rp_filter=1)) == {"net.ipv4.conf.all.rp_filter"}


def test_announcement_of_what_packets_need_leads_to_nothing(table: EndpointTable) -> None:
    for version in (4, 6):
        assert touched(table, Setting(version, 17, forwards=True, rp_filter=0)) == set()
        assert touched(table, Setting(version, None)) == set()


def test_announced_settings_are_those_among_all(table: EndpointTable) -> None:
    every = Setting(4, 17, forwards=False, rp_filter=1)

    assert desired(table).announced(every).items() <= desired(table).all().items()


def test_without_ipv6_nothing_is_asked_of_it(table: EndpointTable) -> None:
    assert not [name for name in desired(table, ipv6=False).all() if "ipv6" in name]
