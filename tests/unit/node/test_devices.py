"""Which announcements of the kernel make an agent look at its devices anew."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import cast

import pytest

from ciliate.config.settings import AgentSettings
from ciliate.net.link import Link, LinkFlag, Route
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.monitor import Change, ChangeKind
from ciliate.node.devices import DeviceWatch, NodeDevices

ETH1, OTHER = 2, 3
TO_NODE = Route(ip_network("10.244.1.0/24"), ETH1, ip_address("192.168.10.101"))
LIMITING = Route(ip_network("10.244.9.0/24"), ETH1, ip_address("192.168.10.109"), mtu=1400)


@pytest.fixture
def watch() -> DeviceWatch:
    eth1 = Link(ETH1, "eth1", LinkFlag.UP, 1500)
    found = NodeDevices(selected=(eth1,), addresses=(), limiting_routes=(LIMITING,))
    return DeviceWatch(cast("Rtnetlink", None), cast("AgentSettings", None), found)


def is_woken_by(watch: DeviceWatch, change: Change) -> bool:
    watch._woken.clear()
    watch._take_in(change)
    return watch._woken.is_set()


def test_route_to_one_more_node_by_a_selected_device_changes_nothing(watch: DeviceWatch) -> None:
    told: list[Change] = []
    watch.listen_routes(told.append)
    change = Change(ChangeKind.ROUTE, route=TO_NODE)

    assert not is_woken_by(watch, change)
    assert told == [change]


@pytest.mark.parametrize(
    "change",
    [
        Change(ChangeKind.ROUTE, route=TO_NODE, removed=True),
        Change(ChangeKind.ROUTE, route=replace(TO_NODE, mtu=1400)),
        Change(ChangeKind.ROUTE, route=replace(TO_NODE, link_index=OTHER)),
        Change(ChangeKind.ROUTE, route=replace(LIMITING, mtu=None)),
        Change(ChangeKind.RESYNC),
    ],
    ids=["gone", "limits packets", "another device", "limits no more", "unknown"],
)
def test_what_may_change_devices_is_looked_at(watch: DeviceWatch, change: Change) -> None:
    assert is_woken_by(watch, change)
