"""`flows/tls_names.py`: the names by which Hubble's clients know nodes."""

import pytest

from ciliate.flows import tls_names


@pytest.mark.parametrize(
    ("node", "cluster", "name"),
    [
        ("k8s-w1", "default", "k8s-w1.default.hubble-grpc.cilium.io"),
        ("k8s-w1", "", "k8s-w1.default.hubble-grpc.cilium.io"),
        ("w1.east.example", "a.b", "w1-east-example.a-b.hubble-grpc.cilium.io"),
        ("", "east", "default.east.hubble-grpc.cilium.io"),
    ],
)
def test_node_is_one_label_of_its_cluster(node: str, cluster: str, name: str) -> None:
    assert tls_names.node_name(node, cluster) == name


@pytest.mark.parametrize("cluster", ["default", "", "a.b"])
def test_one_certificate_is_for_every_node_of_a_cluster_and_for_whichever_answers(
    cluster: str,
) -> None:
    """A star stands for one label alone (RFC 6125, section 6.4.3)."""
    star, _, domain = tls_names.all_nodes(cluster).partition(".")
    names = [tls_names.node_name("w1.example", cluster), tls_names.peer_service_name(cluster)]

    assert star == "*"
    assert {name.partition(".")[2] for name in names} == {domain}
    assert names[1] == f"hubble-peer.{domain}"
