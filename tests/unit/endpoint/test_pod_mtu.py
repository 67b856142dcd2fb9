"""`endpoint/pod_mtu.py`: pods' routes follow what a packet to another node may have."""

from pathlib import Path
from typing import cast

from tests.unit.node.endpoint_samples import endpoint

from ciliate.endpoint.pod_mtu import PodMtuTarget, desired_mtus
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.pod import PodLinks
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.reconciler import Reconciler


class Links:
    """Pods' links in memory; those of `gone` namespaces cannot be entered."""

    def __init__(self) -> None:
        self.mtus: dict[str, int] = {}
        self.gone: set[str] = set()

    async def set_route_mtu(self, interface: PodInterface) -> None:
        if interface.host_name in self.gone:
            raise NetlinkError(step="open", subject=interface.netns, errno=2)
        self.mtus[interface.host_name] = interface.route_mtu


class Rig:
    """The pods of a node whose packets to others may have `mtu` bytes."""

    def __init__(self, tmp_path: Path) -> None:
        self.table, self.store, self.links = (
            EndpointTable(),
            EndpointStore(tmp_path / "e"),
            Links(),
        )
        self.mtu = 1500
        target = PodMtuTarget(cast("PodLinks", self.links), self.table, self.store)
        self.sync = Reconciler(target, lambda: desired_mtus(self.table, lambda: self.mtu))

    def recorded(self) -> dict[int, int]:
        return {each.id: each.interface.route_mtu for each in self.table}


async def test_pods_follow_and_their_records_say_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for number in (1, 2):
        rig.table.put(endpoint(number))
    rig.mtu = 1450

    assert await rig.sync.run_once()

    assert set(rig.links.mtus.values()) == {1450}
    assert rig.recorded() == {1: 1450, 2: 1450}
    assert {each.id: each.interface.route_mtu for each in rig.store.load()} == rig.recorded()


async def test_pods_that_are_right_are_not_entered(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.table.put(endpoint(1))

    assert await rig.sync.run_once()

    assert rig.links.mtus == {}


async def test_one_pod_that_cannot_be_entered_hinders_no_other(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for number in (1, 2):
        rig.table.put(endpoint(number))
    rig.links.gone.add(endpoint(1).interface.host_name)
    rig.mtu = 1450

    assert not await rig.sync.run_once()

    assert rig.recorded() == {1: 1500, 2: 1450}


async def test_routes_have_no_more_than_the_interface(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.table.put(endpoint(1))
    rig.mtu = 9000

    assert await rig.sync.run_once()

    assert rig.recorded() == {1: 1500}


async def test_interface_of_another_plugin_is_left_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.table.put(endpoint(1, chained=True, external_ipam=True))
    rig.mtu = 1450

    assert await rig.sync.run_once()

    assert rig.links.mtus == {}
