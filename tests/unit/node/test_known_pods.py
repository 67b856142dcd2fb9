"""`node/known_pods.py`: the pods of the cluster by name, by address and by node."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import all_listed, cilium_endpoint, new_cluster

from ciliate.api.resource import ObjectKey
from ciliate.net.address import to_octets
from ciliate.node.cluster import Cluster
from ciliate.node.known_pod import KnownPod

W1, W2 = "192.168.10.101", "192.168.10.102"


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


class Recorder:
    """Records what a listener is called with."""

    def __init__(self, cluster: Cluster) -> None:
        self.changes: list[tuple[str, int | None, int | None]] = []
        cluster.known_pods.add_listener(self._changed)

    def _changed(self, key: ObjectKey, old: KnownPod | None, new: KnownPod | None) -> None:
        before = old.identity if old is not None else None
        after = new.identity if new is not None else None
        self.changes.append((key[1], before, after))


@pytest.fixture
def cluster() -> Cluster:
    return new_cluster()


def test_pod_is_found_by_name_by_each_address_and_by_node(cluster: Cluster) -> None:
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", ipv6="fd00:10:1::7", node=W1))

    web = KnownPod((octets("10.244.1.7"), octets("fd00:10:1::7")), 8066, octets(W1))
    assert dict(cluster.known_pods.pods) == {("default", "web"): web}
    assert cluster.known_pods.at(octets("10.244.1.7")) == web
    assert cluster.known_pods.at(octets("fd00:10:1::7")) == web
    assert set(cluster.known_pods.addresses()) == set(web.addresses)
    assert cluster.known_pods.on_node(octets(W1)) == (("default", "web"),)


def test_deleted_pod_is_found_no_more(cluster: Cluster) -> None:
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=W1))

    withdraw(cluster.endpoints, "web", "default")

    assert not cluster.known_pods.pods
    assert cluster.known_pods.at(octets("10.244.1.7")) is None
    assert list(cluster.known_pods.addresses()) == []
    assert cluster.known_pods.on_node(octets(W1)) == ()


def test_of_several_pods_with_one_address_the_one_that_said_so_last_has_it(
    cluster: Cluster,
) -> None:
    for number, name in enumerate(("first", "second", "third"), start=1):
        publish(cluster.endpoints, cilium_endpoint(name, "10.244.1.7", number=number))

    owners = [cluster.known_pods.at(octets("10.244.1.7"))]
    for name in ("second", "third", "first"):
        withdraw(cluster.endpoints, name, "default")
        owners.append(cluster.known_pods.at(octets("10.244.1.7")))

    assert [owner and owner.identity for owner in owners] == [3, 3, 1, None]


def test_pod_that_changes_its_address_leaves_the_former_one(cluster: Cluster) -> None:
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.8"))

    assert cluster.known_pods.at(octets("10.244.1.7")) is None
    assert cluster.known_pods.at(octets("10.244.1.8")) is not None


def test_pod_that_changes_its_node_is_on_that_one_alone(cluster: Cluster) -> None:
    """A StatefulSet's pod keeps its name."""
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=W1))

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", node=W2))

    assert cluster.known_pods.on_node(octets(W1)) == ()
    assert cluster.known_pods.on_node(octets(W2)) == (("default", "web"),)


def test_pod_that_loses_its_identity_is_not_known(cluster: Cluster) -> None:
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=0))

    assert cluster.known_pods.at(octets("10.244.1.7")) is None


def test_unreadable_address_leaves_the_pod_out_and_its_former_value_goes(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))
    publish(cluster.endpoints, cilium_endpoint("other", "10.244.1.8"))
    recorder = Recorder(cluster)

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.700"))

    assert cluster.known_pods.pods.keys() == {("default", "other")}
    assert cluster.known_pods.at(octets("10.244.1.7")) is None
    assert recorder.changes[-1] == ("web", 8066, None)
    assert "CiliumEndpoint default/web is left out: '10.244.1.700'" in caplog.text

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.9"))
    assert cluster.known_pods.at(octets("10.244.1.9")) is not None


def test_listeners_are_called_with_the_pod_before_and_now(cluster: Cluster) -> None:
    recorder = Recorder(cluster)

    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=0))
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=1))
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7", number=2))
    withdraw(cluster.endpoints, "web", "default")

    assert recorder.changes == [("web", None, 1), ("web", 1, 2), ("web", 2, None)]


def test_change_that_says_nothing_new_calls_no_listener(cluster: Cluster) -> None:
    """Every endpoint of the cluster is written again and again."""
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))
    recorder = Recorder(cluster)
    recorder.changes.clear()

    for _ in range(3):
        publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))

    assert recorder.changes == []


def test_listener_finds_the_tables_as_they_are_after_the_change(cluster: Cluster) -> None:
    found: list[bool] = []

    def record(_key: ObjectKey, _old: KnownPod | None, _new: KnownPod | None) -> None:
        found.append(cluster.known_pods.at(octets("10.244.1.7")) is not None)

    cluster.known_pods.add_listener(record)
    publish(cluster.endpoints, cilium_endpoint("web", "10.244.1.7"))
    withdraw(cluster.endpoints, "web", "default")

    assert found == [True, False]


def test_late_listener_is_called_for_every_pod_known_by_then(cluster: Cluster) -> None:
    publish(cluster.endpoints, cilium_endpoint("a", "10.244.1.7", number=1))
    publish(cluster.endpoints, cilium_endpoint("b", "10.244.1.8", number=2))

    assert Recorder(cluster).changes == [("a", None, 1), ("b", None, 2)]


async def test_absence_means_nothing_before_the_watch_has_listed(cluster: Cluster) -> None:
    assert not cluster.has_listed

    all_listed(cluster)

    assert cluster.has_listed


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.none()
        | st.tuples(st.sampled_from(("10.244.1.7", "10.244.1.8")), st.sampled_from((W1, W2))),
    ),
    max_size=25,
)


@given(changes=CHANGES)
def test_all_indexes_tell_of_the_same_pods(
    changes: list[tuple[str, tuple[str, str] | None]],
) -> None:
    cluster = new_cluster()
    alive: dict[str, tuple[str, str]] = {}
    for name, place in changes:
        alive.pop(name, None)
        if place is None:
            withdraw(cluster.endpoints, name, "default")
        else:
            alive[name] = place
            publish(cluster.endpoints, cilium_endpoint(name, place[0], node=place[1]))

    pods = cluster.known_pods
    assert {key[1] for key in pods.pods} == alive.keys()
    assert set(pods.addresses()) == {octets(address) for address, _ in alive.values()}
    for node in (W1, W2):
        names = {name for name, place in alive.items() if place[1] == node}
        assert {key[1] for key in pods.on_node(octets(node))} == names
    for address in ("10.244.1.7", "10.244.1.8"):
        owner = pods.at(octets(address))
        owners = [
            pods.pods["default", name] for name, place in alive.items() if place[0] == address
        ]
        assert owner in owners if owners else owner is None
