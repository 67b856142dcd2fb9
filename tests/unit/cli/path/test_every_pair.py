"""Each pair of nodes, both ways: what is the same is symmetric, what is not is found."""

import msgspec

from ciliate.cli.path.every_pair import verdicts
from ciliate.cli.path.model import Manner, NodeWay, NodeWays, Receipt, Way

ADDRESSES = {name: frozenset({f"192.168.10.{number}"}) for number, name in enumerate("abc", 100)}
RECEIPT = Receipt(sender="", receiver="", devices=("eth1",))


def node(name: str, *others: str, **fields: object) -> NodeWays:
    """A node with a direct route to a pod CIDR of each other, which `fields` change."""
    ways = []
    for other in others:
        number = "abc".index(other)
        hop = f"192.168.10.{100 + number}"
        way = Way(destination=f"10.244.{number}.1", manner=Manner.DIRECT, next_hop=hop, mtu=1500)
        changed = msgspec.structs.replace(way, **fields)
        ways.append(NodeWay(cidr=f"10.244.{number}.0/24", node_address=hop, way=changed))
    return NodeWays(node=name, addresses=tuple(ADDRESSES[name]), receipt=RECEIPT, ways=tuple(ways))


def found(*nodes: NodeWays) -> dict[tuple[str, str], list[str]]:
    every = verdicts({each.node: each for each in nodes}, ADDRESSES)
    return {each.nodes: [one.problem for one in each.findings] for each in every}


def test_symmetric_pairs_have_no_finding() -> None:
    assert found(node("a", "b", "c"), node("b", "a", "c"), node("c", "a", "b")) == {
        ("a", "b"): [],
        ("a", "c"): [],
        ("b", "c"): [],
    }


def test_node_with_another_mtu_is_found_in_its_pairs_alone() -> None:
    every = found(node("a", "b", "c", mtu=1400), node("b", "a", "c"), node("c", "a", "b"))

    assert [pair for pair, problems in every.items() if problems] == [("a", "b"), ("a", "c")]


def test_cidr_that_one_does_not_know_is_found() -> None:
    every = found(node("a", "b"), node("b"))

    assert every["a", "b"] == ["the datapath of b knows no IPv4 pod CIDR of a"]


def test_second_cidr_that_is_not_reached_is_found() -> None:
    one = node("a", "b")
    (first,) = one.ways
    lost = NodeWay(
        cidr="10.244.9.0/24",
        node_address=first.node_address,
        way=msgspec.structs.replace(first.way, problem="no route to 10.244.9.1"),
    )

    every = found(msgspec.structs.replace(one, ways=(first, lost)), node("b", "a"))

    assert every["a", "b"] == ["a to 10.244.9.0/24 of b: no route to 10.244.9.1"]


def test_families_are_looked_at_one_by_one() -> None:
    one, other = node("a", "b"), node("b", "a")
    v6 = Way(destination="fd00::1", manner=Manner.DIRECT, mtu=1500)
    to_b = NodeWay(cidr="fd00::/64", node_address="192.168.10.101", way=v6)
    one = msgspec.structs.replace(one, ways=(*one.ways, to_b))

    every = [
        (each.family, len(each.findings)) for each in verdicts({"a": one, "b": other}, ADDRESSES)
    ]

    assert every == [(4, 0), (6, 1)]
