"""Addresses of another plugin: a script that keeps a file per container, as host-local does."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.endpoint.attachment_node import GATEWAYS, Node, add, check, delete, gc, link_of

from ciliate.cni.call import Call
from ciliate.cni.delegate import Delegate
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Status
from ciliate.endpoint.attachments import PodAttachments, PodNetwork
from ciliate.ipam.agent.delegated import DelegatedAddresses
from ciliate.net.address import ip_address
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.errors import NetlinkError

#: Keeps a file per container, refuses a second one, and writes down what it was asked.
PLUGIN = """#!/bin/sh
cd {folder}
echo "$CNI_COMMAND $CNI_CONTAINERID" >> ../asked
[ -e ../refuses-$CNI_COMMAND ] && echo '{{"code":77,"msg":"back end is away"}}' && exit 1
[ -e ../hangs-$CNI_COMMAND ] && sleep 300
case $CNI_COMMAND in
ADD)
    [ -e $CNI_CONTAINERID ] && echo '{{"code":99,"msg":"duplicate allocation"}}' && exit 1
    touch $CNI_CONTAINERID
    cat ../answer ;;
DEL) rm -f $CNI_CONTAINERID ;;
esac
"""


@dataclass
class Delegating:
    """A node whose addresses come from the script."""

    node: Node
    attachments: PodAttachments
    folder: Path

    def call(self, request: Any, *, ipam_type: str = "test-ipam") -> Any:
        """The request as a runtime makes it."""
        attachment = getattr(request, "attachment", None)
        environment = {
            "CNI_PATH": str(self.folder),
            "CNI_CONTAINERID": attachment.container_id if attachment else "",
        }
        return replace(request, call=Call(environment, b"{}", ipam_type))

    def answer(self, *addresses: str) -> None:
        """What the script gives from now on."""
        ips = [{"address": address} for address in addresses]
        (self.folder / "answer").write_text(json.dumps({"cniVersion": "1.0.0", "ips": ips}))

    def say(self, what: str) -> None:
        """Make the script refuse or hang at a verb."""
        (self.folder / what).touch()

    def unsay(self, what: str) -> None:
        (self.folder / what).unlink()

    @property
    def held(self) -> list[str]:
        """The containers that have an address."""
        return sorted(path.name for path in (self.folder / "test-ipam.d").iterdir())

    @property
    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []

    async def add(self, name: str) -> PodInterface:
        answer = await self.attachments.add(self.call(add(name)))
        assert isinstance(answer, PodInterface)
        return answer


@pytest.fixture(params=[True], ids=["current"])
async def delegating(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Delegating]:
    folder = tmp_path / "plugin"
    (folder / "test-ipam.d").mkdir(parents=True)
    (folder / "test-ipam").write_text(PLUGIN.format(folder=folder / "test-ipam.d"))
    (folder / "test-ipam").chmod(0o755)
    async with asyncio.TaskGroup() as tasks:
        node = Node(tmp_path / "endpoints", tasks, cidr="10.244.0.0/29")
        addresses = DelegatedAddresses(
            Delegate(time_limit_s=2),
            node.table,
            is_current=request.param,
            former=node.source,
            versions=(4, 6),
            node_addresses=lambda: (ip_address("192.168.10.101"),),
        )
        attachments = PodAttachments(
            replace(node.wiring, addresses=addresses),
            lambda: PodNetwork(gateways=GATEWAYS, mtu=1500, route_mtu=1500),
            tasks,
        )
        made = Delegating(node, attachments, folder)
        made.answer("10.1.0.5/24", "fd00::5/64", "10.1.0.6/24")
        yield made


async def test_first_address_of_each_family_is_the_pods_and_our_blocks_stay(
    delegating: Delegating,
) -> None:
    answer = await delegating.add("a")

    assert answer.addresses == (ip_address("fd00::5"), ip_address("10.1.0.5"))
    endpoint = delegating.node.endpoint("a")
    assert (endpoint.external_ipam, endpoint.chained) == (True, False)
    assert delegating.node.owners() == {}
    assert delegating.held == ["c-a"]


async def test_gateways_are_of_the_families_that_the_pod_got(delegating: Delegating) -> None:
    delegating.answer("fd00::5/64")

    assert (await delegating.add("a")).gateways == ()  # The node's router has IPv4 alone.


async def test_delete_frees_the_address_after_the_interface_went(delegating: Delegating) -> None:
    await delegating.add("a")
    delegating.node.links.removals.close()
    deleting = asyncio.create_task(delegating.attachments.delete(delegating.call(delete("a"))))
    async with asyncio.timeout(5):
        while not delegating.node.links.removals.waiting:
            await asyncio.sleep(0)
    assert delegating.held == ["c-a"]

    delegating.node.links.removals.open()
    await deleting

    assert delegating.held == []
    delegating.node.assert_empty()


async def test_repeated_add_asks_the_plugin_once(delegating: Delegating) -> None:
    first = await delegating.add("a")

    assert await delegating.add("a") == first

    assert delegating.asked == ["ADD c-a"]


async def test_interface_made_anew_gets_its_address_anew(delegating: Delegating) -> None:
    await delegating.add("a")
    delegating.node.links.standing.clear()

    await delegating.add("a")

    assert delegating.asked == ["ADD c-a", "DEL c-a", "ADD c-a"]
    assert delegating.held == ["c-a"]


async def test_add_that_fails_at_the_interface_gives_the_address_back(
    delegating: Delegating,
) -> None:
    delegating.node.links.refuses_to_create.add(link_of("a"))

    with pytest.raises(NetlinkError):
        await delegating.add("a")

    assert delegating.held == []
    delegating.node.assert_empty()


async def test_cancelled_add_gives_the_address_back(delegating: Delegating) -> None:
    delegating.node.links.creations.close()
    adding = asyncio.create_task(delegating.attachments.add(delegating.call(add("a"))))
    async with asyncio.timeout(5):
        while not delegating.node.links.creations.waiting:
            await asyncio.sleep(0.001)
    assert delegating.held == ["c-a"]

    adding.cancel()
    delegating.node.links.creations.open()

    with pytest.raises(asyncio.CancelledError):
        await adding
    assert delegating.held == []
    delegating.node.assert_empty()


async def test_plugins_refusal_is_the_answer_and_nothing_is_left(delegating: Delegating) -> None:
    delegating.say("refuses-ADD")

    with pytest.raises(CniError) as caught:
        await delegating.add("a")

    assert (caught.value.code, caught.value.msg) == (77, "back end is away")
    assert delegating.asked == ["ADD c-a", "DEL c-a"]
    delegating.node.assert_empty()


async def test_plugin_that_hangs_is_ended_and_what_it_gave_taken_back(
    delegating: Delegating,
) -> None:
    delegating.say("hangs-ADD")

    with pytest.raises(CniError) as caught:
        await delegating.add("a")

    assert caught.value.code == CniCode.TRY_AGAIN_LATER
    assert "did not finish ADD" in caught.value.msg
    assert delegating.asked == ["ADD c-a", "DEL c-a"]
    delegating.node.assert_empty()


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((), "IPAM did provide neither IPv4 nor IPv6 address"),
        (("192.168.10.101/24",), "in use by this node"),
        (("10.1.0.500/24",), "result of IPAM plugin test-ipam is not a CNI result"),
    ],
)
async def test_useless_result_is_refused_and_taken_back(
    delegating: Delegating, addresses: tuple[str, ...], expected: str
) -> None:
    delegating.answer(*addresses)

    with pytest.raises(CniError) as caught:
        await delegating.add("a")

    assert expected in caught.value.msg
    assert delegating.held == []
    delegating.node.assert_empty()


async def test_address_of_another_pod_is_refused_and_that_pod_keeps_it(
    delegating: Delegating,
) -> None:
    await delegating.add("a")

    with pytest.raises(CniError, match=r"gave fd00::5, which is in use by endpoint"):
        await delegating.add("b")

    assert delegating.held == ["c-a"]
    assert [endpoint.pod for endpoint in delegating.node.table] == ["a"]


async def test_of_two_adds_at_once_that_get_one_address_one_is_refused(
    delegating: Delegating,
) -> None:
    delegating.node.links.creations.close()
    adding = [asyncio.create_task(delegating.add(name)) for name in "ab"]
    both = asyncio.wait(adding, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    (refused,), (made,) = await both
    delegating.node.links.creations.open()
    await made

    with pytest.raises(CniError, match=r"gave fd00::5, which is in use by endpoint \d+, which is"):
        await refused

    (endpoint,) = delegating.node.table
    assert delegating.held == [endpoint.container_id]


async def test_address_of_an_add_that_failed_may_be_given_again(delegating: Delegating) -> None:
    delegating.node.links.refuses_to_create.add(link_of("a"))
    with pytest.raises(NetlinkError):
        await delegating.add("a")

    await delegating.add("b")

    assert delegating.held == ["c-b"]


async def test_failed_delete_is_reported_and_repeated(delegating: Delegating) -> None:
    await delegating.add("a")
    delegating.say("refuses-DEL")
    request = delegating.call(delete("a"))

    with pytest.raises(CniError) as caught:
        await delegating.attachments.delete(request)

    assert caught.value.code == 77
    delegating.node.assert_empty()  # The interface went; the address is the plugin's matter.
    delegating.unsay("refuses-DEL")
    await delegating.attachments.delete(request)
    assert delegating.held == []


async def test_delete_after_an_add_that_an_agent_died_in_frees_the_address(
    delegating: Delegating,
) -> None:
    (delegating.folder / "test-ipam.d" / "c-a").touch()  # Given, and never answered.

    await delegating.attachments.delete(delegating.call(delete("a")))

    assert delegating.held == []


async def test_delete_with_a_configuration_without_a_plugin_is_a_success(
    delegating: Delegating,
) -> None:
    await delegating.attachments.delete(delegating.call(delete("a"), ipam_type=""))

    assert delegating.asked == []


async def test_add_without_a_plugin_says_what_is_missing(delegating: Delegating) -> None:
    with pytest.raises(CniError) as caught:
        await delegating.attachments.add(delegating.call(add("a"), ipam_type=""))

    assert caught.value.code == CniCode.INVALID_CONFIG
    assert "ipam.type is missing" in caught.value.msg


async def test_pod_of_the_former_mode_gives_its_address_back_to_our_block(
    delegating: Delegating,
) -> None:
    await delegating.node.add(add("a"))
    assert delegating.node.owners().keys() == {"10.244.0.1"}

    await delegating.attachments.delete(delegating.call(delete("a")))

    assert delegating.node.owners() == {}
    assert delegating.asked == [], "the plugin never heard of it"


async def test_check_of_a_pod_of_the_former_mode_is_no_question_for_the_plugin(
    delegating: Delegating,
) -> None:
    await delegating.node.add(add("a"))
    delegating.say("refuses-CHECK")

    await delegating.attachments.check(delegating.call(check("a")))

    assert delegating.asked == [], "the plugin never heard of it"


async def test_vanished_pod_waits_for_its_delete(delegating: Delegating) -> None:
    await delegating.add("a")
    delegating.node.links.standing.clear()

    await delegating.attachments.remove_vanished()

    delegating.node.assert_empty()
    assert delegating.held == ["c-a"]
    await delegating.attachments.delete(delegating.call(delete("a")))
    assert delegating.held == []


async def test_check_gc_and_status_are_passed_on(delegating: Delegating) -> None:
    await delegating.add("a")

    await delegating.attachments.check(delegating.call(check("a")))
    await delegating.attachments.gc(delegating.call(gc("a")))
    status = Status(check("a").version, "cilium")
    await delegating.attachments.status(delegating.call(status))

    assert [line.split()[0] for line in delegating.asked] == ["ADD", "CHECK", "GC", "STATUS"]
    delegating.say("refuses-STATUS")
    with pytest.raises(CniError, match="back end is away"):
        await delegating.attachments.status(delegating.call(status))
    with pytest.raises(CniError, match=r"ipam\.type is missing"):
        await delegating.attachments.status(status)


@pytest.mark.parametrize("delegating", [False], ids=["former"], indirect=True)
async def test_after_a_change_of_mode_the_plugin_hears_of_its_former_pods_alone(
    delegating: Delegating,
) -> None:
    ours = await delegating.add("new")
    assert ours.addresses == (ip_address("10.244.0.1"),)
    (delegating.folder / "test-ipam.d" / "c-old").touch()
    new = delegating.node.endpoint("new")
    address = ip_address("10.244.0.2")  # Of a range that is ours by now.
    former = replace(
        new,
        id=9,
        container_id="c-old",
        interface=replace(new.interface, host_name="lxcold", addresses=(address,)),
        pod="old",
        external_ipam=True,
    )
    delegating.node.table.put(former)
    owner = "default/owner"
    delegating.node.addresses.take((ip_address("10.244.0.2"),), owner)

    await delegating.attachments.delete(delegating.call(delete("old")))

    assert delegating.held == []
    assert delegating.node.owners()["10.244.0.2"] == owner
    await delegating.attachments.delete(delegating.call(delete("new")))
    assert delegating.asked == ["DEL c-old"]
    assert delegating.node.owners() == {"10.244.0.2": owner}
    await delegating.attachments.status(Status(check("a").version, "cilium"))


@pytest.mark.parametrize("delegating", [False], ids=["former"], indirect=True)
async def test_after_a_change_of_mode_a_forgotten_pod_gets_its_del_even_without_plugin(
    delegating: Delegating,
) -> None:
    (delegating.folder / "test-ipam.d" / "c-a").touch()

    await delegating.attachments.delete(delegating.call(delete("a")))

    assert delegating.held == []
    await delegating.attachments.delete(delegating.call(delete("a"), ipam_type="uninstalled"))


@pytest.mark.parametrize("delegating", [False], ids=["former"], indirect=True)
async def test_in_our_own_modes_a_delete_does_not_wait_for_the_interface(
    delegating: Delegating,
) -> None:
    await delegating.attachments.add(delegating.call(add("a"), ipam_type=""))
    delegating.node.links.removals.close()

    await delegating.attachments.delete(delegating.call(delete("a"), ipam_type=""))

    assert delegating.node.links.standing.keys() == {link_of("a")}
    delegating.node.links.removals.open()
