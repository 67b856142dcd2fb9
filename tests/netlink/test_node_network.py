"""Links, addresses, routes, the router link and their announcements, in a real namespace."""

import asyncio
import errno
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from tests.netlink.conftest import until
from tests.netlink.kernel import ip, run

from ciliate.net.address import IPAddress, Mac
from ciliate.net.link import (
    LOOPBACK_INDEX,
    MAIN_TABLE,
    Link,
    LinkAddress,
    LinkFlag,
    Route,
    RouteAnswer,
    RouteKind,
    RouteProtocol,
    RouteScope,
)
from ciliate.netlink.addresses import address_request, list_addresses
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.links import delete_link_request, observe_links, set_link_request
from ciliate.netlink.message import Request
from ciliate.netlink.monitor import Change, ChangeKind, Monitor
from ciliate.netlink.neighbours import list_neighbours, neighbour_request
from ciliate.netlink.numbers import RTM_NEWLINK
from ciliate.netlink.router import RouterLink, ensure_router_link, observe_router_addresses
from ciliate.netlink.routes import (
    add_routes,
    delete_route,
    forwarded_routes,
    lookup_route,
    lookup_routes,
    matched_route,
    observe_routes,
    replace_route,
)
from ciliate.netlink.sysctl import read_sysctl, write_sysctls


async def _find(rtnl: Rtnetlink, name: str) -> Link | None:
    return next((link for link in await observe_links(rtnl) if link.name == name), None)


async def _send(rtnl: Rtnetlink, request: Request) -> None:
    await rtnl.run(lambda channel: channel.batch([request]))


async def _index(rtnl: Rtnetlink, name: str) -> int:
    link = await _find(rtnl, name)
    assert link is not None
    return link.index


async def _read(rtnl: Rtnetlink, name: str) -> str:
    return await rtnl.run(lambda _: read_sysctl(name))


async def test_links_come_with_kind_flags_and_addresses(rtnl: Rtnetlink, node: str) -> None:
    ip(node, "link", "add", "br0", "type", "bridge")
    ip(node, "link", "set", "wire", "master", "br0")

    links = {link.name: link for link in await observe_links(rtnl)}

    assert links["lo"].flags & LinkFlag.LOOPBACK
    assert links["lo"].index == LOOPBACK_INDEX
    assert (links["eth1"].kind, links["br0"].kind, links["lo"].kind) == ("veth", "bridge", "")
    assert links["eth1"].is_up
    assert not links["br0"].is_up
    assert links["eth1"].peer_index == links["wire"].index
    assert links["wire"].master_index == links["br0"].index
    assert IPv4Address("192.168.10.100") in {a.address for a in links["eth1"].addresses}


async def test_links_say_what_stands_before_the_ip_header(rtnl: Rtnetlink, node: str) -> None:
    ip(node, "tuntap", "add", "tun0", "mode", "tun")
    ip(node, "tuntap", "add", "tap0", "mode", "tap")

    layers = {link.name: (link.is_ethernet, link.is_bare) for link in await observe_links(rtnl)}

    assert layers["lo"] == (False, False)
    assert layers["eth1"] == layers["tap0"] == (True, False)
    assert layers["tun0"] == (False, True)


async def test_link_is_set_and_deleted_once_or_twice(rtnl: Rtnetlink) -> None:
    await _send(rtnl, set_link_request(await _index(rtnl, "wire"), up=False, mtu=1400))

    wire = await _find(rtnl, "wire")
    assert wire is not None
    assert (wire.is_up, wire.mtu) == (False, 1400)

    await _send(rtnl, delete_link_request("wire"))
    await _send(rtnl, delete_link_request("wire"))
    assert await _find(rtnl, "eth1") is None


async def test_route_is_replaced_in_place(rtnl: Rtnetlink, node: str) -> None:
    eth1 = await _index(rtnl, "eth1")
    route = Route(
        destination=ip_network("10.244.1.0/24"),
        link_index=eth1,
        gateway=ip_address("192.168.10.101"),
    )
    await replace_route(rtnl, route)
    assert "10.244.1.0/24 via 192.168.10.101 dev eth1 proto kernel" in ip(node, "route")

    moved = Route(
        destination=route.destination,
        link_index=eth1,
        gateway=ip_address("192.168.10.102"),
        mtu=1400,
    )
    await replace_route(rtnl, moved)
    await replace_route(rtnl, moved)

    found = [r for r in await observe_routes(rtnl) if r.destination == route.destination]
    assert found == [moved]
    assert found[0].link_name == "eth1"


@pytest.mark.parametrize(
    ("cidr", "gateway", "standing"),
    [
        ("10.244.1.0/24", "192.168.10.101", ("via", "192.168.10.9")),
        ("10.244.1.7/32", "192.168.10.101", ("dev", "eth1")),
        ("fd00:244:1::/64", "fd00:10::101", ("via", "fd00:10::9")),
        ("fd00:244:1::7/128", "fd00:10::101", ("dev", "eth1")),
    ],
)
async def test_route_is_added_where_no_other_stands_and_never_replaces_one(
    rtnl: Rtnetlink, node: str, cidr: str, gateway: str, standing: tuple[str, ...]
) -> None:
    wanted = Route(ip_network(cidr), await _index(rtnl, "eth1"), ip_address(gateway))
    assert await add_routes(rtnl, [wanted]) == [None]
    found = await matched_route(rtnl, wanted.destination.network_address)
    assert found is not None
    assert (found.destination, found.gateway, found.table) == (
        wanted.destination,
        wanted.gateway,
        MAIN_TABLE,
    )
    assert found.protocol == RouteProtocol.KERNEL
    await delete_route(rtnl, wanted)

    ip(node, "route", "add", cidr, *standing)
    family = f"-{wanted.destination.version}"
    before = ip(node, family, "route", "show", cidr)
    (refused,) = await add_routes(rtnl, [wanted])

    assert refused is not None
    assert refused.errno == errno.EEXIST
    assert ip(node, family, "route", "show", cidr) == before


@pytest.mark.parametrize("base", ["192.168.10.0", "fd00:10::"])
async def test_many_destinations_are_asked_about_together_and_each_has_its_answer(
    rtnl: Rtnetlink, node: str, base: str
) -> None:
    """More than one datagram holds, and some that have no route among them."""
    first = ip_address(base)
    near = [first + number for number in range(1, 201)]
    away = ip_address("203.0.113.9" if first.version == 4 else "2001:db8::9")
    asked = [*near[:150], away, *near[150:]]

    found = await lookup_routes(rtnl, asked)

    answers = dict(zip(asked, found, strict=True))
    refused = answers.pop(away)
    assert isinstance(refused, NetlinkError)
    assert refused.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    for destination, answer in answers.items():
        assert isinstance(answer, RouteAnswer)
        assert (answer.destination, answer.gateway) == (destination, None)


@pytest.mark.parametrize("cidr", ["10.244.0.0/24", "fd00:244::/64"])
async def test_route_that_leads_nowhere_is_removed_and_the_network_beside_it_stays(
    rtnl: Rtnetlink, node: str, cidr: str
) -> None:
    nowhere = Route(ip_network(cidr), kind=RouteKind.UNREACHABLE)
    assert await add_routes(rtnl, [nowhere]) == [None]
    assert await matched_route(rtnl, nowhere.destination.network_address) is None
    beside = ("proto", "kernel", "metric", "2000")
    ip(node, "route", "add", cidr, "dev", "eth1", *beside)

    await delete_route(rtnl, nowhere)
    await delete_route(rtnl, nowhere)

    (left,) = [r for r in await observe_routes(rtnl) if r.destination == nowhere.destination]
    assert left.kind is RouteKind.UNICAST


@pytest.mark.parametrize(
    ("cidr", "source", "hops"),
    [
        ("10.244.1.0/24", "192.168.10.9", ("192.168.10.101",)),
        ("10.244.1.0/24", "192.168.10.9", ("192.168.10.101", "192.168.10.102")),
        ("fd00:244:1::/64", "fd00:10::9", ("fd00:10::101",)),
        ("fd00:244:1::/64", "fd00:10::9", ("fd00:10::101", "fd00:10::102")),
    ],
)
async def test_route_of_a_packet_that_came_by_a_link_is_found_with_each_next_hop(
    rtnl: Rtnetlink, node: str, cidr: str, source: str, hops: tuple[str, ...]
) -> None:
    eth1, wanted = await _index(rtnl, "eth1"), ip_network(cidr)
    run("nsenter", f"--net={node}", "sysctl", "-qw", "net.ipv4.conf.all.forwarding=1")

    async def asked() -> tuple[Route, ...]:
        first = wanted.network_address + 1
        return await forwarded_routes(rtnl, first, source=ip_address(source), arriving_by=eth1)

    before = await asked()

    words = [word for hop in hops for word in ("nexthop", "via", hop, "dev", "eth1")]
    ip(node, "route", "add", cidr, *words)

    found = await asked()
    assert before == ()
    assert {str(each.gateway) for each in found} <= set(hops)
    assert {each.destination for each in found} == {wanted}
    assert found[0].link_index == eth1


async def test_route_is_deleted_by_what_is_given(rtnl: Rtnetlink, node: str) -> None:
    eth1 = await _index(rtnl, "eth1")
    cidr = ip_network("10.244.1.0/24")
    new = Route(destination=cidr, link_index=eth1, gateway=ip_address("192.168.10.102"))
    await replace_route(rtnl, new)

    # Another gateway or protocol than the route has: another program's.
    await delete_route(rtnl, Route(destination=cidr, gateway=ip_address("192.168.10.101")))
    await delete_route(rtnl, Route(destination=cidr, protocol=RouteProtocol.STATIC))
    assert new in await observe_routes(rtnl)

    await delete_route(rtnl, Route(destination=cidr))
    await delete_route(rtnl, Route(destination=cidr))
    assert "10.244.1.0/24" not in ip(node, "route")


async def test_ipv6_route_shows_the_kernels_metric(rtnl: Rtnetlink) -> None:
    eth1 = await _index(rtnl, "eth1")
    route = Route(
        destination=ip_network("fd00:244:1::/64"),
        link_index=eth1,
        gateway=ip_address("fd00:10::101"),
    )

    await replace_route(rtnl, route)
    await replace_route(rtnl, route)

    (found,) = [r for r in await observe_routes(rtnl) if r.destination == route.destination]
    assert (found.gateway, found.metric, found.protocol) == (
        route.gateway,
        1024,
        RouteProtocol.KERNEL,
    )
    await delete_route(rtnl, found)
    assert found not in await observe_routes(rtnl)


async def test_route_tables_are_told_apart(rtnl: Rtnetlink, node: str) -> None:
    route = Route(
        destination=ip_network("10.9.0.0/16"),
        link_index=await _index(rtnl, "eth1"),
        scope=RouteScope.LINK,
        table=2005,
    )
    assert await observe_routes(rtnl, table=2005) == ()

    await replace_route(rtnl, route)

    assert await observe_routes(rtnl, table=2005) == (route,)
    assert route.destination not in {r.destination for r in await observe_routes(rtnl)}
    await delete_route(rtnl, route)
    assert ip(node, "route", "show", "table", "all").count("10.9.0.0") == 0


async def test_multipath_route_is_one_value_per_hop(rtnl: Rtnetlink, node: str) -> None:
    hops = ("nexthop", "via", "192.168.10.1", "nexthop", "via", "192.168.10.2")
    ip(node, "route", "add", "10.8.0.0/16", *hops)

    found = [r for r in await observe_routes(rtnl) if r.destination == ip_network("10.8.0.0/16")]

    assert [str(route.gateway) for route in found] == ["192.168.10.1", "192.168.10.2"]


async def test_unreachable_route_is_observed_as_such(rtnl: Rtnetlink, node: str) -> None:
    await replace_route(
        rtnl, Route(destination=ip_network("10.7.0.9/32"), kind=RouteKind.UNREACHABLE)
    )

    assert "unreachable 10.7.0.9" in ip(node, "route")
    (found,) = [r for r in await observe_routes(rtnl) if r.kind is RouteKind.UNREACHABLE]
    assert found.destination == ip_network("10.7.0.9/32")


async def test_lookup_tells_link_from_gateway_from_local_from_none(
    rtnl: Rtnetlink, node: str
) -> None:
    eth1 = await _index(rtnl, "eth1")
    ip(node, "route", "add", "10.10.0.0/16", "via", "192.168.10.200")

    on_link = await lookup_route(rtnl, ip_address("192.168.10.101"))
    behind = await lookup_route(rtnl, ip_address("10.10.1.200"))
    local = await lookup_route(rtnl, ip_address("192.168.10.100"))
    on_link_6 = await lookup_route(rtnl, ip_address("fd00:10::101"))

    assert (on_link.gateway, on_link.link_index) == (None, eth1)
    assert on_link.source == ip_address("192.168.10.100")
    assert (behind.gateway, behind.link_index) == (ip_address("192.168.10.200"), eth1)
    assert (local.kind, local.link_index) == (RouteKind.LOCAL, LOOPBACK_INDEX)
    assert (on_link_6.gateway, on_link_6.link_index) == (None, eth1)
    with pytest.raises(NetlinkError) as caught:
        await lookup_route(rtnl, ip_address("8.8.8.8"))
    assert caught.value.errno == errno.ENETUNREACH
    assert "8.8.8.8" in str(caught.value)


async def test_route_by_an_unreachable_gateway_is_an_error_that_names_it(rtnl: Rtnetlink) -> None:
    route = Route(destination=ip_network("10.1.0.0/16"), gateway=ip_address("203.0.113.1"))

    with pytest.raises(NetlinkError, match=r"10\.1\.0\.0/16 via 203\.0\.113\.1"):
        await replace_route(rtnl, route)


async def test_addresses_are_put_and_taken(rtnl: Rtnetlink) -> None:
    eth1 = await _index(rtnl, "eth1")
    address = LinkAddress(eth1, ip_address("10.5.0.1"), 24)

    await _send(rtnl, address_request(address))
    await _send(rtnl, address_request(address))
    assert (address.address, 24) in await _held(rtnl)

    await _send(rtnl, address_request(address, remove=True))
    await _send(rtnl, address_request(address, remove=True))
    assert (address.address, 24) not in await _held(rtnl)


async def _held(rtnl: Rtnetlink) -> set[tuple[IPAddress, int]]:
    return {(each.address, each.prefix_length) for each in await rtnl.run(list_addresses)}


async def test_addresses_say_what_became_of_them(rtnl: Rtnetlink, node: str) -> None:
    """Deprecated, tentative and failed ones are not for new flows (RFC 4862, 5.5.4)."""
    ip(node, "addr", "add", "2001:db8::5/64", "dev", "eth1", "nodad", "preferred_lft", "0")
    ip(node, "addr", "add", "2001:db8::6/64", "dev", "eth1", "nodad")

    flags = {str(each.address): each.flags for each in await rtnl.run(list_addresses)}

    assert flags["2001:db8::5"] & 0x20
    assert not flags["2001:db8::6"] & (0x20 | 0x40 | 0x08)


async def test_neighbours_are_put(rtnl: Rtnetlink) -> None:
    eth1 = await _index(rtnl, "eth1")
    address = ip_address("192.168.10.101")

    for mac in (Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02")):
        await _send(rtnl, neighbour_request(link_index=eth1, address=address, mac=mac))
        (entry,) = [n for n in await rtnl.run(list_neighbours) if n.address == address]
        assert entry.mac == mac


async def test_router_link_is_made_once_and_kept(rtnl: Rtnetlink, node: str) -> None:
    link = RouterLink(
        mtu=1500, addresses=(IPv4Address("10.244.0.93"), IPv6Address("fd00:244::5d"))
    )
    made = await ensure_router_link(rtnl, link)
    again = await ensure_router_link(rtnl, link)

    assert made == again
    assert set(await observe_router_addresses(rtnl)) == set(link.addresses)
    shown = ip(node, "addr", "show", "dev", "cilium_host")
    assert "cilium_host@cilium_net" in shown
    assert "NOARP,UP,LOWER_UP" in shown
    assert "inet 10.244.0.93/32 scope global" in shown
    assert "inet6 fd00:244::5d/128 scope global nodad" in shown
    for name in ("cilium_host", "cilium_net"):
        keys = [
            f"net/ipv4/conf/{name}/{k}" for k in ("rp_filter", "accept_local", "send_redirects")
        ]
        settings = [await _read(rtnl, key) for key in keys]
        assert settings == ["0", "1", "0"]
    run("nsenter", f"--net={node}", "ping", "-c1", "-W1", "10.244.0.93")


async def test_router_address_and_mtu_follow_the_settings(rtnl: Rtnetlink) -> None:
    before = await ensure_router_link(
        rtnl, RouterLink(mtu=1500, addresses=(IPv4Address("10.244.0.93"),))
    )

    after = await ensure_router_link(
        rtnl, RouterLink(mtu=1400, addresses=(IPv4Address("172.20.0.7"),))
    )

    assert after == before
    assert await observe_router_addresses(rtnl) == (IPv4Address("172.20.0.7"),)
    host = await _find(rtnl, "cilium_host")
    assert host is not None
    assert host.mtu == 1400


async def test_router_address_may_be_link_local_and_leaves_like_any_other(
    rtnl: Rtnetlink, node: str
) -> None:
    """As local-router-ipv4 with a delegated plugin; the kernel's own fe80 is not a router's."""
    local = IPv4Address("169.254.23.1")
    await ensure_router_link(rtnl, RouterLink(mtu=1500, addresses=(local,)))
    assert await observe_router_addresses(rtnl) == (local,)

    await ensure_router_link(rtnl, RouterLink(mtu=1500, addresses=(IPv4Address("10.244.0.93"),)))

    assert "169.254.23.1" not in ip(node, "addr", "show", "dev", "cilium_host")


async def test_foreign_link_under_the_routers_name_is_replaced(rtnl: Rtnetlink, node: str) -> None:
    ip(node, "link", "add", "cilium_host", "type", "bridge")
    assert await observe_router_addresses(rtnl) == ()

    await ensure_router_link(rtnl, RouterLink(mtu=1500, addresses=(IPv4Address("10.244.0.93"),)))

    host = await _find(rtnl, "cilium_host")
    assert host is not None
    assert host.kind == "veth"


async def test_sysctls_of_the_namespace_are_written_where_they_differ(
    rtnl: Rtnetlink, node: str
) -> None:
    await rtnl.run(lambda _: write_sysctls({"net.ipv4.ip_forward": "1"}))

    assert run("nsenter", f"--net={node}", "sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    with pytest.raises(NetlinkError, match=r"net\.ipv4\.no_such"):
        await rtnl.run(lambda _: read_sysctl("net.ipv4.no_such"))


async def test_monitor_announces_links_addresses_and_routes(rtnl: Rtnetlink, node: str) -> None:
    async with Monitor.open(node) as monitor:
        seen: list[Change] = [await anext(monitor)]

        async def follow() -> None:
            while True:
                seen.append(await anext(monitor))

        reader = asyncio.create_task(follow())
        ip(node, "link", "add", "eth7", "type", "veth", "peer", "name", "wire7")
        ip(node, "addr", "add", "10.7.0.1/24", "dev", "eth7")
        ip(node, "route", "add", "10.77.0.0/16", "via", "192.168.10.200")
        ip(node, "route", "del", "10.77.0.0/16")
        ip(node, "link", "del", "eth7")

        async def complete() -> bool:
            return any(
                change.removed and change.link is not None and change.link.name == "eth7"
                for change in seen
            )

        await until(complete)
        reader.cancel()
    assert seen[0].kind is ChangeKind.RESYNC
    assert any(c.link is not None and c.link.name == "eth7" and not c.removed for c in seen)
    added = [c.address for c in seen if c.address is not None and not c.removed]
    assert ip_address("10.7.0.1") in {address.address for address in added}
    routes = [
        c.removed
        for c in seen
        if c.route is not None and c.route.destination == ip_network("10.77.0.0/16")
    ]
    assert routes == [False, True]


async def test_monitor_that_falls_behind_says_resync(rtnl: Rtnetlink, node: str) -> None:
    eth1 = await _index(rtnl, "eth1")
    async with Monitor.open(node) as monitor:
        assert (await anext(monitor)).kind is ChangeKind.RESYNC
        # No task reads meanwhile: more announcements than the socket holds.
        batch = "".join(f"link set dev eth1 mtu {1400 + n % 2}\n" for n in range(8000))
        await asyncio.to_thread(_ip_batch, node, batch)

        kinds = set()
        async for change in monitor:
            kinds.add(change.kind)
            if change.kind is ChangeKind.RESYNC:
                break
    assert ChangeKind.RESYNC in kinds
    assert eth1 > 0


def _ip_batch(node: str, commands: str) -> None:
    path = f"/tmp/{node.rsplit('/', 1)[1]}.batch"
    with open(path, "w", encoding="ascii") as file:
        file.write(commands)
    run("nsenter", f"--net={node}", "ip", "-batch", path)
    run("rm", path)


async def test_success_without_the_answer_asked_for_is_an_error_that_names_the_object(
    rtnl: Rtnetlink,
) -> None:
    """No kernel says more than "done" to this; one before 6.2 neither when asked to echo."""
    request = set_link_request(LOOPBACK_INDEX, up=True, subject="lo")

    with pytest.raises(NetlinkError, match="lo: the kernel gave no answer") as caught:
        async with asyncio.timeout(5):
            await rtnl.run(lambda channel: channel.ask([request], RTM_NEWLINK))

    assert caught.value.errno == errno.ENODATA


async def test_work_that_runs_out_of_values_ends_the_callers_wait(rtnl: Rtnetlink) -> None:
    with pytest.raises(RuntimeError, match="a value was needed"):
        async with asyncio.timeout(5):
            await rtnl.run(lambda _channel: next(iter(())))


async def test_client_of_a_vanished_namespace_is_an_error() -> None:
    with pytest.raises(NetlinkError) as caught:
        Rtnetlink.open("/run/netns/nlt-none")
    assert caught.value.errno == errno.ENOENT
