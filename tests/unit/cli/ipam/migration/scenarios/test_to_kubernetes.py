"""`ciliate ipam migrate --to kubernetes`: by podCIDRs or annotations, of the families that are on."""

from tests.unit.cli.ipam.migration.planned_cluster import (
    CONFIG,
    DUAL,
    node,
    plan,
    refusals,
    state,
)

from ciliate.cli.ipam.migration.plan import awaited

BY_ANNOTATION = {"network.cilium.io/ipv4-pod-cidr": "10.9.0.0/24"}
V6_BY_ANNOTATION = {"network.cilium.io/ipv6-pod-cidr": "fd00:10::/64"}


def test_node_has_arrived_with_the_family_that_is_on_whatever_else_is_published() -> None:
    both = ("10.244.0.0/24", "fd00:10:244::/64")

    assert awaited(CONFIG, node(1, *both)) == ""
    assert awaited(CONFIG, node(1, both[0], kubernetes=both)) == ""
    assert awaited(CONFIG, node(1, both[1], kubernetes=both)) != ""
    assert awaited({**CONFIG, **DUAL}, node(1, both[0], kubernetes=both)) != ""


def test_annotation_gives_a_node_its_cidr() -> None:
    before = node(1, "10.20.0.0/24", kubernetes=(), annotations=BY_ANNOTATION)

    found = plan(state(before, ipam="cluster-pool"), "kubernetes")

    assert refusals(found) == []
    assert found.steps[0].after == "10.9.0.0/24 (network.cilium.io/ipv4-pod-cidr)"
    assert awaited(CONFIG, before) == "the CIDRs of its Node in its CiliumNode"
    after = node(1, "10.9.0.0/24", kubernetes=(), annotations=BY_ANNOTATION)
    assert awaited(CONFIG, after) == ""


def test_one_family_by_pod_cidr_and_the_other_by_annotation() -> None:
    mixed = node(
        1,
        "10.244.0.0/24",
        "fd00:10::/64",
        kubernetes=("10.244.0.0/24",),
        annotations=V6_BY_ANNOTATION,
    )

    found = plan(state(mixed), "kubernetes", **_words(DUAL))

    assert refusals(found) == []
    assert awaited({**CONFIG, **DUAL}, mixed) == ""


def test_annotation_that_is_no_cidr_stands_in_the_way() -> None:
    bad = node(1, kubernetes=(), annotations={"network.cilium.io/ipv4-pod-cidr": "10.9.0.1/24"})

    (problem,) = refusals(plan(state(bad, ipam="cluster-pool"), "kubernetes"))

    assert problem.startswith("node n1: network.cilium.io/ipv4-pod-cidr: '10.9.0.1/24'")


def _words(config: dict[str, str]) -> dict[str, str]:
    return {key.replace("-", "_"): value for key, value in config.items()}
