from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.ipam.operator.missing_nodes import MissingNodes


def cilium_node(name: str, *, owned: bool = False) -> CiliumNode:
    owner = OwnerReference(api_version="v1", kind="Node", name=name, uid="u")
    meta = ObjectMeta(name=name, owner_references=(owner,) if owned else ())
    return CiliumNode(metadata=meta)


def test_a_cilium_node_is_garbage_after_its_node_was_missing_for_the_grace_time() -> None:
    missing = MissingNodes(grace_s=300)

    assert missing.garbage([cilium_node("gone")], {}, now_s=0) == []
    assert missing.garbage([cilium_node("gone")], {}, now_s=299) == []
    assert missing.garbage([cilium_node("gone")], {}, now_s=300) == [cilium_node("gone")]


def test_a_node_that_comes_back_begins_anew() -> None:
    missing = MissingNodes(grace_s=300)
    missing.garbage([cilium_node("w1")], {}, now_s=0)
    missing.garbage([cilium_node("w1")], {("", "w1"): Node()}, now_s=200)

    assert missing.garbage([cilium_node("w1")], {}, now_s=400) == []


def test_a_cilium_node_with_an_owner_is_left_to_kubernetes() -> None:
    missing = MissingNodes(grace_s=0)

    assert missing.garbage([cilium_node("gone", owned=True)], {}, now_s=1000) == []
