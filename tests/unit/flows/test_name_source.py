"""`flows/name_source.py`: the flow server is told every name there is, and each that changes."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.identity.identity_api import identity, publish, withdraw
from tests.unit.node.cluster_tables import cilium_endpoint, new_cluster
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.core import Pod
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.flows.feed import IdentityLabels, Line, PodGone, PodName
from ciliate.flows.name_source import NameSource
from ciliate.net.address import ip_address, to_octets
from ciliate.node.context import Context
from ciliate.node.endpoint_table import EndpointTable

NOW_NS = 5000
ELSEWHERE, HERE = "192.168.10.101", "192.168.10.100"


class Rig:
    """The tables of node k8s-ctr, and what the flow server is told of them."""

    def __init__(self) -> None:
        self.cluster, self.table = new_cluster(), EndpointTable()
        context = SimpleNamespace(cluster=self.cluster, endpoints=self.table)
        self.source = NameSource(cast("Context", context), clock=lambda: NOW_NS)
        self._told: list[Line] = []
        self.source.changed.add(self._told.append)
        self.source.listen()

    def told(self) -> list[Line]:
        """Return what was told since the last time."""
        found, self._told[:] = [*self._told], []
        return found

    def pod(self, name: str, address: str, *, node: str = ELSEWHERE, **changes: Any) -> None:
        publish(self.cluster.endpoints, cilium_endpoint(name, address, node=node, **changes))


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def deployed(name: str) -> Pod:
    """Return a pod of Deployment `web`."""
    owner = OwnerReference(
        api_version="apps/v1", kind="ReplicaSet", name="web-5d4f", uid="u", controller=True
    )
    meta = ObjectMeta(
        name=name,
        namespace="default",
        generate_name="web-5d4f-",
        labels={"pod-template-hash": "5d4f"},
        owner_references=(owner,),
    )
    return Pod(metadata=meta)


def local(number: int, *, since_ns: int = NOW_NS, **changes: Any) -> PodName:
    """Return how endpoint `number` of the samples is told."""
    told = {
        "key": f"endpoint {number}",
        "since_ns": since_ns,
        "addresses": (octets(f"10.244.0.{number}"),),
        "namespace": "default",
        "pod": f"pod-{number}",
        "identity": 777,
        "endpoint": number,
        "labels": ("k8s:a=1", "k8s:b=2"),
        "uid": "uid-1",
    }
    return PodName(**cast("Any", told | changes))


def remote(name: str, *addresses: str, since_ns: int = NOW_NS, number: int = 8066) -> PodName:
    return PodName(
        key=f"pod default/{name}",
        since_ns=since_ns,
        addresses=tuple(map(octets, addresses)),
        namespace="default",
        pod=name,
        identity=number,
    )


def mine(number: int, **changes: Any) -> Any:
    told: dict[str, Any] = {"identity": 777, "pod_uid": "uid-1", "labels": ("k8s:b=2", "k8s:a=1")}
    return endpoint(number, **(told | changes))


def test_pod_of_this_node_is_told_by_its_endpoint() -> None:
    rig = Rig()
    publish(rig.cluster.pods, deployed("pod-1"))

    rig.table.put(mine(1))

    assert rig.told() == [local(1, workload_kind="Deployment", workload="web")]


def test_pod_of_this_node_whose_labels_change_is_told_again() -> None:
    rig = Rig()
    rig.table.put(mine(1))
    rig.told()

    rig.table.put(mine(1, identity=778, labels=("k8s:a=9",)))

    assert rig.told() == [local(1, identity=778, labels=("k8s:a=9",))]


@pytest.mark.parametrize("by_delete", [True, False])
def test_pod_of_this_node_is_gone_when_packets_reach_it_no_more(by_delete: bool) -> None:  # noqa: FBT001 - a table's.
    rig = Rig()
    rig.table.put(mine(1))
    rig.told()

    if not by_delete:
        rig.table.put(mine(1, state=EndpointState.DISCONNECTING))
    rig.table.remove(1)

    assert rig.told() == [PodGone(key="endpoint 1", at_ns=NOW_NS)]


def test_pod_of_another_node_is_told_with_both_its_addresses_until_it_is_gone() -> None:
    rig = Rig()
    rig.pod("web", "10.244.1.7", ipv6="fd00::7")
    came = rig.told()
    rig.pod("web", "10.244.1.8", number=9000)
    changed = rig.told()
    withdraw(rig.cluster.endpoints, "web", "default")

    assert came == [remote("web", "10.244.1.7", "fd00::7")]
    assert changed == [remote("web", "10.244.1.8", number=9000)]
    assert rig.told() == [PodGone(key="pod default/web", at_ns=NOW_NS)]


def test_of_this_node_s_pods_the_endpoints_tell_and_not_the_cluster() -> None:
    rig = Rig()
    rig.pod("pod-1", "10.244.0.1", node=HERE)
    withdraw(rig.cluster.endpoints, "pod-1", "default")

    assert rig.told() == []


def test_pod_that_comes_to_this_node_is_gone_from_the_other() -> None:
    rig = Rig()
    rig.pod("db-0", "10.244.1.7")
    rig.told()

    rig.pod("db-0", "10.244.0.1", node=HERE)

    assert rig.told() == [PodGone(key="pod default/db-0", at_ns=NOW_NS)]


def test_pod_without_an_identity_yet_is_not_told() -> None:
    rig = Rig()

    rig.pod("web", "10.244.1.7", number=0)

    assert rig.told() == []


def test_identity_is_told_with_its_labels_and_not_when_it_goes() -> None:
    rig = Rig()
    publish(rig.cluster.identities, identity(1001, {"k8s:b": "2", "k8s:a": ""}))
    came = rig.told()
    withdraw(rig.cluster.identities, "1001")

    assert came == [IdentityLabels(number=1001, labels=("k8s:a", "k8s:b=2"))]
    assert rig.told() == []


def test_all_names_hold_from_the_beginning_and_leave_out_who_is_leaving() -> None:
    rig = Rig()
    publish(rig.cluster.identities, identity(1001, {"k8s:a": "1"}))
    rig.pod("web", "10.244.1.7")
    rig.pod("pod-1", "10.244.0.1", node=HERE)
    rig.table.put(mine(1))
    rig.table.put(mine(2, state=EndpointState.DISCONNECTING))
    rig.told()

    assert [*rig.source.all()] == [
        IdentityLabels(number=1001, labels=("k8s:a=1",)),
        remote("web", "10.244.1.7", since_ns=0),
        local(1, since_ns=0),
    ]
    assert rig.told() == []


def test_names_may_change_while_all_are_told() -> None:
    rig = Rig()
    for number in range(1, 20):
        rig.pod(f"web-{number}", f"10.244.1.{number}")
        rig.table.put(mine(number))

    told = 0
    for each in rig.source.all():
        told += isinstance(each, PodName)
        withdraw(rig.cluster.endpoints, f"web-{told}", "default")
        rig.table.remove(told)

    assert told > 0
