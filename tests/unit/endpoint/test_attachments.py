"""`endpoint/attachments.py`: what comes of ADD, DEL and CHECK, and what of failures."""

import asyncio
import errno
from dataclasses import replace

import pytest
from tests.unit.endpoint.attachment_node import VERSION, Node, add, check, delete, link_of
from tests.unit.endpoint.pod_links import until

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Attachment, Status
from ciliate.datapath.errors import MapFullError
from ciliate.endpoint.attachments import PodAttachments, PodNetwork
from ciliate.net.address import to_octets
from ciliate.netlink.errors import NetlinkError, PodLinkMismatchError


async def test_add_enters_the_pod_everywhere(node: Node) -> None:
    node.identities.of_pods["default", "a", "uid-a"] = (8066, ("k8s:app=a",))

    answer = await node.add(add("a"))

    kept = node.endpoint("a")
    assert answer.addresses == kept.addresses
    assert (kept.state, kept.identity) == (EndpointState.READY, 8066)
    assert node.owners() == {str(kept.addresses[0]): "default/a"}
    assert node.interfaces.held[kept.ifindex].ipv4 == to_octets(kept.addresses[0])
    assert node.endpoints.held[to_octets(kept.addresses[0])].ifindex == kept.ifindex
    assert list(node.store.load()) == [replace(kept, restored=True)]


async def test_pod_whose_labels_are_unknown_starts_without_waiting(node: Node) -> None:
    await node.add(add("a"))

    assert node.endpoint("a").state is EndpointState.WAITING_FOR_IDENTITY
    assert node.endpoint("a").labels == ("reserved:init",)


async def test_repeated_add_gives_the_same_answer(node: Node) -> None:
    first = await node.add(add("a"))
    second = await node.add(add("a"))

    assert second == first
    assert node.links.made == [link_of("a")]


async def test_repeated_add_of_an_interface_that_went_makes_it_anew(node: Node) -> None:
    await node.add(add("a"))
    node.links.standing.clear()

    await node.add(add("a"))

    assert list(node.links.standing) == [link_of("a")]
    assert node.endpoint("a").ifindex == node.links.standing[link_of("a")].ifindex
    assert len(node.owners()) == len(node.table) == len(node.files()) == 1


async def test_add_in_another_namespace_replaces_the_interface(node: Node) -> None:
    await node.add(add("a"))

    answer = await node.add(add("a", netns="/run/netns/y"))

    assert answer.netns == node.endpoint("a").interface.netns == "/run/netns/y"
    assert len(node.interfaces.held) == 1


async def test_two_adds_of_one_attachment_at_once_make_one_interface(node: Node) -> None:
    answers = await asyncio.gather(*(node.add(add("a")) for _ in range(2)))

    assert answers[0] == answers[1]
    assert node.links.made == [link_of("a")]


async def test_delete_leaves_nothing(node: Node) -> None:
    await node.add(add("a"))

    await node.attachments.delete(delete("a"))
    assert (node.interfaces.held, node.endpoints.held) == ({}, {})  # Before it is answered.
    await node.removals_end()

    node.assert_empty()


async def test_check_fails_from_the_answered_delete_on(node: Node) -> None:
    """The interface may stand meanwhile; another plugin's stands until that plugin's DEL."""
    await node.add(add("a"))
    node.links.removals.close()

    await node.attachments.delete(delete("a"))

    with pytest.raises(CniError) as gone:
        await node.attachments.check(check("a"))
    assert gone.value.code == CniCode.UNKNOWN_CONTAINER
    node.links.removals.open()
    await node.removals_end()
    node.assert_empty()


async def test_connections_end_after_the_pod_left_the_maps_and_before_its_address_is_free(
    node: Node,
) -> None:
    """Else the next holder of the address would get what was meant for this pod."""
    address = str((await node.add(add("a"))).addresses[0])

    await node.attachments.delete(delete("a"))
    await node.removals_end()

    assert node.forgotten == [({address: "default/a"}, [])]
    node.assert_empty()


async def test_delete_of_the_unknown_succeeds(node: Node) -> None:
    await node.attachments.delete(delete("nobody"))

    assert node.links.groups == []


async def test_check_names_what_is_wrong(node: Node) -> None:
    with pytest.raises(CniError) as unknown:
        await node.attachments.check(check("a"))
    await node.add(add("a"))
    await node.attachments.check(check("a"))
    node.links.standing.clear()

    assert unknown.value.code == CniCode.UNKNOWN_CONTAINER
    with pytest.raises(PodLinkMismatchError):
        await node.attachments.check(check("a"))


async def test_full_block_is_a_retryable_error_with_its_name_and_size(small: Node) -> None:
    await small.add(add("a"))

    with pytest.raises(CniError) as full:
        await small.add(add("b"))

    assert full.value.code == CniCode.TRY_AGAIN_LATER
    assert "10.244.0.0/30" in full.value.msg
    assert "all 2 addresses" in full.value.msg
    assert "default/b" in full.value.details


async def test_delete_makes_room_in_a_full_block(small: Node) -> None:
    first = await small.add(add("a"))
    await small.attachments.delete(delete("a"))
    await small.removals_end()

    second = await small.add(add("b"))

    assert second.addresses == first.addresses


async def test_failing_create_is_the_answer_and_takes_nobody_along(node: Node) -> None:
    await node.add(add("a"))
    node.links.refuses_to_create.add(link_of("b"))

    with pytest.raises(NetlinkError, match=link_of("b")):
        await node.add(add("b"))

    assert list(node.links.standing) == [link_of("a")]
    assert set(node.owners().values()) == {"default/a"}
    await node.add(add("c"))  # The group goes on.
    assert len(node.table) == 2


async def test_full_map_leaves_nothing_of_the_add(node: Node) -> None:
    node.endpoints.capacity = 0

    with pytest.raises(MapFullError):
        await node.add(add("a"))

    node.assert_empty()


async def test_file_that_cannot_be_written_leaves_nothing_of_the_add(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ciliate.system.atomic_file.os.rename", no_space)
        with pytest.raises(Exception, match="make room"):
            await node.add(add("a"))

    node.assert_empty()


async def test_add_is_answered_when_the_pods_packets_are_decided(node: Node) -> None:
    node.admits.clear()
    adding = asyncio.ensure_future(node.add(add("a")))
    await until(lambda: len(node.endpoints.held) == 1)
    assert not adding.done()

    node.admits.set()

    assert (await adding).addresses == node.endpoint("a").addresses


async def test_pod_that_is_not_admitted_leaves_nothing(node: Node) -> None:
    node.unfit = "masquerade policies select pods by labels, and this one's are not known"

    with pytest.raises(CniError, match="select pods by labels") as refused:
        await node.add(add("a"))

    assert refused.value.code is CniCode.TRY_AGAIN_LATER
    await node.removals_end()
    node.assert_empty()


async def test_add_that_is_given_up_while_it_waits_leaves_nothing(node: Node) -> None:
    node.admits.clear()
    adding = asyncio.ensure_future(node.add(add("a")))
    await until(lambda: len(node.endpoints.held) == 1)

    adding.cancel()
    await asyncio.wait([adding])

    await node.removals_end()
    node.assert_empty()


async def test_bug_in_one_pods_removal_ends_no_other_work_of_the_agent(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await node.add(add("a"))
    await node.add(add("b"))

    async def broken(_name: str) -> None:
        raise AssertionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(node.links, "remove", broken)
        await node.attachments.delete(delete("a"))
        await node.removals_end()
    assert node.endpoint("a").state is EndpointState.DISCONNECTING
    assert "AssertionError: a bug" in caplog.text

    await node.attachments.delete(delete("b"))
    await node.attachments.remove_vanished()
    await node.removals_end()
    node.assert_empty()


async def test_second_interface_of_a_pod_is_an_endpoint_of_its_own(node: Node) -> None:
    await node.add(add("a"))
    first = node.endpoint("a")
    second = Attachment("c-a", "net1")

    answer = await node.add(replace(add("a"), attachment=second))

    assert node.endpoint("a") == first
    assert answer.pod_name == "net1"
    assert answer.addresses != first.addresses
    assert (len(node.table), len(node.interfaces.held), len(node.endpoints.held)) == (2, 2, 2)
    standing = node.table.of_pod(first.pod_key)
    assert standing == first

    await node.attachments.delete(replace(delete("a"), attachment=second))
    await node.removals_end()

    assert list(node.table) == [first]
    assert set(node.links.standing) == {link_of("a")}
    assert set(node.interfaces.held) == {first.ifindex}
    assert node.owners() == {str(first.addresses[0]): "default/a"}
    with pytest.raises(CniError) as caught:
        await node.attachments.check(replace(check("a"), attachment=second))
    assert caught.value.code == CniCode.UNKNOWN_CONTAINER
    await node.attachments.check(check("a"))


async def test_status_says_what_every_add_would_fail_for(node: Node) -> None:
    missing = ["/proc/sys: Read-only file system"]
    async with asyncio.TaskGroup() as tasks:
        attachments = PodAttachments(
            replace(node.wiring, missing=lambda: tuple(missing)),
            lambda: PodNetwork(gateways=(), mtu=1500, route_mtu=1500),
            tasks,
        )

        with pytest.raises(CniError, match=r"cannot attach pods.*Read-only file system") as raised:
            await attachments.status(Status(VERSION, "cilium"))
        missing.clear()
        await attachments.status(Status(VERSION, "cilium"))

    assert raised.value.code == CniCode.PLUGIN_NOT_AVAILABLE
