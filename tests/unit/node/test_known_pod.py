"""`node/known_pod.py`: what a CiliumEndpoint says of a pod, and what is kept of it."""

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.node.cluster_tables import NODE_IP, cilium_endpoint

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointStatus
from ciliate.net.address import to_octets
from ciliate.node.known_pod import NO_NODE, KnownPod, TrimmedEndpoint, known_pod, trimmed

ELSEWHERE = "192.168.10.101"


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def test_pod_is_its_addresses_of_both_families_its_identity_and_its_node() -> None:
    endpoint = cilium_endpoint("web", "10.244.1.7", ipv6="fd00:10:1::7", number=8066)

    assert known_pod(endpoint) == KnownPod(
        (octets("10.244.1.7"), octets("fd00:10:1::7")), 8066, octets(ELSEWHERE)
    )


def test_pod_without_identity_or_addresses_is_not_known_yet() -> None:
    waiting = cilium_endpoint("web", "10.244.1.7", number=0)
    empty = replace(waiting, status=EndpointStatus())

    assert known_pod(waiting) is None
    assert known_pod(empty) is None


def test_pod_that_names_no_node_is_nobodys() -> None:
    known = known_pod(cilium_endpoint("web", "10.244.1.7", node=""))

    assert known is not None
    assert known.node == NO_NODE


@pytest.mark.parametrize(
    "endpoint",
    [cilium_endpoint("web", "10.244.1.700"), cilium_endpoint("web", "10.244.1.7", node="w1")],
    ids=["address", "node"],
)
def test_what_is_no_address_is_said_before_and_after_trimming(endpoint: CiliumEndpoint) -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address") as whole:
        known_pod(endpoint)
    with pytest.raises(ValueError, match="does not appear to be") as kept:
        known_pod(trimmed(endpoint, is_here=str(NODE_IP).__eq__))

    assert str(kept.value) == str(whole.value)


@pytest.mark.parametrize("number", [-1, 2**32])
def test_identity_that_the_datapath_has_no_room_for_is_said(number: int) -> None:
    """The schema allows 64 bits and a sign; one such object must not stop every agent."""
    endpoint = cilium_endpoint("web", "10.244.1.7", number=number)

    with pytest.raises(ValueError, match=f"{number} is no identity"):
        known_pod(endpoint)
    with pytest.raises(ValueError, match=f"{number} is no identity"):
        known_pod(trimmed(endpoint, is_here=str(NODE_IP).__eq__))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255", "::", "::1", "ff02::1"]
)
def test_address_that_no_pod_has_is_said(address: str) -> None:
    endpoint = cilium_endpoint("web", "10.244.1.7", ipv6=address)

    with pytest.raises(ValueError, match=f"{address} can be no pod's address"):
        known_pod(endpoint)


@pytest.mark.parametrize("address", ["10.244.1.8", "240.0.0.1", "fd00::1", "::ffff:10.244.1.8"])
def test_any_other_address_may_be_a_pods(address: str) -> None:
    assert known_pod(cilium_endpoint("web", address)) is not None


def test_endpoint_of_this_node_is_kept_whole() -> None:
    endpoint = cilium_endpoint("mine", "10.244.0.7", node=str(NODE_IP))

    assert trimmed(endpoint, is_here=str(NODE_IP).__eq__) is endpoint


def test_of_another_nodes_endpoint_its_place_and_what_is_known_of_the_pod_are_kept() -> None:
    endpoint = cilium_endpoint("web", "10.244.1.7", ipv6="fd00:10:1::7")
    meta = replace(
        endpoint.metadata, uid="5e2b", resource_version="17", labels={"app": "web", "tier": "a"}
    )
    endpoint = replace(endpoint, metadata=meta)

    kept = trimmed(endpoint, is_here=str(NODE_IP).__eq__)

    assert isinstance(kept, TrimmedEndpoint)
    assert kept.metadata == replace(meta, labels={})
    assert kept.status == EndpointStatus()
    assert known_pod(kept) == known_pod(endpoint)


def test_pod_that_is_not_known_yet_is_not_known_when_trimmed() -> None:
    kept = trimmed(cilium_endpoint("web", "10.244.1.7", number=0), is_here=str(NODE_IP).__eq__)

    assert known_pod(kept) is None


def test_pods_of_one_node_share_its_address() -> None:
    """A node has a hundred pods and a cluster a thousand nodes."""
    first = known_pod(cilium_endpoint("a", "10.244.1.7"))
    second = known_pod(cilium_endpoint("b", "10.244.1.8"))

    assert first is not None
    assert second is not None
    assert first.node is second.node
