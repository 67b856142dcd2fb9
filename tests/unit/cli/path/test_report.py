"""What one end said, or both, as people and programs get it."""

import msgspec

from ciliate.cli.path.model import Manner, NodePath, Receipt, Way
from ciliate.cli.path.report import both_ways, one_way, source_of
from ciliate.masquerade.explain.question import read_target

NODES = {"a": frozenset({"192.168.10.100"}), "b": frozenset({"192.168.10.101"})}
RECEIPT = Receipt(sender="", receiver="", devices=("eth1",))


def answer(pod: str, address: str, node: str, way: Way) -> NodePath:
    return NodePath(node=node, pod=pod, address=address, departure=way, receipt=RECEIPT)


def way(to: str, **fields: object) -> Way:
    plain = Way(destination=to, manner=Manner.DIRECT, device="eth1", mtu=1500)
    return msgspec.structs.replace(plain, **fields)


NEAR = answer("ns/one", "10.244.0.7", "a", way("10.244.1.9", node="192.168.10.101"))
FAR = answer("ns/other", "10.244.1.9", "b", way("10.244.0.7", node="192.168.10.100"))


def test_two_pods_are_told_both_ways() -> None:
    found = both_ways(NEAR, FAR, NODES)

    assert (found.pod, found.destination) == ("ns/one (10.244.0.7)", "ns/other (10.244.1.9) on b")
    assert found.back is not None
    assert (found.back.receiver, found.findings, found.notes) == ("ns/one (10.244.0.7)", (), ())


def test_masqueraded_sender_is_answered_at_the_address_that_is_seen() -> None:
    departure = way("10.244.1.9", source="192.168.10.100")
    near = answer("ns/one", "10.244.0.7", "a", departure)

    found = both_ways(near, FAR, NODES)

    assert source_of(near) == "192.168.10.100"
    assert found.back is not None
    assert found.back.receiver == "192.168.10.100"
    assert found.notes == (
        "ns/other sees 192.168.10.100: its answers go there, and on to 10.244.0.7.",
    )


def test_address_of_a_node_is_told_as_such() -> None:
    near = answer("ns/one", "10.244.0.7", "a", way("192.168.10.101", node="192.168.10.101"))

    found = one_way(near, read_target("192.168.10.101"), NODES)

    assert found.findings == ()
    assert "an address of node b" in found.notes[0]


def test_address_outside_is_where_knowledge_ends() -> None:
    near = answer("ns/one", "10.244.0.7", "a", way("203.0.113.10"))

    found = one_way(near, read_target("203.0.113.10:443/tcp"), NODES)

    assert (found.there.leaves, found.findings) == (True, ())
    assert found.notes == ("Behind eth1 nobody of the cluster can be asked.",)


def test_address_of_a_pod_cidr_that_no_pod_has_is_a_finding() -> None:
    found = one_way(NEAR, read_target("10.244.1.9"), NODES)

    assert found.there.problem == "no pod has 10.244.1.9: node b says so by ICMP"
    assert [each.problem for each in found.findings] == [found.there.problem]


def test_far_end_that_did_not_answer_is_a_finding() -> None:
    found = one_way(NEAR, read_target("10.244.1.9"), NODES, "agent of b: it has no pod")

    assert [each.problem for each in found.findings] == [
        "the far end is not followed: agent of b: it has no pod"
    ]
