"""Which node gets whose configuration."""

from ciliate.api.bgp import (
    BGPInstance,
    BGPPeer,
    CiliumBGPClusterConfig,
    CiliumBGPNodeConfigOverride,
    ClusterConfigSpec,
    InstanceOverride,
    NodeConfigOverrideSpec,
    PeerOverride,
)
from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.bgp.operator.plan import plan


def config(name: str, age: int = 0, **labels: str) -> CiliumBGPClusterConfig:
    instance = BGPInstance(
        name="main",
        local_asn=65001,
        peers=(BGPPeer(name="router", peer_address="192.0.2.1", peer_asn=65000),),
    )
    selector = LabelSelector(labels) if labels else None
    meta = ObjectMeta(name=name, uid=f"uid-{name}", creation_timestamp=f"2026-01-01T00:00:0{age}Z")
    return CiliumBGPClusterConfig(meta, ClusterConfigSpec(selector, (instance,)))


NODES = {"n1": {"rack": "1"}, "n2": {"rack": "2"}}


def test_selected_nodes_get_the_configuration_and_others_nothing() -> None:
    found = plan([config("one", rack="1")], {}, NODES, {})

    assert list(found.nodes) == ["n1"]
    assert found.nodes["n1"].owner == "one"
    assert found.nodes["n1"].spec.bgp_instances[0].peers[0].peer_address == "192.0.2.1"
    assert found.selected == {"one": 1}


def test_without_a_selector_every_node_is_meant() -> None:
    assert set(plan([config("all")], {}, NODES, {}).nodes) == {"n1", "n2"}


def test_of_two_the_one_that_the_node_has_keeps_it_else_the_elder() -> None:
    both = [config("young", 5), config("old", 1)]

    anew = plan(both, {}, {"n1": {}}, {})
    kept = plan(both, {}, {"n1": {}}, {"n1": "uid-young"})

    assert (anew.nodes["n1"].owner, anew.conflicts) == ("old", {"young": ("old",)})
    assert (kept.nodes["n1"].owner, kept.conflicts) == ("young", {"old": ("young",)})


def test_an_owner_that_is_gone_keeps_nothing() -> None:
    assert plan([config("one")], {}, {"n1": {}}, {"n1": "uid-gone"}).nodes["n1"].owner == "one"


def test_an_override_changes_details_of_its_node_alone() -> None:
    other = CiliumBGPNodeConfigOverride(
        ObjectMeta(name="n1"),
        NodeConfigOverrideSpec(
            (
                InstanceOverride(
                    name="main",
                    router_id="192.0.2.99",
                    local_asn=65009,
                    peers=(PeerOverride("router", "192.0.2.7"), PeerOverride("unknown", "x")),
                ),
                InstanceOverride(name="unknown", router_id="192.0.2.98"),
            )
        ),
    )

    found = plan([config("all")], {"n1": other}, NODES, {})

    (changed,), (plain,) = (found.nodes[n].spec.bgp_instances for n in ("n1", "n2"))
    assert (changed.router_id, changed.local_asn) == ("192.0.2.99", 65009)
    assert [each.local_address for each in changed.peers] == ["192.0.2.7"]
    assert (plain.router_id, plain.local_asn, plain.peers[0].local_address) == ("", 65001, "")
