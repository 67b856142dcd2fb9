"""`endpoint/restoration.py`: what a previous agent left is kept, or cleaned up, by the kernel."""

import logging
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.endpoint.pod_links import MemoryLinks, MemoryMap
from tests.unit.node.cluster_tables import new_cluster
from tests.unit.node.endpoint_samples import MAC, endpoint, link

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.datapath import layout
from ciliate.datapath.bpf_map import BpfMap
from ciliate.datapath.errors import MapMissingError
from ciliate.endpoint import restoration as restore
from ciliate.endpoint.plan import endpoint_entry, interface_entry
from ciliate.endpoint.restoration import plan_restoration, remembered_by_kernel, restore_endpoints
from ciliate.ipam.agent.address_source import OwnAddresses
from ciliate.ipam.agent.pod_cidrs import PodCIDRs
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import to_octets
from ciliate.netlink.pod_link import ObservedPodLink
from ciliate.node.context import Context
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.node.errors import EndpointStateError


def test_endpoint_with_its_interface_lives_on() -> None:
    kept = endpoint(1, ifindex=12)

    found = plan_restoration([kept], [link("lxc1", 12)])

    assert (found.keep, found.forget, found.nameless) == ((kept,), (), frozenset())


def test_endpoint_whose_interface_went_is_forgotten() -> None:
    gone = endpoint(1, ifindex=12)

    found = plan_restoration([gone], [])

    assert (found.keep, found.forget) == ((), (gone,))


def test_interface_of_an_unanswered_add_is_removed() -> None:
    assert plan_restoration([], [link("lxcorphan", 9)]).nameless == {"lxcorphan"}


def test_interrupted_delete_is_finished() -> None:
    leaving = replace(endpoint(1, ifindex=12), state=EndpointState.DISCONNECTING)

    found = plan_restoration([leaving], [link("lxc1", 12)])

    assert (found.keep, found.forget, found.nameless) == ((), (leaving,), frozenset({"lxc1"}))


def test_interface_that_was_made_anew_is_not_taken_for_the_old_one() -> None:
    old = endpoint(1, ifindex=12)

    found = plan_restoration([old], [link("lxc1", 40)])

    assert (found.keep, found.nameless) == ((), frozenset({"lxc1"}))


class RestartedNode:
    """A node with what a previous agent left: files, interfaces, and maps if it had any."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *links: ObservedPodLink
    ) -> None:
        self.folder = folder
        self.links = MemoryLinks(links)
        self.interfaces: MemoryMap[int, layout.Interface] = MemoryMap()
        self.endpoints: MemoryMap[bytes, layout.Endpoint] = MemoryMap()
        self.has_maps = True
        self.mode = "kubernetes"
        self.addresses = NodeAddresses((4, 6))
        self.addresses.set_current(
            {"default": [ip_network("10.244.0.0/24"), ip_network("fd00::/64")]}
        )
        self.table = EndpointTable()
        monkeypatch.setattr(restore, "open_pinned", self._open)

    def _open(self, bpf_root: Path, which: BpfMap[Any, Any]) -> object:
        if not self.has_maps:
            raise MapMissingError(bpf_root / which.name)
        return {"interfaces": self.interfaces, "endpoints": self.endpoints}[which.name]

    def knows(self, *endpoints: Endpoint) -> None:
        """Let the maps hold these."""
        for each in endpoints:
            self.interfaces.put(each.ifindex, interface_entry(each))
            for address in each.addresses:
                self.endpoints.put(to_octets(address), endpoint_entry(each))

    def saves(self, *endpoints: Endpoint) -> None:
        """Let these have files."""
        store = EndpointStore(self.folder)
        for each in endpoints:
            store.save(each)

    async def restore(self, store: EndpointStore | None = None) -> tuple[Endpoint, ...]:
        """Start an agent."""
        kernel = SimpleNamespace(bpf_root="/nowhere")
        settings = SimpleNamespace(kernel=kernel, ipam=SimpleNamespace(mode=self.mode))
        context = SimpleNamespace(
            links=self.links,
            settings=settings,
            endpoints=self.table,
            endpoint_store=store or EndpointStore(self.folder),
        )
        source = OwnAddresses(
            cast("Context", SimpleNamespace(cluster=new_cluster())),
            self.addresses,
            cast("PodCIDRs", None),
            demand=None,
        )
        source.external = self.mode == "delegated-plugin"
        return await restore_endpoints(cast("Context", context), source)

    def in_use(self) -> int:
        """How many addresses of our blocks pods hold."""
        return sum(held.in_use for held in self.addresses.held)

    def owners(self) -> dict[str, str]:
        return {str(address): owner for address, owner, _ in self.addresses.allocations()}


def maps_of(known: Endpoint) -> tuple[dict[int, layout.Interface], dict[bytes, layout.Endpoint]]:
    return (
        {known.ifindex: interface_entry(known)},
        {to_octets(address): endpoint_entry(known) for address in known.addresses},
    )


def test_kernel_remembers_an_endpoint_under_no_name() -> None:
    both = (ip_address("fd00::1"), ip_address("10.244.0.1"))
    known = endpoint(1, addresses=both, identity=8066)

    found = remembered_by_kernel(link("lxc1", 12), *maps_of(known))

    assert found is not None
    assert (found.id, found.identity, found.addresses) == (1, 8066, both)
    assert (found.interface.host_name, found.ifindex, found.interface.pod_mac) == ("lxc1", 12, MAC)
    assert found.state is not EndpointState.DISCONNECTING
    assert interface_entry(found) == interface_entry(known)


def test_kernel_knows_nothing_of_an_unanswered_add() -> None:
    assert remembered_by_kernel(link("lxc1", 12), {}, {}) is None
    interfaces, _ = maps_of(endpoint(1))
    assert remembered_by_kernel(link("lxc1", 12), interfaces, {}) is None


def test_address_that_went_to_another_interface_is_not_remembered_for_this_one() -> None:
    interfaces, _ = maps_of(endpoint(1, ifindex=12))
    _, endpoints = maps_of(endpoint(1, ifindex=40))

    assert remembered_by_kernel(link("lxc1", 12), interfaces, endpoints) is None


async def test_pod_whose_file_is_damaged_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12), link("lxc2", 13))
    node.saves(endpoint(1), endpoint(2, ifindex=13))
    node.knows(endpoint(1), endpoint(2, ifindex=13))
    (node.folder / "2.json").write_bytes(b'{"id":2,')

    kept = await node.restore()

    assert [each.id for each in kept] == [1, 2]
    assert node.links.standing.keys() == {"lxc1", "lxc2"}
    assert node.owners().keys() == {"10.244.0.1", "10.244.0.2"}
    assert sorted(each.id for each in EndpointStore(node.folder).load()) == [1, 2]


async def test_interface_that_neither_file_nor_map_knows_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12), link("lxc9", 19))
    node.saves(endpoint(1))
    node.knows(endpoint(1))

    await node.restore()

    assert node.links.standing.keys() == {"lxc1"}


async def test_address_out_of_range_is_held_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12))
    outside = ip_address("fd00:bad::1")
    node.saves(endpoint(1, addresses=(outside, ip_address("10.244.0.1"))))

    (kept,) = await node.restore()

    owner = "default/pod-1 [restored]"
    assert node.owners() == {"10.244.0.1": owner, "fd00:bad::1": owner}
    assert node.addresses.draining == (ip_network("fd00:bad::1/128"),)
    assert outside in kept.addresses


CHAINED = {"external_ipam": True, "chained": True}


async def test_chained_pod_lives_on_by_its_interfaces_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("veth1", 12), link("veth2", 40))
    stays = endpoint(1, host_name="veth1", **CHAINED)
    went = endpoint(2, host_name="veth2", ifindex=13, **CHAINED)
    node.saves(stays, went)

    kept = await node.restore()

    assert kept == (replace(stays, restored=True),)
    assert node.in_use() == 0, "another plugin accounts for it"
    assert node.links.standing.keys() == {"veth1", "veth2"}, "other plugins' interfaces stay"


async def test_chained_pod_whose_file_is_damaged_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("veth1", 12), link("veth2", 13))
    chained = endpoint(1, host_name="veth1", **CHAINED)
    node.saves(chained)
    node.knows(chained)
    (node.folder / "1.json").write_bytes(b"{")

    (kept,) = await node.restore()

    assert (kept.interface.host_name, kept.ifindex) == ("veth1", 12)
    assert (kept.chained, kept.external_ipam) == (True, True)
    assert node.in_use() == 0
    assert node.links.standing.keys() == {"veth1", "veth2"}


@pytest.mark.parametrize("damaged", [False, True])
async def test_address_of_an_ipam_plugin_is_no_use_of_our_blocks_and_given_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, damaged: bool
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12))
    node.mode = "delegated-plugin"
    node.saves(endpoint(1, external_ipam=True))
    node.knows(endpoint(1))
    if damaged:
        (node.folder / "1.json").write_bytes(b"{")

    (kept,) = await node.restore()

    assert kept.external_ipam
    assert node.in_use() == 0
    assert all(node.addresses.is_reserved(address) for address in kept.addresses)


async def test_first_life_leaves_the_interfaces_of_another_plugin_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc0a1b2c", 12))
    node.has_maps = False

    assert await node.restore() == ()

    assert node.links.standing.keys() == {"lxc0a1b2c"}
    await node.restore()  # The second agent knows that an interface without a file is a leftover.
    assert node.links.standing == {}


async def test_link_that_cannot_be_removed_does_not_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = RestartedNode(
        tmp_path / "e", monkeypatch, link("lxc1", 12), link("lxc8", 18), link("lxc9", 19)
    )
    node.saves(endpoint(1))
    node.links.refuses_to_remove.add("lxc8")

    with caplog.at_level(logging.WARNING):
        kept = await node.restore()

    assert [each.id for each in kept] == [1]
    assert node.links.standing.keys() == {"lxc1", "lxc8"}
    assert "interface lxc8 stays" in caplog.text


async def test_interrupted_delete_frees_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12))
    node.saves(endpoint(1, state=EndpointState.DISCONNECTING))

    assert await node.restore() == ()

    assert (node.owners(), node.links.standing, list(node.folder.iterdir())) == ({}, {}, [])


class FullDisk(EndpointStore):
    """A store that can neither write nor remove anything any more."""

    def save(self, endpoint: Endpoint) -> None:
        raise EndpointStateError(f"{endpoint.id}.json: No space left on device")

    def remove(self, endpoint_id: int) -> None:
        raise EndpointStateError(f"{endpoint_id}.json: Read-only file system")


async def test_full_disk_does_not_end_a_start_that_finds_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = RestartedNode(tmp_path / "e", monkeypatch, link("lxc1", 12), link("lxc2", 13))
    gone = endpoint(3, ifindex=14, addresses=(ip_address("10.244.0.3"),))
    node.saves(endpoint(1), endpoint(2, ifindex=13), gone)
    node.knows(endpoint(1), endpoint(2, ifindex=13))
    (node.folder / "2.json").write_bytes(b"{")

    with caplog.at_level(logging.WARNING):
        kept = await node.restore(FullDisk(node.folder))

    assert [each.id for each in kept] == [1, 2]
    assert node.owners().keys() == {"10.244.0.1", "10.244.0.2"}
    assert "2.json: No space left" in caplog.text
    assert "3.json: Read-only" in caplog.text
