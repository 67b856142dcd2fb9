"""`agent/kernel.py`: which routes of the kernel are ours to keep, and which are leftovers."""

import errno
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import cast

import pytest
from ciliate.agent.kernel import DesiredState, NodeRouteTarget
from tests.unit.identity.identity_api import tell
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    all_listed,
    cilium_endpoint,
    cilium_node,
    new_cluster,
)
from tests.unit.node.endpoint_samples import endpoint

from ciliate.agent import kernel
from ciliate.api.cilium_endpoint import EndpointState
from ciliate.config.settings import parse_agent_settings
from ciliate.identity.ipcache import Ipcache
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.net.link import Link, LinkFlag, Route, RouteAnswer, RouteKind
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.reconciler import reconcile_once
from ciliate.routing import target
from ciliate.routing.displaced_pods import Strays

ETH1 = 3
SETTINGS = {
    "routing-mode": "native",
    "auto-direct-node-routes": "true",
    "ipv4-native-routing-cidr": "10.244.0.0/16",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
    "ipam": "kubernetes",
}


class Kernel:
    """A route table in memory behind the functions that ask the real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.routes: dict[IPNetwork, Route] = {}
        self.asked: list[str] = []
        self.unreachable: set[str] = set()
        self.while_observing: Callable[[], object] = lambda: None
        self.while_asking: Callable[[], object] = lambda: None
        self.written: list[str] = []
        monkeypatch.setattr(kernel, "lookup_route", self._lookup)
        monkeypatch.setattr(target, "observe_routes", self._observe)
        monkeypatch.setattr(target, "replace_route", self._replace)
        monkeypatch.setattr(target, "delete_route", self._delete)
        self.cluster = new_cluster()
        self.table = EndpointTable()
        devices = SimpleNamespace(current=NodeDevices((), ()))
        ipcache = Ipcache(self.cluster, node_ip=NODE_IP)
        self.state = DesiredState(
            settings=parse_agent_settings(SETTINGS),
            cluster=self.cluster,
            table=self.table,
            devices=cast("DeviceWatch", devices),
            ipcache=ipcache,
            strays=Strays(self.cluster, ipcache, node_ip=NODE_IP),
            own_ips=(NODE_IP, ip_address("fd00:10::100")),
        )
        self.target = NodeRouteTarget(cast("Rtnetlink", None), self.state)

    async def _lookup(self, _rtnl: Rtnetlink, destination: IPAddress) -> RouteAnswer:
        self.asked.append(str(destination))
        self.while_asking()
        if str(destination) in self.unreachable:
            raise NetlinkError(
                step="look up route", subject=str(destination), errno=errno.ENETUNREACH
            )
        return RouteAnswer(destination, ETH1, None, None, RouteKind.UNICAST, 254)

    async def _observe(self, _rtnl: Rtnetlink) -> tuple[Route, ...]:
        self.while_observing()
        return tuple(self.routes.values())

    async def _replace(self, _rtnl: Rtnetlink, route: Route) -> None:
        self.routes[route.destination] = route
        self.written.append(f"put {route.destination}")

    async def _delete(self, _rtnl: Rtnetlink, route: Route) -> None:
        self.routes.pop(route.destination, None)
        self.written.append(f"remove {route.destination}")

    def has(self, prefix: str, *, via: str = "", device: str = "eth1", index: int = ETH1) -> None:
        network = ip_network(prefix)
        self.routes[network] = Route(
            network, index, ip_address(via) if via else None, link_name=device
        )

    async def reconcile(self) -> None:
        failures = await reconcile_once(self.target.desired, self.target, puts_first=True)
        assert failures == {}

    def held(self) -> Mapping[str, tuple[int | None, str]]:
        return {
            str(prefix): (route.link_index, str(route.gateway or ""))
            for prefix, route in self.routes.items()
        }


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@pytest.mark.parametrize("listed", ["nothing", "nodes", "endpoints"])
async def test_nothing_is_touched_before_both_watches_have_listed(
    node: Kernel, listed: str
) -> None:
    """Routes to stray pods are known by the endpoints alone."""
    if listed != "nothing":
        getattr(node.cluster, listed)._synced.set()
    node.has("10.244.9.7/32", via="192.168.10.109")

    await node.reconcile()

    assert node.held().keys() == {"10.244.9.7/32"}


async def test_route_of_a_pod_whose_endpoint_is_not_known_yet_stays(node: Kernel) -> None:
    """Its ADD is under way: the interface comes first, the endpoint is known after."""
    all_listed(node.cluster)
    node.has("10.244.0.7/32", device="lxc7", index=17)

    await node.reconcile()

    assert node.held() == {"10.244.0.7/32": (17, "")}


async def test_lost_route_of_a_pod_comes_back_and_a_wrong_one_is_corrected(node: Kernel) -> None:
    all_listed(node.cluster)
    node.table.put(endpoint(1, ifindex=11))
    node.table.put(endpoint(2, ifindex=12))
    node.has("10.244.0.2/32", device="lxcold", index=99)

    await node.reconcile()

    assert node.held() == {"10.244.0.1/32": (11, ""), "10.244.0.2/32": (12, "")}


async def test_kernel_remembers_the_way_to_pods_of_a_node_that_nobody_describes(
    node: Kernel,
) -> None:
    """A CiliumNode was deleted while we were away; its pods tell its IPv4 address alone."""
    all_listed(node.cluster)
    node.has("10.244.1.0/24", via="192.168.10.101")
    node.has("fd00:10:1::/64", via="fd00:10::101")
    node.has("fd00:10:2::/64", via="fd00:10::102")
    tell(
        node.cluster.endpoints,
        cilium_endpoint("web", "10.244.1.7", ipv6="fd00:10:1::7", node="192.168.10.101"),
    )

    await node.reconcile()

    assert node.held() == {
        "10.244.1.7/32": (ETH1, "192.168.10.101"),
        "fd00:10:1::/64": (ETH1, "fd00:10::101"),
    }


async def test_pod_of_another_plugin_gets_no_route_of_ours(node: Kernel) -> None:
    all_listed(node.cluster)
    node.table.put(endpoint(1, host_name="veth1", external_ipam=True, chained=True))

    await node.reconcile()

    assert node.held() == {}


async def test_pod_on_its_way_out_gets_no_route_again(node: Kernel) -> None:
    all_listed(node.cluster)
    node.table.put(endpoint(1, state=EndpointState.DISCONNECTING))

    await node.reconcile()

    assert node.held() == {}


async def test_routes_to_other_nodes_come_and_go(node: Kernel) -> None:
    all_listed(node.cluster)
    tell(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    tell(node.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    node.has("10.244.9.0/24", via="192.168.10.109")

    await node.reconcile()

    assert node.held() == {"10.244.1.0/24": (ETH1, "192.168.10.101")}


async def test_kernel_is_asked_once_until_answers_are_forgotten(node: Kernel) -> None:
    all_listed(node.cluster)
    node.unreachable.add("192.168.10.102")
    tell(node.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    tell(node.cluster.nodes, cilium_node("k8s-w2", "192.168.10.102", "10.244.2.0/24"))

    for _ in range(3):
        await node.reconcile()
    assert sorted(node.asked) == ["192.168.10.101", "192.168.10.102"]
    assert node.held().keys() == {"10.244.1.0/24"}

    node.unreachable.clear()
    node.target.forget_answers()
    await node.reconcile()
    assert len(node.asked) == 4
    assert node.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}


async def test_routes_stay_when_an_address_changes_while_the_kernel_is_read(node: Kernel) -> None:
    """What leads to the nodes is asked anew then; not knowing it is no reason to remove."""
    all_listed(node.cluster)
    tell(node.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    await node.reconcile()
    node.written.clear()

    node.while_observing = node.target.forget_answers
    await node.reconcile()

    assert node.written == []


async def test_nodes_that_come_while_the_kernel_is_read_and_asked_have_routes_at_once(
    node: Kernel,
) -> None:
    """Else a cluster that grows node by node would have none before it ceases to grow."""
    all_listed(node.cluster)
    tell(node.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    node.has("10.244.2.0/24", via="192.168.10.102")
    coming = [cilium_node(f"k8s-w{n}", f"192.168.10.10{n}", f"10.244.{n}.0/24") for n in (4, 3)]

    def next_comes() -> None:
        if coming:
            node.target.forget_answers()
            tell(node.cluster.nodes, coming.pop())

    newcomer = cilium_node("k8s-w2", "192.168.10.102", "10.244.2.0/24")
    node.while_observing = lambda: tell(node.cluster.nodes, newcomer)
    node.while_asking = next_comes
    await node.reconcile()

    assert node.held().keys() == {f"10.244.{n}.0/24" for n in (1, 2, 3, 4)}
    assert "remove 10.244.2.0/24" not in node.written, "its route is no leftover"


@pytest.mark.parametrize("other", ["k8s-a", "k8s-w1"])
async def test_cidr_with_another_nodes_pods_becomes_ours_and_their_routes_come_first(
    node: Kernel, other: str
) -> None:
    """Kubernetes gives this node the CIDR in which pods of another one live.

    The other one still claims it, and has a name before ours, or behind.
    """
    all_listed(node.cluster)
    tell(node.cluster.nodes, cilium_node(other, "192.168.10.101", "10.244.0.0/24"))
    tell(node.cluster.endpoints, cilium_endpoint("old", "10.244.0.9"))
    await node.reconcile()
    assert node.held().keys() == {"10.244.0.0/24"}
    node.written.clear()

    tell(node.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    await node.reconcile()

    assert node.written == ["put 10.244.0.9/32", "remove 10.244.0.0/24"]


def test_device_without_an_address_of_a_family_lends_the_nodes(node: Kernel) -> None:
    bare = Link(7, "eth2", LinkFlag.UP, 1500)
    node.state.devices.current = NodeDevices((bare,), ())

    lent = node.state.masquerade_addresses()[7]

    assert lent.ipv4[-4:] == NODE_IP.packed
    assert lent.ipv6 == ip_address("fd00:10::100").packed
