"""src/ciliate/net/identity.py, which is generated: the identities every cluster has."""

from ciliate.net.identity import ReservedIdentity


def test_the_numbers_are_those_of_a_cilium_cluster() -> None:
    """They are in the maps and objects of a node that changes from Cilium to Ciliate and back."""
    assert [each.value for each in ReservedIdentity] == list(range(11))
    assert ReservedIdentity(5) is ReservedIdentity.INIT
    assert ReservedIdentity(7) is ReservedIdentity.KUBE_APISERVER


def test_a_label_is_written_as_in_ciliumendpoints() -> None:
    assert ReservedIdentity.HOST.label == "reserved:host"
    assert ReservedIdentity.REMOTE_NODE.label == "reserved:remote-node"
    assert ReservedIdentity.WORLD_IPV4.label == "reserved:world-ipv4"
