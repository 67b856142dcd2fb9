"""`api/node_cidrs.py`: what Kubernetes gives a node, and where it says so."""

import pytest

from ciliate.api.core import Node, NodeSpec
from ciliate.api.metadata import ObjectMeta
from ciliate.api.node_cidrs import NodeCIDRError, node_cidrs

IPV4, IPV6 = "network.cilium.io/ipv4-pod-cidr", "network.cilium.io/ipv6-pod-cidr"


def node(*pod_cidrs: str, pod_cidr: str = "", **annotations: str) -> Node:
    names = {"ipv4": IPV4, "ipv6": IPV6}
    meta = ObjectMeta(name="a", annotations={names[v]: text for v, text in annotations.items()})
    return Node(metadata=meta, spec=NodeSpec(pod_cidr=pod_cidr, pod_cidrs=pod_cidrs))


def given(found: Node) -> list[tuple[str, str]]:
    return [(str(each.cidr), each.field) for each in node_cidrs(found)]


def test_pod_cidrs_come_first_ipv4_before_ipv6() -> None:
    assert given(node("fd00::/64", "10.0.0.0/24", pod_cidr="10.9.0.0/24")) == [
        ("10.0.0.0/24", "Node.spec.podCIDRs"),
        ("fd00::/64", "Node.spec.podCIDRs"),
    ]
    assert given(node(pod_cidr="10.9.0.0/24")) == [("10.9.0.0/24", "Node.spec.podCIDRs")]
    assert given(node()) == []


def test_annotation_serves_for_a_family_without_pod_cidr() -> None:
    assert given(node("10.0.0.0/24", ipv4="10.9.0.0/24", ipv6="fd00:9::/64")) == [
        ("10.0.0.0/24", "Node.spec.podCIDRs"),
        ("fd00:9::/64", IPV6),
    ]


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (node("garbage"), "Node.spec.podCIDRs: 'garbage'"),
        (node(ipv4="10.9.0.1/24"), f"{IPV4}: '10.9.0.1/24'"),
        (node(ipv4="fd00::/64"), f"{IPV4}: 'fd00::/64'"),
    ],
)
def test_what_is_no_cidr_is_reported_by_its_field(bad: Node, field: str) -> None:
    with pytest.raises(NodeCIDRError, match=f"^Node a: {field} is no CIDR") as caught:
        node_cidrs(bad)

    assert caught.value.node == "a"
    assert f"{caught.value.field}: {caught.value.text!r}" == field
