"""`endpoint/entries.py`: what the maps `interfaces` and `endpoints` should hold."""

from ipaddress import ip_address
from types import SimpleNamespace
from typing import cast

import pytest
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath.layout import EndpointFlag, InterfaceFlag
from ciliate.endpoint.entries import EndpointEntries, InterfaceEntries
from ciliate.net.address import IPAddress, to_octets
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable

NODE_IP = ip_address("192.168.10.100")
BOTH = (ip_address("fd00::1"), ip_address("10.244.0.1"))


def entries(
    *endpoints: Endpoint, own: tuple[IPAddress, ...] = (), stack_routed: bool = False
) -> tuple[InterfaceEntries, EndpointEntries]:
    table = EndpointTable()
    for each in endpoints:
        table.put(each)
    devices = cast("DeviceWatch", SimpleNamespace(current=NodeDevices((), own)))
    return (
        InterfaceEntries(table, stack_routed=lambda _endpoint: stack_routed),
        EndpointEntries(table, devices, stack_routed=lambda _endpoint: stack_routed),
    )


@pytest.mark.parametrize(
    ("chained", "portmap", "flags", "by_stack"),
    [
        (False, False, InterfaceFlag(0), False),
        (False, True, InterfaceFlag.INTERFACE_STACK_ROUTED, True),
        (
            True,
            False,
            InterfaceFlag.INTERFACE_STACK_ROUTED | InterfaceFlag.INTERFACE_CHAINED,
            True,
        ),
    ],
)
def test_maps_tell_who_is_routed_by_the_stack(
    *, chained: bool, portmap: bool, flags: InterfaceFlag, by_stack: bool
) -> None:
    made = endpoint(1, chained=chained, addresses=BOTH)

    interfaces, endpoints = entries(made, stack_routed=portmap)

    assert [interface.flags for interface in interfaces.values()] == [flags]
    stack = EndpointFlag.ENDPOINT_STACK_ROUTED if by_stack else EndpointFlag(0)
    assert {entry.flags for entry in endpoints.values()} == {stack}


def test_maps_hold_pods_and_the_host_but_none_that_leaves() -> None:
    leaving = endpoint(2, ifindex=13, state=EndpointState.DISCONNECTING)

    interfaces, endpoints = entries(endpoint(1, addresses=BOTH), leaving, own=(NODE_IP,))

    assert set(endpoints) == {*map(to_octets, BOTH), to_octets(NODE_IP)}
    assert endpoints[to_octets(NODE_IP)].flags == EndpointFlag.ENDPOINT_HOST
    assert set(interfaces) == {12}
    assert 13 not in interfaces
    assert to_octets(ip_address("10.244.0.99")) not in endpoints
    assert (len(interfaces), len(endpoints)) == (1, 3)


def test_an_address_of_the_node_itself_wins_over_a_pods() -> None:
    _, endpoints = entries(endpoint(1, addresses=BOTH), own=(BOTH[1],))

    assert endpoints[to_octets(BOTH[1])].flags == EndpointFlag.ENDPOINT_HOST
    assert endpoints[to_octets(BOTH[0])].flags == EndpointFlag(0)


def test_views_follow_the_table() -> None:
    table = EndpointTable()
    interfaces = InterfaceEntries(table, stack_routed=lambda _endpoint: False)

    assert len(interfaces) == 0
    table.put(endpoint(1))
    assert interfaces[12].endpoint_id == 1
    table.remove(1)
    assert interfaces.get(12) is None
