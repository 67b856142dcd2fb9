"""Where a packet goes from its node, by what the tables of the kernel say."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.cli.path import fake_tables as fake
from tests.unit.cli.path.fake_tables import FakeTables, with_tunnel

from ciliate.cli.path.departure import Masquerade, Sender, follow
from ciliate.cli.path.model import Manner, Way
from ciliate.datapath.layout import EndpointFlag, InterfaceFlag
from ciliate.net.address import IPAddress
from ciliate.net.link import Neighbour, Route

SENDER = Sender(fake.POD_IP, fake.POD)
KEPT = Masquerade("10.244.0.7", "source 10.244.0.7, the pod's own")


async def followed(tables: FakeTables, to: IPAddress, *, masquerade: Masquerade = KEPT) -> Way:
    return await follow(tables.as_tables, to, sender=SENDER, masquerade=masquerade)


def places(way: Way) -> list[str]:
    return [step.at for step in way.steps]


async def test_pod_of_the_same_node_gets_it_at_its_end_of_the_veth() -> None:
    way = await followed(FakeTables(), fake.OTHER_POD_IP)

    assert (way.manner, way.device, way.problem) == (Manner.POD, "lxc8", "")
    assert places(way) == ["lxc7", "endpoints", "masquerade", "lxc8"]
    assert "bpf_redirect_peer" in way.steps[-1].says


async def test_pod_that_the_stack_serves_gets_it_by_the_stack() -> None:
    tables = FakeTables()
    flags = EndpointFlag.ENDPOINT_STACK_ROUTED
    tables.endpoints[fake.OTHER_POD_IP] = fake.pod_endpoint(fake.OTHER_POD, flags=flags)
    tables.interfaces[fake.POD] = fake.interface(InterfaceFlag.INTERFACE_STACK_ROUTED)

    way = await followed(tables, fake.OTHER_POD_IP)

    assert "host's stack" in way.steps[0].says
    assert "by the host's stack" in way.steps[-1].says


async def test_nodes_own_address_is_the_end() -> None:
    way = await followed(FakeTables(), fake.NODE_IP)

    assert way.manner is Manner.NODE


async def test_direct_route_leads_to_the_next_hop_with_its_neighbour() -> None:
    way = await followed(FakeTables(), fake.FAR_IP)

    assert (way.manner, way.device, way.next_hop) == (Manner.DIRECT, "eth1", "192.168.10.101")
    assert (way.node, way.mtu, way.source) == ("192.168.10.101", 1500, "10.244.0.7")
    assert places(way) == ["lxc7", "ipcache", "route", "neighbour", "masquerade", "eth1"]
    assert way.kind == "direct routes"


async def test_tunnel_is_asked_before_any_route_and_names_both_ends() -> None:
    way = await followed(with_tunnel(), fake.FAR_IP)

    assert (way.manner, way.tunnel, way.kind) == (Manner.TUNNEL, "vxlan:8472", "VXLAN")
    assert (way.outer_source, way.outer_destination) == ("192.168.10.100", "192.168.10.101")
    assert (way.device, way.mtu) == ("eth1", 1450)
    assert "VNI 4007" in next(step.says for step in way.steps if step.at == "cilium_vxlan")


async def test_without_a_sender_it_is_the_nodes_view() -> None:
    way = await follow(with_tunnel().as_tables, fake.FAR_IP)

    assert way.manner is Manner.TUNNEL
    assert places(way)[0] == "ipcache"


@pytest.mark.parametrize(("limit", "mtu"), [("link", 1400), ("route", 1300), ("route map", 1200)])
async def test_smallest_limit_is_the_mtu(limit: str, mtu: int) -> None:
    tables = FakeTables()
    if limit == "link":
        tables.links[fake.ETH] = fake.link(fake.ETH, "eth1", mtu)
    elif limit == "route":
        tables.routes["10.244.1.0/24"] = replace(tables.routes["10.244.1.0/24"], mtu=mtu)
    else:
        tables.route_mtus[fake.FAR_IP] = mtu

    assert (await followed(tables, fake.FAR_IP)).mtu == mtu


async def test_interface_that_the_datapath_does_not_know_sends_nothing() -> None:
    way = await followed(replace(FakeTables(), interfaces={}), fake.FAR_IP)

    assert way.manner is Manner.NOWHERE
    assert "165" in way.problem


@pytest.mark.parametrize("routes", [{}, {"10.244.1.0/24": fake.UNREACHABLE}])
async def test_no_route_or_an_unreachable_one_ends_it(routes: dict[str, Route]) -> None:
    way = await followed(replace(FakeTables(), routes=routes), fake.FAR_IP)

    assert way.manner is Manner.NOWHERE
    assert "no route to 10.244.1.9" in way.problem


async def test_datapath_that_drops_it_says_why() -> None:
    dropped = Masquerade("", "", dropped="SCTP is not masqueraded")

    way = await followed(FakeTables(), fake.FAR_IP, masquerade=dropped)

    assert (way.manner, way.problem) == (Manner.NOWHERE, "SCTP is not masqueraded")


async def test_tunnel_without_a_device_loses_packets() -> None:
    tables = with_tunnel()
    tables.tunnel = None

    assert "160" in (await followed(tables, fake.FAR_IP)).problem


async def test_tunnel_device_that_is_down_loses_packets() -> None:
    way = await followed(with_tunnel(up=False), fake.FAR_IP)

    assert way.problem == "cilium_vxlan is down"


async def test_device_that_is_down_loses_packets() -> None:
    tables = FakeTables()
    tables.links[fake.ETH] = fake.link(fake.ETH, "eth1", up=False)

    assert (await followed(tables, fake.FAR_IP)).problem == "eth1 is down"


async def test_neighbour_that_was_asked_in_vain_is_the_problem() -> None:
    tables = FakeTables()
    silent = Neighbour(fake.ETH, fake.FAR_NODE_IP, None, fake.FAILED)
    tables.neighbours[fake.ETH, fake.FAR_NODE_IP] = silent

    way = await followed(tables, fake.FAR_IP)

    assert way.problem == "192.168.10.101 does not answer on eth1"
    assert "asked for in vain" in next(s.says for s in way.steps if s.at == "neighbour")


async def test_neighbour_that_nobody_asked_for_yet_is_no_problem() -> None:
    way = await followed(replace(FakeTables(), neighbours={}), fake.FAR_IP)

    assert way.problem == ""


async def test_device_without_programs_is_told() -> None:
    way = await followed(replace(FakeTables(), programmed=frozenset()), fake.FAR_IP)

    assert "runs no program" in way.steps[-1].says


async def test_destination_outside_has_no_node() -> None:
    tables = FakeTables()
    tables.routes["0.0.0.0/0"] = tables.routes["192.168.10.0/24"]

    way = await followed(tables, ip_address("203.0.113.10"))

    assert (way.manner, way.node) == (Manner.DIRECT, "")
