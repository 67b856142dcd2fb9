"""`agent/attachments.py`: what comes of ADD, DEL, GC and housekeeping, in every order."""

import asyncio
import errno
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import cast

import pytest
from tests.unit.agent.pod_links import MemoryLinks, MemoryMap, settle, until

from ciliate.agent.attachments import PodAttachments, PodNetwork, Wiring
from ciliate.agent.identities import IdentityKeeper
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Add, Attachment, Check, CniVersion, Del, Gc, PodReference
from ciliate.datapath import layout
from ciliate.datapath.errors import MapFullError
from ciliate.datapath.programs import Programs
from ciliate.endpoint.model import Endpoint
from ciliate.endpoint.store import EndpointStore
from ciliate.endpoint.table import EndpointTable
from ciliate.ipam.allocator import Block
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import to_octets
from ciliate.netlink.errors import NetlinkError, PodLinkMismatchError
from ciliate.netlink.pod_link import host_name

VERSION = CniVersion("1.1.0")
GATEWAYS = (ip_address("10.244.0.93"),)


class KnownIdentities:
    """What an ADD asks the `IdentityKeeper`."""

    def __init__(self) -> None:
        self.of_pods: dict[str, tuple[int, tuple[str, ...]]] = {}

    def known(self, namespace: str, name: str, uid: str) -> tuple[int, tuple[str, ...]] | None:
        return self.of_pods.get(name)


class Node:
    """A node with `usable` addresses; what a kernel and a disk would hold is in memory."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup, *, cidr: str) -> None:
        self.folder = folder
        self.links = MemoryLinks()
        self.interfaces: MemoryMap[int, layout.Interface] = MemoryMap()
        self.endpoints: MemoryMap[bytes, layout.Endpoint] = MemoryMap()
        self.addresses = NodeAddresses([Block(ip_network(cidr))])
        self.table = EndpointTable()
        self.store = EndpointStore(folder)
        self.identities = KnownIdentities()
        self.attachments = PodAttachments(
            Wiring(
                addresses=self.addresses,
                table=self.table,
                store=self.store,
                links=self.links.as_pod_links,
                programs=Programs(3, 4, 5, 6),
                interfaces=self.interfaces.as_open_map,
                endpoints=self.endpoints.as_open_map,
                identities=cast("IdentityKeeper", self.identities),
            ),
            lambda: PodNetwork(gateways=GATEWAYS, mtu=1500, route_mtu=1500),
            tasks,
        )

    def owners(self) -> dict[str, str]:
        return {str(address): owner for address, owner in self.addresses.allocations()}

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def assert_empty(self) -> None:
        """Nothing of any pod is left anywhere."""
        assert self.links.standing == {}
        assert (self.interfaces.held, self.endpoints.held) == ({}, {})
        assert (self.owners(), self.files(), list(self.table)) == ({}, [], [])

    async def removals_end(self) -> None:
        await until(lambda: not self.attachments._removals)

    def endpoint(self, name: str) -> Endpoint:
        found = self.table.find(f"c-{name}", "eth0")
        assert found is not None
        return found


def add(name: str, *, netns: str = "/run/netns/x") -> Add:
    return Add(VERSION, "cilium", attachment(name), netns, reference(name))


def delete(name: str) -> Del:
    return Del(VERSION, "cilium", attachment(name), None, None)


def check(name: str) -> Check:
    return Check(VERSION, "cilium", attachment(name), "/run/netns/x", reference(name), None)


def gc(*valid: str) -> Gc:
    return Gc(VERSION, "cilium", frozenset(map(attachment, valid)))


def reference(name: str) -> PodReference:
    return PodReference("default", name, f"uid-{name}")


def attachment(name: str) -> Attachment:
    return Attachment(f"c-{name}", "eth0")


def link_of(name: str) -> str:
    return host_name(f"c-{name}", "eth0")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with six addresses. Its group ends in peace: nothing in it may fail."""
    async with asyncio.TaskGroup() as tasks:
        yield Node(tmp_path / "endpoints", tasks, cidr="10.244.0.0/29")


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with one address."""
    async with asyncio.TaskGroup() as tasks:
        node = Node(tmp_path / "endpoints", tasks, cidr="10.244.0.0/30")
        node.addresses.take([ip_address("10.244.0.2")], "router")
        yield node


async def test_add_enters_the_pod_everywhere(node: Node) -> None:
    node.identities.of_pods["a"] = (8066, ("k8s:app=a",))

    answer = await node.attachments.add(add("a"))

    kept = node.endpoint("a")
    assert answer.addresses == kept.addresses
    assert (kept.state, kept.identity) == (EndpointState.READY, 8066)
    assert node.owners() == {str(kept.addresses[0]): "default/a"}
    assert node.interfaces.held[kept.ifindex].ipv4 == to_octets(kept.addresses[0])
    assert node.endpoints.held[to_octets(kept.addresses[0])].ifindex == kept.ifindex
    assert list(node.store.load()) == [replace(kept, restored=True)]


async def test_pod_whose_labels_are_unknown_starts_without_waiting(node: Node) -> None:
    await node.attachments.add(add("a"))

    assert node.endpoint("a").state is EndpointState.WAITING_FOR_IDENTITY
    assert node.endpoint("a").labels == ("reserved:init",)


async def test_repeated_add_gives_the_same_answer(node: Node) -> None:
    first = await node.attachments.add(add("a"))
    second = await node.attachments.add(add("a"))

    assert second == first
    assert node.links.made == [link_of("a")]


async def test_repeated_add_of_an_interface_that_went_makes_it_anew(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.standing.clear()

    await node.attachments.add(add("a"))

    assert list(node.links.standing) == [link_of("a")]
    assert node.endpoint("a").ifindex == node.links.standing[link_of("a")].ifindex
    assert len(node.owners()) == len(node.table) == len(node.files()) == 1


async def test_add_in_another_namespace_replaces_the_interface(node: Node) -> None:
    await node.attachments.add(add("a"))

    answer = await node.attachments.add(add("a", netns="/run/netns/y"))

    assert answer.netns == node.endpoint("a").netns == "/run/netns/y"
    assert len(node.interfaces.held) == 1


async def test_two_adds_of_one_attachment_at_once_make_one_interface(node: Node) -> None:
    answers = await asyncio.gather(*(node.attachments.add(add("a")) for _ in range(2)))

    assert answers[0] == answers[1]
    assert node.links.made == [link_of("a")]


async def test_delete_leaves_nothing(node: Node) -> None:
    await node.attachments.add(add("a"))

    await node.attachments.delete(delete("a"))
    assert (node.interfaces.held, node.endpoints.held) == ({}, {})  # Before it is answered.
    await node.removals_end()

    node.assert_empty()


async def test_delete_of_the_unknown_succeeds(node: Node) -> None:
    await node.attachments.delete(delete("nobody"))

    assert node.links.groups == []


async def test_check_names_what_is_wrong(node: Node) -> None:
    with pytest.raises(CniError) as unknown:
        await node.attachments.check(check("a"))
    await node.attachments.add(add("a"))
    await node.attachments.check(check("a"))
    node.links.standing.clear()

    assert unknown.value.code == CniCode.UNKNOWN_CONTAINER
    with pytest.raises(PodLinkMismatchError):
        await node.attachments.check(check("a"))


async def test_full_block_is_a_retryable_error_with_its_name_and_size(small: Node) -> None:
    await small.attachments.add(add("a"))

    with pytest.raises(CniError) as full:
        await small.attachments.add(add("b"))

    assert full.value.code == CniCode.TRY_AGAIN_LATER
    assert "10.244.0.0/30" in full.value.msg
    assert "all 2 addresses" in full.value.msg
    assert "default/b" in full.value.details


async def test_delete_makes_room_in_a_full_block(small: Node) -> None:
    first = await small.attachments.add(add("a"))
    await small.attachments.delete(delete("a"))
    await small.removals_end()

    second = await small.attachments.add(add("b"))

    assert second.addresses == first.addresses


async def test_failing_create_is_the_answer_and_takes_nobody_along(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.refuses_to_create.add(link_of("b"))

    with pytest.raises(NetlinkError, match=link_of("b")):
        await node.attachments.add(add("b"))

    assert list(node.links.standing) == [link_of("a")]
    assert set(node.owners().values()) == {"default/a"}
    await node.attachments.add(add("c"))  # The group goes on.
    assert len(node.table) == 2


async def test_full_map_leaves_nothing_of_the_add(node: Node) -> None:
    node.endpoints.capacity = 0

    with pytest.raises(MapFullError):
        await node.attachments.add(add("a"))

    node.assert_empty()


async def test_file_that_cannot_be_written_leaves_nothing_of_the_add(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ciliate.endpoint.store.os.replace", no_space)
        with pytest.raises(Exception, match="make room"):
            await node.attachments.add(add("a"))

    node.assert_empty()


async def test_cancelled_add_leaves_nothing_even_when_its_worker_finishes_later(
    node: Node,
) -> None:
    node.links.creations.close()
    adding = asyncio.create_task(node.attachments.add(add("a")))
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
    adding = asyncio.create_task(node.attachments.add(add("a")))
    await until(lambda: node.links.creations.waiting == 1)
    adding.cancel()
    again = asyncio.create_task(node.attachments.add(add("a")))
    await settle()
    node.links.creations.open()

    answer = await again

    assert node.links.made == [link_of("a")] * 2
    assert node.links.standing[link_of("a")].host_mac == answer.host_mac
    assert node.owners() == {str(answer.addresses[0]): "default/a"}


async def test_add_while_the_removal_runs_waits_for_it(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.removals.close()
    await node.attachments.delete(delete("a"))
    again = asyncio.create_task(node.attachments.add(add("a")))
    await settle()
    assert not again.done()

    node.links.removals.open()
    await again

    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert len(node.owners()) == len(node.table) == 1
    assert list(node.links.standing) == [link_of("a")]


async def test_add_of_an_attachment_whose_removal_failed_is_made_anew(node: Node) -> None:
    first = await node.attachments.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()
    assert node.endpoint("a").state is EndpointState.DISCONNECTING
    node.links.refuses_to_remove.clear()

    second = await node.attachments.add(add("a"))

    assert second.host_mac != first.host_mac
    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert node.endpoint("a").ifindex in node.interfaces.held
    assert len(node.owners()) == len(node.table) == len(node.files()) == 1


async def test_failed_removal_keeps_the_address_until_housekeeping_succeeds(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()
    assert list(node.owners().values()) == ["default/a"]

    node.links.refuses_to_remove.clear()
    await node.attachments.remove_vanished()

    node.assert_empty()


async def test_pod_that_cannot_replace_its_former_interface_is_not_removed_by_housekeeping(
    node: Node,
) -> None:
    """Both interfaces would bear one name, and housekeeping removes by name."""
    await node.attachments.add(add("a"))
    node.links.refuses_to_remove.add(link_of("a"))
    await node.attachments.delete(delete("a"))
    await node.removals_end()

    with pytest.raises(CniError) as refused:
        await node.attachments.add(add("a"))
    assert refused.value.code == CniCode.TRY_AGAIN_LATER
    node.links.refuses_to_remove.clear()
    await node.attachments.add(add("a"))
    await node.attachments.remove_vanished()

    assert node.endpoint("a").state is not EndpointState.DISCONNECTING
    assert list(node.links.standing) == [link_of("a")]


async def test_pod_that_comes_while_housekeeping_looks_is_not_taken_for_dead(node: Node) -> None:
    node.links.observations.close()
    looking = asyncio.create_task(node.attachments.remove_vanished())
    await until(lambda: node.links.observations.waiting == 1)
    await node.attachments.add(add("a"))

    node.links.observations.open()
    await looking
    await settle()

    assert list(node.links.standing) == [link_of("a")]
    assert node.endpoint("a").ifindex in node.interfaces.held


async def test_pod_made_anew_while_housekeeping_looks_stays(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.standing.clear()
    node.links.observations.close()
    looking = asyncio.create_task(node.attachments.remove_vanished())
    await until(lambda: node.links.observations.waiting == 1)
    await node.attachments.add(add("a"))

    node.links.observations.open()
    await looking

    assert list(node.links.standing) == [link_of("a")]


async def test_pod_whose_interface_vanished_is_forgotten(node: Node) -> None:
    await node.attachments.add(add("a"))
    node.links.standing.clear()

    await node.attachments.remove_vanished()

    node.assert_empty()


async def test_gc_during_a_delete_frees_nothing_twice(small: Node) -> None:
    """The second release would take the address from whoever got it in between."""
    await small.attachments.add(add("old"))
    small.links.removals.close()
    await small.attachments.delete(delete("old"))
    await until(lambda: small.links.removals.waiting == 1)
    collecting = asyncio.create_task(small.attachments.gc(gc()))
    await settle()
    small.links.removals.admit()  # The removal that DEL began; another would wait.
    await until(lambda: set(small.owners().values()) == {"router"})

    answer = await small.attachments.add(add("new"))
    small.links.removals.open()
    await collecting
    await settle()

    assert small.owners()[str(answer.addresses[0])] == "default/new"
    assert small.links.groups == [(link_of("old"),)]
    assert list(small.links.standing) == [link_of("new")]


async def test_gc_removes_what_is_not_valid_in_one_group(node: Node) -> None:
    for name in "abcd":
        await node.attachments.add(add(name))

    await node.attachments.gc(gc("b"))

    # The first name starts a group of its own; the others wait for it together.
    gone = sorted(map(link_of, "acd"))
    assert sorted(name for group in node.links.groups for name in group) == gone
    assert len(node.links.groups) <= 2
    assert list(node.links.standing) == [link_of("b")]
    assert list(node.owners().values()) == ["default/b"]


def forget_name(node: Node, name: str) -> None:
    """Let an endpoint be one that a start knows from the kernel alone: agent/restore.py."""
    known = node.endpoint(name)
    node.table.remove(known.id)
    node.table.put(
        replace(
            known,
            container_id=f"unknown-{known.host_name}",
            netns="",
            namespace="",
            pod=known.host_name,
            pod_uid="",
            restored=True,
        )
    )


async def test_delete_finds_an_unnamed_endpoint_by_its_interface(node: Node) -> None:
    await node.attachments.add(add("a"))
    forget_name(node, "a")

    await node.attachments.delete(delete("a"))
    await node.removals_end()

    node.assert_empty()


async def test_add_of_an_unnamed_endpoint_gives_it_its_name_again(node: Node) -> None:
    await node.attachments.add(add("a"))
    forget_name(node, "a")

    await node.attachments.add(add("a"))

    assert [endpoint.pod for endpoint in node.table] == ["a"]
    assert list(node.links.standing) == [link_of("a")]


async def test_gc_spares_an_unnamed_endpoint_whose_attachment_is_valid(node: Node) -> None:
    for name in "ab":
        await node.attachments.add(add(name))
        forget_name(node, name)

    await node.attachments.gc(gc("a"))

    assert list(node.links.standing) == [link_of("a")]
