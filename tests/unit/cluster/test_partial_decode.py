"""Objects that the API server accepts and our Structs do not: what they claim stays theirs."""

import pytest

from ciliate.api.cilium_node import AllocatedPool
from ciliate.cluster.partial_decode import partial_endpoint, partial_node
from ciliate.cluster.views import UnreadableNode, trimmed_cilium_node


@pytest.mark.parametrize("number", [b"5.5e0", b"1e30"])
def test_numbers_that_do_not_fit_hide_no_claim(number: bytes) -> None:
    node = trimmed_cilium_node(
        partial_node(
            b"""{"metadata":{"name":"odd","uid":"u","annotations":
            {"ipam.ciliate.io/draining-cidrs":"10.3.0.0/24"}},
            "spec":{"addresses":[{"type":"InternalIP","ip":"192.0.2.1"},5],"ipam":{
            "podCIDRs":["10.0.0.0/24",7],"min-allocate":%s,"pools":{
            "requested":[{"pool":"x","needed":{"ipv4-addrs":1e3}}],
            "allocated":[{"pool":"x","cidrs":["10.1.0.0/24",null]},{"cidrs":["10.2.0.0/24"]},3]}}},
            "status":{"ipam":{"operator-status":{"error":"no CIDR"}}}}"""
            % number
        )
    )

    assert isinstance(node, UnreadableNode)
    assert node.problem
    assert node.metadata.name == "odd"
    assert node.current_cidrs == ("10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24")
    assert node.draining_cidrs == ("10.3.0.0/24",)
    assert node.spec.ipam.pools.allocated[0] == AllocatedPool(pool="x", cidrs=("10.1.0.0/24",))
    assert [a.ip for a in node.spec.addresses] == ["192.0.2.1"]
    assert node.status.ipam.operator_status.error == "no CIDR"


def test_an_endpoint_that_cannot_be_read_keeps_its_addresses_and_identity() -> None:
    endpoint = partial_endpoint(
        b"""{"metadata":{"name":"web","namespace":"default"},"status":{"identity":{"id":5.0},
        "networking":{"addressing":[{"ipv4":"10.0.0.7"},{"ipv4":7}],"node":"192.0.2.1"}}}"""
    )

    assert (endpoint.metadata.namespace, endpoint.metadata.name) == ("default", "web")
    assert endpoint.identity == "5"
    assert endpoint.status.networking is not None
    assert [pair.ipv4 for pair in endpoint.status.networking.addressing] == ["10.0.0.7"]
    assert endpoint.status.networking.node == "192.0.2.1"


@pytest.mark.parametrize("document", [b'{"metadata":{"name":"a"},"spec":[]}', b'{"spec":5}'])
def test_what_claims_nothing_that_can_be_read_is_known_all_the_same(document: bytes) -> None:
    assert partial_node(document).current_cidrs == ()
    assert partial_endpoint(document).identity == ""
