"""Pods behind another plugin: its interface is ours to see and not to touch."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.endpoint.attachment_node import Node, add, attachment, check, delete, gc
from tests.unit.endpoint.pod_links import until

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import PassedResult
from ciliate.cni.request import Add, Attachment, PreviousResult
from ciliate.datapath.layout import EndpointFlag, InterfaceFlag
from ciliate.net.address import ip_address, to_octets
from ciliate.netlink.errors import PodLinkMismatchError

ADDRESS = "10.1.0.5"


def chained_add(name: str, address: str = ADDRESS) -> Add:
    """An ADD behind a plugin that gave `address`."""
    document: dict[str, Any] = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "veth-x"}, {"name": "eth0", "sandbox": f"/run/netns/{name}"}],
        "ips": [{"address": f"{address}/24", "gateway": "10.1.0.1", "interface": 1}],
        "dns": {"nameservers": ["10.1.0.53"]},
    }
    request = add(name, netns=f"/run/netns/{name}")
    return replace(request, prev_result=PreviousResult((), (), document))


async def test_second_attachment_does_not_take_over_the_interface_of_the_first(
    node: Node,
) -> None:
    """Behind a plugin that makes no veth for it, the pod's first veth would be found."""
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))
    second = replace(
        chained_add("a", "10.66.0.5"), attachment=Attachment("c-a", "net1"), netns="/run/netns/a"
    )

    with pytest.raises(CniError, match="interface veth-a is endpoint") as caught:
        await node.attachments.add(second)
    await node.attachments.delete(replace(delete("a"), attachment=second.attachment))

    assert caught.value.code == CniCode.INVALID_CONFIG
    assert node.endpoint("a").is_connected
    assert set(node.interfaces.held) == {40}


async def test_interface_of_another_plugin_becomes_an_endpoint_and_its_result_is_passed_on(
    node: Node,
) -> None:
    made = node.links.chain("/run/netns/a", "veth-a", 40)
    request = chained_add("a")

    answer = await node.attachments.add(request)

    assert request.prev_result is not None
    assert answer == PassedResult(request.prev_result.document)
    endpoint = node.endpoint("a")
    assert (endpoint.chained, endpoint.external_ipam) == (True, True)
    interface = endpoint.interface
    assert (interface.host_name, endpoint.ifindex, interface.mtu) == ("veth-a", 40, 1450)
    assert (interface.pod_mac, interface.host_mac) == (made.pod_mac, made.gateway_mac)
    assert endpoint.addresses == (ip_address(ADDRESS),)
    assert interface.gateways == (ip_address("10.1.0.1"),)
    assert node.files() == [f"{endpoint.id}.json"]
    assert list(node.store.load()) == [replace(endpoint, restored=True)]
    assert node.owners() == {}, "nothing is taken from our blocks"
    assert node.links.made == [], "no interface of ours is made"
    assert node.links.standing["veth-a"].from_pod_program == 3
    both = InterfaceFlag.INTERFACE_CHAINED | InterfaceFlag.INTERFACE_STACK_ROUTED
    assert node.interfaces.held[40].flags == both
    entry = node.endpoints.held[to_octets(ip_address(ADDRESS))]
    assert entry.flags == EndpointFlag.ENDPOINT_STACK_ROUTED


async def test_repeated_add_finds_its_endpoint(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    first = await node.attachments.add(chained_add("a"))
    endpoint = node.endpoint("a")

    assert await node.attachments.add(chained_add("a")) == first

    assert node.endpoint("a") == endpoint


async def test_interface_made_anew_makes_a_new_endpoint(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))
    former = node.endpoint("a")
    del node.links.standing["veth-a"]
    node.links.chain("/run/netns/a", "veth-b", 41)

    await node.attachments.add(chained_add("a"))

    assert node.endpoint("a").ifindex == 41
    assert node.endpoint("a").id != former.id
    assert node.interfaces.held.keys() == {41}


async def test_delete_leaves_the_interface_to_its_plugin(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))

    await node.attachments.delete(delete("a"))
    await node.removals_end()

    assert node.links.standing.keys() == {"veth-a"}
    assert node.links.groups == []
    assert (node.interfaces.held, node.endpoints.held) == ({}, {})
    assert (node.files(), list(node.table)) == ([], [])
    await node.attachments.delete(delete("a"))  # Again: a success.


async def test_check_asks_for_interface_and_programs(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))
    await node.attachments.check(check("a"))

    standing = node.links.standing["veth-a"]
    node.links.standing["veth-a"] = replace(standing, to_pod_program=None)
    with pytest.raises(PodLinkMismatchError, match="to_pod does not run on veth-a"):
        await node.attachments.check(check("a"))

    del node.links.standing["veth-a"]
    with pytest.raises(PodLinkMismatchError, match="veth-a is missing"):
        await node.attachments.check(check("a"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"ips": []}, "unable to determine IP address of the container"),
        ({"ips": [{"address": "fd00::5/64"}]}, "unable to determine IP address of the container"),
        ({"ips": [{"address": ADDRESS}]}, "no link found inside container"),
    ],
)
async def test_what_is_missing_is_reported_in_ciliums_words(
    node: Node, document: dict[str, Any], message: str
) -> None:
    request = replace(add("a"), prev_result=PreviousResult((), (), document))

    with pytest.raises(CniError) as caught:
        await node.attachments.add(request)

    assert (caught.value.code, caught.value.msg) == (CniCode.INVALID_CONFIG, message)
    node.assert_empty()


async def test_address_of_another_living_pod_is_refused(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    node.links.chain("/run/netns/b", "veth-b", 41)
    await node.attachments.add(chained_add("a"))

    with pytest.raises(CniError, match="is in use by endpoint"):
        await node.attachments.add(chained_add("b"))

    assert node.endpoint("a").ifindex == 40
    assert node.interfaces.held.keys() == {40}


async def test_of_two_pods_at_once_with_one_address_one_is_refused(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    node.links.chain("/run/netns/b", "veth-b", 41)
    node.links.takeovers.close()
    first = asyncio.create_task(node.attachments.add(chained_add("a")))
    await until(lambda: node.links.takeovers.waiting == 1)
    second = asyncio.create_task(node.attachments.add(chained_add("b")))
    await until(lambda: second.done() or node.links.takeovers.waiting == 2)
    node.links.takeovers.open()
    await first

    with pytest.raises(CniError, match="is in use by endpoint"):
        await second

    assert [endpoint.pod for endpoint in node.table] == ["a"]


async def test_address_of_a_pod_that_died_without_a_delete_may_come_again(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))
    del node.links.standing["veth-a"]
    node.links.chain("/run/netns/b", "veth-a", 41)  # The plugin uses name and address again.

    await node.attachments.add(chained_add("b"))

    assert [endpoint.pod for endpoint in node.table] == ["b"]
    assert node.interfaces.held.keys() == {41}


async def test_own_pod_is_not_given_the_address_of_a_chained_one(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a", "10.244.0.1"))

    assert (await node.add(add("b"))).addresses == (ip_address("10.244.0.2"),)


async def test_delete_frees_an_address_of_our_range_for_our_own_pods(small: Node) -> None:
    small.links.chain("/run/netns/a", "veth-a", 40)
    await small.attachments.add(chained_add("a", "10.244.0.1"))
    with pytest.raises(CniError, match="range is full"):
        await small.add(add("b"))

    await small.attachments.delete(delete("a"))
    await small.removals_end()

    assert (await small.add(add("b"))).addresses == (ip_address("10.244.0.1"),)


async def test_delete_after_a_restart_frees_the_address_too(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a", "10.244.0.1"))
    known = node.endpoint("a")
    restored = replace(known, restored=True)
    node.table.put(restored)  # And its address as endpoint/restoration.py reserves it:
    node.addresses.unreserve(ip_address("10.244.0.1"), known.owner)
    node.addresses.reserve(ip_address("10.244.0.1"), restored.owner)

    await node.attachments.delete(delete("a"))
    await node.removals_end()

    assert node.owners() == {}


async def test_failed_attach_leaves_nothing_and_touches_nothing(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    del node.links.standing["veth-a"]  # It went between finding and attaching.

    with pytest.raises(PodLinkMismatchError):
        await node.attachments.add(chained_add("a", "10.244.0.1"))

    node.assert_empty()
    assert node.links.groups == []


async def test_gc_takes_out_who_is_not_listed_and_leaves_interfaces(node: Node) -> None:
    for number, name in enumerate(("a", "b", "c")):
        node.links.chain(f"/run/netns/{name}", f"veth-{name}", 40 + number)
        await node.attachments.add(chained_add(name, f"10.1.0.{number + 5}"))
    # Known by its interface alone, after its file was damaged.
    nameless = replace(node.endpoint("c"), namespace="", container_id="unknown-veth-c", network="")
    node.table.remove(nameless.id)
    node.table.put(nameless)

    await node.attachments.gc(gc("a"))

    assert {endpoint.pod for endpoint in node.table} == {"a", "c"}
    assert node.links.standing.keys() == {"veth-a", "veth-b", "veth-c"}


async def test_vanished_interface_is_forgotten_also_when_its_name_is_used_again(
    node: Node,
) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    await node.attachments.add(chained_add("a"))
    await node.attachments.remove_vanished()
    assert node.endpoint("a").state is not EndpointState.DISCONNECTING

    del node.links.standing["veth-a"]
    node.links.chain("/run/netns/z", "veth-a", 77)
    await node.attachments.remove_vanished()

    assert node.table.find(*_key("a")) is None
    assert node.interfaces.held == {}


async def test_pod_that_was_ours_is_taken_over_when_it_comes_chained(node: Node) -> None:
    await node.attachments.add(add("a", netns="/run/netns/a"))
    node.links.chain("/run/netns/a", "veth-a", 40)

    await node.attachments.add(chained_add("a"))

    assert node.endpoint("a").chained
    assert node.owners() == {}


def _key(name: str) -> tuple[str, str]:
    return attachment(name).container_id, attachment(name).ifname


async def test_pod_of_another_plugin_that_is_not_admitted_stays_that_plugins(node: Node) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    node.unfit = "masquerade policies select pods by labels, and this one's are not known"

    with pytest.raises(CniError, match="select pods by labels"):
        await node.attachments.add(chained_add("a"))

    await node.removals_end()
    assert (node.interfaces.held, list(node.table)) == ({}, [])
    assert node.links.standing
