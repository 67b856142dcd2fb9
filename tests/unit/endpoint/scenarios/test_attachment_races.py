"""`endpoint/attachments.py`: requests that overtake each other, GC and housekeeping."""

import asyncio
from dataclasses import replace

import pytest
from tests.unit.endpoint.attachment_node import Node, add, delete, gc, link_of
from tests.unit.endpoint.pod_links import settle, until
from tests.unit.endpoint.test_chained import chained_add

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.errors import CniCode, CniError
from ciliate.datapath.errors import MapFullError


async def test_cancelled_add_leaves_nothing_even_when_its_worker_finishes_later(
    node: Node,
) -> None:
    node.links.creations.close()
    adding = asyncio.create_task(node.add(add("a")))
    await until(lambda: node.links.creations.waiting == 1)

    adding.cancel()
    await settle()
    assert node.links.standing == {}
    node.links.creations.open()  # The thread was in the middle of it all the time.
    with pytest.raises(asyncio.CancelledError):
        await adding
    await until(lambda: not node.owners())

    assert node.links.made == [link_of("a")]
    node.assert_empty()


async def test_add_again_after_a_cancelled_one_does_not_meet_its_leftovers(node: Node) -> None:
    node.links.creations.close()
    adding = asyncio.create_task(node.add(add("a")))
    await until(lambda: node.links.creations.waiting == 1)
    adding.cancel()
    again = asyncio.create_task(node.add(add("a")))
    await settle()
    node.links.creations.open()

    answer = await again

    assert node.links.made == [link_of("a")] * 2
    assert node.links.standing[link_of("a")].host_mac == answer.host_mac
    assert node.owners() == {str(answer.addresses[0]): "default/a"}


async def test_add_while_the_removal_runs_waits_for_it(node: Node) -> None:
    await node.add(add("a"))
    node.links.removals.close()
    await node.attachments.delete(delete("a"))
    again = asyncio.create_task(node.add(add("a")))
    await settle()
    assert not again.done()

    node.links.removals.open()
    await again

    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert len(node.owners()) == len(node.table) == 1
    assert list(node.links.standing) == [link_of("a")]


async def test_add_of_an_attachment_whose_removal_failed_is_made_anew(node: Node) -> None:
    first = await node.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()
    assert node.endpoint("a").state is EndpointState.DISCONNECTING
    node.links.refuses_to_remove.clear()

    second = await node.add(add("a"))

    assert second.host_mac != first.host_mac
    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert node.endpoint("a").ifindex in node.interfaces.held
    assert len(node.owners()) == len(node.table) == len(node.files()) == 1


async def test_failed_removal_keeps_the_address_until_housekeeping_succeeds(node: Node) -> None:
    await node.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()
    assert list(node.owners().values()) == ["default/a"]

    node.links.refuses_to_remove.clear()
    await node.attachments.remove_vanished()

    node.assert_empty()


async def test_housekeeping_finishes_what_a_failed_add_could_not_take_back(node: Node) -> None:
    node.endpoints.capacity = 0
    node.links.refuses_to_remove.add(link_of("a"))
    with pytest.raises(MapFullError):
        await node.add(add("a"))
    assert list(node.owners().values()) == ["default/a"]

    node.links.refuses_to_remove.clear()
    await node.attachments.remove_vanished()

    node.assert_empty()


async def test_maps_that_refuse_while_an_add_is_undone_do_not_end_the_agent(node: Node) -> None:
    """The fixture's group is the agent's: it would end with the first error in it."""
    node.endpoints.capacity = 0
    node.interfaces.refuses_to_remove = True

    with pytest.raises(MapFullError):
        await node.add(add("a"))
    await settle()

    node.interfaces.refuses_to_remove = False
    await node.attachments.remove_vanished()
    node.assert_empty()


async def test_maps_that_refuse_while_a_takeover_is_undone_do_not_end_the_agent(
    node: Node,
) -> None:
    node.links.chain("/run/netns/a", "veth-a", 40)
    node.endpoints.capacity = 0
    node.interfaces.refuses_to_remove = True

    with pytest.raises(MapFullError):
        await node.attachments.add(chained_add("a"))
    await settle()

    node.interfaces.refuses_to_remove = False
    await node.attachments.remove_vanished()
    assert (list(node.table), node.files(), node.interfaces.held) == ([], [], {})


async def test_pod_that_cannot_replace_its_former_interface_is_not_removed_by_housekeeping(
    node: Node,
) -> None:
    """Both interfaces would have one name, and housekeeping removes by name."""
    await node.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()

    with pytest.raises(CniError) as refused:
        await node.add(add("a"))
    assert refused.value.code == CniCode.TRY_AGAIN_LATER
    node.links.refuses_to_remove.clear()
    await node.add(add("a"))
    await node.attachments.remove_vanished()

    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert list(node.links.standing) == [link_of("a")]


async def test_pod_that_comes_while_housekeeping_runs_is_not_removed(node: Node) -> None:
    node.links.observations.close()
    housekeeping = asyncio.create_task(node.attachments.remove_vanished())
    await until(lambda: node.links.observations.waiting == 1)
    await node.add(add("a"))

    node.links.observations.open()
    await housekeeping
    await settle()

    assert list(node.links.standing) == [link_of("a")]
    assert node.endpoint("a").ifindex in node.interfaces.held


async def test_pod_made_anew_while_housekeeping_runs_stays(node: Node) -> None:
    await node.add(add("a"))
    node.links.standing.clear()
    node.links.observations.close()
    housekeeping = asyncio.create_task(node.attachments.remove_vanished())
    await until(lambda: node.links.observations.waiting == 1)
    await node.add(add("a"))

    node.links.observations.open()
    await housekeeping

    assert list(node.links.standing) == [link_of("a")]


async def test_pod_whose_interface_vanished_is_forgotten(node: Node) -> None:
    await node.add(add("a"))
    node.links.standing.clear()

    await node.attachments.remove_vanished()

    node.assert_empty()


async def test_gc_during_a_delete_frees_nothing_twice(small: Node) -> None:
    """The second release would take the address from the pod that got it in between."""
    await small.add(add("old"))
    small.links.removals.close()
    await small.attachments.delete(delete("old"))
    await until(lambda: small.links.removals.waiting == 1)
    collecting = asyncio.create_task(small.attachments.gc(gc()))
    await settle()
    small.links.removals.admit()  # The removal that DEL began; another would wait.
    await until(lambda: set(small.owners().values()) == {"router"})

    answer = await small.add(add("new"))
    small.links.removals.open()
    await collecting
    await settle()

    assert small.owners()[str(answer.addresses[0])] == "default/new"
    assert small.links.groups == [(link_of("old"),)]
    assert list(small.links.standing) == [link_of("new")]


async def test_gc_removes_what_is_not_valid_in_one_group(node: Node) -> None:
    for name in "abcd":
        await node.add(add(name))

    await node.attachments.gc(gc("b"))

    # The first name starts a group of its own; the others wait for it together.
    gone = sorted(map(link_of, "acd"))
    assert sorted(name for group in node.links.groups for name in group) == gone
    assert len(node.links.groups) <= 2
    assert list(node.links.standing) == [link_of("b")]
    assert list(node.owners().values()) == ["default/b"]


def forget_name(node: Node, name: str) -> None:
    """Let an endpoint be one that a start knows from the kernel alone: endpoint/restoration.py."""
    known = node.endpoint(name)
    node.table.remove(known.id)
    node.table.put(
        replace(
            known,
            container_id=f"unknown-{known.interface.host_name}",
            interface=replace(known.interface, netns=""),
            namespace="",
            pod=known.interface.host_name,
            pod_uid="",
            restored=True,
            network="",
        )
    )


async def test_delete_finds_an_unnamed_endpoint_by_its_interface(node: Node) -> None:
    await node.add(add("a"))
    forget_name(node, "a")

    await node.attachments.delete(delete("a"))
    await node.removals_end()

    node.assert_empty()


async def test_add_of_an_unnamed_endpoint_gives_it_its_name_again(node: Node) -> None:
    await node.add(add("a"))
    forget_name(node, "a")

    await node.add(add("a"))

    assert [endpoint.pod for endpoint in node.table] == ["a"]
    assert list(node.links.standing) == [link_of("a")]


async def test_gc_spares_an_unnamed_endpoint(node: Node) -> None:
    """Its network is not known; DEL finds it by its interface."""
    await node.add(add("a"))
    forget_name(node, "a")

    await node.attachments.gc(gc())

    assert list(node.links.standing) == [link_of("a")]


async def test_gc_of_another_network_touches_no_pod_of_this_one(node: Node) -> None:
    """Its list does not cover them: they are on the list of their own network."""
    await node.add(add("a"))
    await node.add(replace(add("b"), network="portmap"))

    await node.attachments.gc(gc(network="portmap"))

    assert [endpoint.pod for endpoint in node.table] == ["a"]
    await node.attachments.gc(gc(network="cilium"))
    node.assert_empty()


async def test_repeated_add_by_another_network_makes_the_pod_that_ones(node: Node) -> None:
    await node.add(add("a"))
    await node.add(replace(add("a"), network="portmap"))

    await node.attachments.gc(gc(network="cilium"))

    assert [endpoint.network for endpoint in node.store.load()] == ["portmap"]
    await node.attachments.gc(gc(network="portmap"))
    node.assert_empty()
