"""`identity/ipcache.py`: the owner of each address, asked prefix by prefix or as a whole."""

from ipaddress import ip_address, ip_network
from typing import cast

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import (
    NODE,
    NODE_IP,
    Kubernetes,
    all_listed,
    cilium_endpoint,
    cilium_node,
    kube_node,
    new_cluster,
    since,
)
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.cilium_node import DRAINING_ANNOTATION
from ciliate.config.tunnel_settings import TunnelSettings
from ciliate.datapath import layout
from ciliate.identity.ipcache import Ipcache, Key
from ciliate.identity.plan import host_key
from ciliate.net.address import from_octets, network_of, prefix_bits, to_octets
from ciliate.net.address import ip_address as parsed
from ciliate.net.identity import ReservedIdentity
from ciliate.net.tunnel import TunnelProtocol
from ciliate.node.cluster import Cluster
from ciliate.node.devices import DeviceWatch, NodeDevices
from ciliate.node.endpoint import Endpoint
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.listeners import Listeners

W1 = ip_address("192.168.10.101")
BY_TUNNEL = TunnelSettings(TunnelProtocol.VXLAN, 8472, (0, 0), 4)


class Devices:
    """A device watch that a test moves."""

    def __init__(self) -> None:
        self.current = NodeDevices((), ())
        self.listeners: Listeners[NodeDevices, NodeDevices] = Listeners()
        self.listen = self.listeners.add

    def become(self, *addresses: str) -> None:
        old, self.current = self.current, NodeDevices((), tuple(map(parsed, addresses)))
        self.listeners(old, self.current)


class Rig:
    """An ipcache, and the tables it is made of; `touched` are the prefixes that changed since."""

    def __init__(
        self,
        cluster: Cluster | None = None,
        *,
        listed: bool = True,
        tunnel: TunnelSettings | None = None,
    ) -> None:
        self.cluster = cluster or new_cluster()
        self.table, self.devices = EndpointTable(), Devices()
        devices = cast("DeviceWatch", self.devices)
        self.ipcache = Ipcache(self.cluster, self.table, devices, tunnel=tunnel)
        if listed:
            all_listed(self.cluster)
        self._touched: set[str] = set()
        self.ipcache.changed.add(self._note)

    def _note(self, keys: frozenset[Key]) -> None:
        self._touched.update(text(key) for key in keys)

    def touched(self) -> set[str]:
        found, self._touched = self._touched, set()
        return found

    def identities(self) -> dict[str, int]:
        """Return the identity of every prefix, by its text; the same asked one by one."""
        assert self.ipcache.desired is self.ipcache
        whole = dict(self.ipcache.items())
        assert all(self.ipcache[key] == entry for key, entry in whole.items())
        assert len(self.ipcache) == len(whole)
        return {text(key): entry.identity for key, entry in whole.items()}


def text(key: Key) -> str:
    return str(network_of(key.address, key.prefix_length))


def put(rig: Rig, *endpoints: Endpoint) -> None:
    for each in endpoints:
        rig.table.put(each)


@pytest.mark.parametrize("order", [("nodes", "endpoints"), ("endpoints", "nodes")])
def test_nothing_is_known_before_both_watches_have_listed(order: tuple[str, str]) -> None:
    rig = Rig(listed=False)

    for watch in order:
        assert rig.ipcache.desired is None
        getattr(rig.cluster, watch)._synced.set()
    assert rig.identities() == {}


def test_nodes_pods_and_own_addresses_come_together() -> None:
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))
    put(rig, endpoint(1, identity=777))
    rig.devices.become("10.0.2.15")

    assert rig.identities() == {
        "10.244.1.0/24": 2,
        "192.168.10.101/32": 6,
        "10.244.1.93/32": 6,
        "10.244.1.7/32": 8066,
        "10.244.0.1/32": 777,
        "10.0.2.15/32": 1,
    }


def test_entries_tell_the_node_and_that_a_pod_is_never_masqueraded_to() -> None:
    rig = Rig()
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    key = host_key(to_octets(ip_address("10.244.1.7")))
    assert dict(rig.ipcache) == {
        key: layout.IpcacheEntry(8066, layout.IpcacheFlag.IPCACHE_CLUSTER, to_octets(W1))
    }
    assert from_octets(rig.ipcache[key].node) == W1


def test_entry_of_an_own_pod_tells_this_node() -> None:
    rig = Rig()
    put(rig, endpoint(1, identity=777))

    entry = rig.ipcache[host_key(to_octets(ip_address("10.244.0.1")))]

    assert from_octets(entry.node) == NODE_IP


def test_pod_that_has_the_first_address_of_a_cidr_speaks_for_that_address_alone() -> None:
    """Pools may allow first addresses; key and CIDR differ by their length only."""
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.0"))

    identities = rig.identities()

    assert (identities["10.244.1.0/24"], identities["10.244.1.0/32"]) == (2, 8066)


def test_address_that_the_node_and_its_devices_have_is_listed_once() -> None:
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))
    rig.devices.become(str(NODE_IP))

    listed = [text(key) for key in rig.ipcache]

    assert sorted(listed) == ["10.244.0.0/24", "10.244.1.93/32", "192.168.10.100/32"]


async def test_changed_and_removed_objects_leave_no_entry() -> None:
    rig = Rig(new_cluster(Kubernetes()))
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.8", number=9000))
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.102", "10.244.2.0/24"))
    changed = rig.identities()
    withdraw(rig.cluster.endpoints, "web", "default")
    withdraw(rig.cluster.nodes, "k8s-w1")
    await rig.cluster.known_nodes._forget_deleted()

    assert changed == {
        "10.244.2.0/24": 2,
        "192.168.10.102/32": 6,
        "10.244.1.93/32": 6,
        "10.244.1.8/32": 9000,
    }
    assert rig.identities() == {}


def test_a_change_names_the_prefixes_it_touches_and_no_other() -> None:
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    assert rig.touched() == {"10.244.1.0/24", "192.168.10.101/32", "10.244.1.93/32"}
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", ipv6="fd00::7"))
    assert rig.touched() == {"10.244.1.7/32", "fd00::7/128"}
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.8", ipv6="fd00::7"))
    assert rig.touched() == {"10.244.1.7/32", "10.244.1.8/32", "fd00::7/128"}
    put(rig, endpoint(1, identity=777))
    assert rig.touched() == {"10.244.0.1/32"}
    rig.table.remove(1)
    assert rig.touched() == {"10.244.0.1/32"}
    rig.devices.become("10.0.2.15", "192.168.10.100")
    rig.touched()
    rig.devices.become("10.0.2.16", "192.168.10.100")
    assert rig.touched() == {"10.0.2.15/32", "10.0.2.16/32"}


def test_an_address_that_two_pods_claim_goes_to_who_is_left() -> None:
    """The endpoint of a pod that died with its node stays a while; its address has a new pod."""
    rig = Rig()
    publish(rig.cluster.endpoints, cilium_endpoint("old", "10.244.1.7", number=1001))
    publish(rig.cluster.endpoints, cilium_endpoint("new", "10.244.1.7", number=1002))
    assert rig.identities() == {"10.244.1.7/32": 1002}

    withdraw(rig.cluster.endpoints, "new", "default")

    assert rig.identities() == {"10.244.1.7/32": 1001}


def test_a_prefix_that_two_nodes_claim_is_the_elders_and_goes_to_who_is_left() -> None:
    """It was that of whose object was seen last, and its route another's."""
    rig = Rig()
    publish(rig.cluster.nodes, since(2020, "k8s-w2", "192.168.10.102", "10.244.1.0/24"))
    publish(rig.cluster.nodes, since(2024, "k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    cidr = ip_network("10.244.1.0/24")
    key = Key(prefix_bits(cidr), to_octets(cidr.network_address))
    assert rig.ipcache[key].node == to_octets(ip_address("192.168.10.102"))

    drains = since(2020, "k8s-w2", "192.168.10.102", "10.244.2.0/24")
    drains.metadata.annotations[DRAINING_ANNOTATION] = "10.244.1.0/24"
    publish(rig.cluster.nodes, drains)
    assert rig.ipcache[key].node == to_octets(W1), "who only drains it comes after"

    publish(rig.cluster.nodes, since(2024, "k8s-w1", "192.168.10.101"))
    assert rig.ipcache[key].node == to_octets(ip_address("192.168.10.102"))


def test_address_of_this_node_stays_its_own_whoever_claims_it() -> None:
    """Known by the Node alone, as behind a NAT: no device has it."""
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node(NODE, "198.51.100.7"))
    publish(rig.cluster.nodes, since(2020, "k8s-w1", "198.51.100.7"))

    assert rig.identities()["198.51.100.7/32"] == ReservedIdentity.HOST


def test_node_that_can_no_longer_be_understood_stays_as_it_was_understood() -> None:
    rig = Rig()
    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/24"))
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    publish(rig.cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.244.1.0/99"))
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=0))

    assert rig.identities() == {
        "10.244.1.0/24": 2,
        "192.168.10.101/32": 6,
        "10.244.1.93/32": 6,
    }


def test_this_node_knows_its_own_pods_better_than_the_cluster_does() -> None:
    rig = Rig()
    publish(
        rig.cluster.endpoints,
        cilium_endpoint("pod-1", "10.244.0.1", number=5, node=str(NODE_IP)),
    )
    put(rig, endpoint(1, identity=777))

    assert rig.identities() == {"10.244.0.1/32": 777}


def test_own_pods_that_are_not_ready_or_leave_speak_for_no_address() -> None:
    rig = Rig()
    put(
        rig,
        endpoint(1, state=EndpointState.WAITING_FOR_IDENTITY),
        endpoint(2, state=EndpointState.DISCONNECTING),
    )

    assert rig.identities() == {}


def test_objects_that_were_there_before_are_counted_too() -> None:
    cluster = new_cluster()
    publish(cluster.nodes, cilium_node(NODE, str(NODE_IP), "10.244.0.0/24"))

    rig = Rig(cluster)

    assert rig.identities()["192.168.10.100/32"] == 1


def test_entries_of_pods_here_follow_the_nodes_address() -> None:
    rig = Rig()
    rig.table.put(endpoint(5))
    key = host_key(to_octets(parsed("10.244.0.5")))
    assert rig.ipcache[key].node == to_octets(NODE_IP)
    rig.touched()

    publish(rig.cluster.own_node, kube_node("192.168.10.150"))

    assert rig.ipcache[key].node == to_octets(parsed("192.168.10.150"))
    assert "10.244.0.5/32" in rig.touched()


def test_tunnel_to_a_pod_ends_where_its_node_is_now() -> None:
    rig = Rig(tunnel=BY_TUNNEL)
    publish(
        rig.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24", tunnel="vxlan:8472")
    )
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=str(W1)))
    key = host_key(to_octets(ip_address("10.244.1.7")))
    rig.touched()

    publish(
        rig.cluster.nodes,
        cilium_node("k8s-w1", "192.168.10.111", "10.244.1.0/24", tunnel="vxlan:8472"),
    )

    assert "10.244.1.7/32" in rig.touched()
    assert from_octets(rig.ipcache[key].node) == ip_address("192.168.10.111")
    assert rig.ipcache[key].flags & layout.IpcacheFlag.IPCACHE_TUNNEL


def test_tunnel_to_a_pod_ends_nowhere_while_its_node_is_unknown() -> None:
    rig = Rig(tunnel=BY_TUNNEL)
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=str(W1)))
    key = host_key(to_octets(ip_address("10.244.1.7")))
    assert rig.ipcache[key].flags == layout.IpcacheFlag.IPCACHE_CLUSTER
    rig.touched()

    publish(
        rig.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24", tunnel="vxlan:8472")
    )

    assert "10.244.1.7/32" in rig.touched()
    assert rig.ipcache[key].flags & layout.IpcacheFlag.IPCACHE_TUNNEL


def test_pods_leave_the_tunnel_when_their_node_takes_nothing_out_of_it_any_more() -> None:
    rig = Rig(tunnel=BY_TUNNEL)
    publish(
        rig.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24", tunnel="vxlan:8472")
    )
    publish(rig.cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=str(W1)))
    rig.touched()

    publish(rig.cluster.nodes, cilium_node("k8s-w1", str(W1), "10.244.1.0/24"))

    assert {"10.244.1.0/24", "10.244.1.7/32"} <= rig.touched()
    entry = rig.ipcache[host_key(to_octets(ip_address("10.244.1.7")))]
    assert not entry.flags & layout.IpcacheFlag.IPCACHE_TUNNEL
