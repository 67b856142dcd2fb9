"""Structs read what Kubernetes and Cilium write, and write what their schemas require."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ciliate.api.apps import DaemonSet, Deployment
from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointPolicy,
    EndpointState,
    EndpointStatus,
    PolicyDirection,
)
from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.cilium_node import (
    AllocatedPool,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    IPAMPools,
    NodeIPAM,
    PoolDemand,
    RequestedPool,
)
from ciliate.api.coordination import Lease
from ciliate.api.core import Event, Node, Pod
from ciliate.api.metadata import ObjectMeta, format_micro_time, format_time, parse_time
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs


def written(item: Any) -> Any:
    return json.loads(msgspec.json.encode(item))


def test_a_node_is_read_with_unusual_capitals_of_its_keys() -> None:
    node = msgspec.json.decode(
        b'{"kind":"Node","metadata":{"name":"k8s-w1","creationTimestamp":null,"x":1},'
        b'"spec":{"podCIDR":"10.244.1.0/24","podCIDRs":["10.244.1.0/24"],"providerID":"p"},'
        b'"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.101"}]}}',
        type=Node,
    )

    assert node.spec.pod_cidrs == ("10.244.1.0/24",)
    assert node.spec.provider_id == "p"
    assert node.status.addresses[0].address == "192.168.10.101"


def test_a_pod_is_read_with_unusual_capitals_of_its_keys() -> None:
    pod = msgspec.json.decode(
        b'{"spec":{"nodeName":"k8s-w1","hostNetwork":true,"serviceAccountName":"s",'
        b'"containers":[{"name":"c","ports":[{"name":"http","containerPort":80}]}]},'
        b'"status":{"phase":"Running","podIP":"10.244.1.7","podIPs":[{"ip":"10.244.1.7"}],'
        b'"hostIP":"192.168.10.101","containerStatuses":[{"name":"c","ready":true,'
        b'"restartCount":2,"containerID":"containerd://1"}]}}',
        type=Pod,
    )

    assert pod.status.pod_ip == pod.status.pod_ips[0].ip == "10.244.1.7"
    assert pod.status.host_ip == "192.168.10.101"
    assert pod.spec.containers[0].ports[0].container_port == 80
    assert pod.status.container_statuses[0].container_id == "containerd://1"


@pytest.mark.parametrize(
    "kind",
    [Node, Pod, DaemonSet, Deployment, Event, Lease, CiliumNode, CiliumEndpoint, CiliumIdentity],
)
def test_any_kind_can_be_read_from_its_metadata_alone(kind: type[Any]) -> None:
    """Bookmarks of a watch, and deletions of objects that do not fit, carry no more."""
    item = msgspec.json.decode(b'{"metadata":{"resourceVersion":"9"}}', type=kind)

    assert item.metadata.resource_version == "9"


def test_a_cilium_node_is_written_as_cilium_writes_it() -> None:
    node = CiliumNode(
        metadata=ObjectMeta(name="k8s-w1"),
        spec=CiliumNodeSpec(
            boot_id="b",
            addresses=(CiliumNodeAddress("InternalIP", "192.168.10.101"),),
            ipam=NodeIPAM(pod_cidrs=("10.244.1.0/24",)),
        ),
    )

    assert written(node) == {
        "metadata": {"name": "k8s-w1"},
        "spec": {
            "bootid": "b",
            "addresses": [{"type": "InternalIP", "ip": "192.168.10.101"}],
            "health": {},
            "ingress": {},
            "encryption": {},
            "ipam": {"podCIDRs": ["10.244.1.0/24"], "pools": {}},
        },
    }


def test_pools_of_a_node_have_kebab_keys() -> None:
    pools = IPAMPools(
        requested=(RequestedPool("mars", PoolDemand(ipv4_addrs=9)),),
        allocated=(AllocatedPool("mars", ("10.20.0.0/27",)),),
    )

    assert written(NodeIPAM(pools=pools, pre_allocate=8)) == {
        "pre-allocate": 8,
        "pools": {
            "requested": [{"pool": "mars", "needed": {"ipv4-addrs": 9}}],
            "allocated": [{"pool": "mars", "cidrs": ["10.20.0.0/27"]}],
        },
    }


def test_an_endpoint_writes_what_its_schema_requires_even_when_empty() -> None:
    status = EndpointStatus(
        id=7,
        networking=EndpointNetworking(),
        policy=EndpointPolicy(ingress=PolicyDirection()),
        state=EndpointState.READY,
    )

    assert written(CiliumEndpoint(status=status))["status"] == {
        "id": 7,
        "networking": {"addressing": []},
        "policy": {"ingress": {"enforcing": False}},
        "state": "ready",
        "encryption": {},
    }


def test_an_endpoint_comes_back_as_it_was_written() -> None:
    endpoint = CiliumEndpoint(
        metadata=ObjectMeta(name="web", namespace="shop"),
        status=EndpointStatus(
            id=7,
            identity=EndpointIdentity(8066, ("k8s:app=web",)),
            networking=EndpointNetworking((AddressPair("10.244.1.7", ""),), "192.168.10.101"),
            state="ready",
        ),
    )

    text = msgspec.json.encode(endpoint)

    assert msgspec.json.decode(text, type=CiliumEndpoint) == endpoint


def test_the_labels_of_an_identity_stand_at_the_top() -> None:
    identity = CiliumIdentity(metadata=ObjectMeta(name="8066"), security_labels={"k8s:app": "web"})

    assert written(identity) == {
        "metadata": {"name": "8066"},
        "security-labels": {"k8s:app": "web"},
    }


def test_a_pool_has_camel_keys() -> None:
    pool = CiliumPodIPPool(spec=PodIPPoolSpec(ipv4=PoolCIDRs(("10.20.0.0/16",), 27)))

    assert written(pool)["spec"] == {"ipv4": {"cidrs": ["10.20.0.0/16"], "maskSize": 27}}


def test_times_are_read_with_and_without_a_fraction() -> None:
    moment = datetime(2025, 7, 1, 12, 0, 0, 250000, UTC)

    assert parse_time("2025-07-01T12:00:00.250000Z") == moment
    assert parse_time(format_micro_time(moment)) == moment
    assert format_time(moment) == "2025-07-01T12:00:00Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        parse_time("2025-07-01T12:00:00")
