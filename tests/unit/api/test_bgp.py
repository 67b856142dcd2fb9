"""The schemas of the BGP kinds take what docs/BGP.md shows and refuse wrong fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from ciliate.api import bgp
from ciliate.api.definitions import custom_resource_definitions
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.api.resource import Resource
from ciliate.apiserver.schema_rules import schema_causes
from ciliate.apiserver.structural import check, compile_schema

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "bgp.yaml"

RESOURCES: tuple[Resource[Any], ...] = (
    bgp.CLUSTER_CONFIGS,
    bgp.NODE_CONFIGS,
    bgp.NODE_CONFIG_OVERRIDES,
    bgp.PEER_CONFIGS,
    bgp.ADVERTISEMENTS,
)
DEFINITIONS = {
    each.document["spec"]["names"]["kind"]: each.document["spec"]
    for each in custom_resource_definitions()
}


def schema_of(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = DEFINITIONS[kind]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def problems(kind: str, spec: dict[str, Any]) -> str:
    found = check(compile_schema(schema_of(kind)), {"metadata": {"name": "x"}, "spec": spec})
    return " ".join(map(str, found))


def instance(**changes: Any) -> dict[str, Any]:
    return {"bgpInstances": [{"name": "main", "localASN": 65001, **changes}]}


def peer(**changes: Any) -> dict[str, Any]:
    return instance(peers=[{"name": "router", "peerAddress": "192.0.2.1", **changes}])


def advertised(**changes: Any) -> dict[str, Any]:
    return {"advertisements": [{"advertisementType": "PodCIDR", **changes}]}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.kind)
def test_kinds_are_ciliums_and_served_in_both_versions(resource: Resource[Any]) -> None:
    spec = DEFINITIONS[resource.kind]

    assert (spec["group"], spec["names"]["plural"], spec["scope"]) == (
        *("cilium.io", resource.plural),
        "Cluster",
    )
    assert spec["names"]["categories"] == ["cilium", "ciliumbgp"]
    versions = [(each["name"], each["served"], each["storage"]) for each in spec["versions"]]
    assert versions == [("v2", True, True), ("v2alpha1", True, False)]
    assert list(schema_causes(schema_of(resource.kind), "")) == []


def examples() -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(EXAMPLE.read_text())


@pytest.mark.parametrize("document", tuple(examples()), ids=lambda each: each["kind"])
def test_the_example_is_taken_and_read(document: dict[str, Any]) -> None:
    (resource,) = (each for each in RESOURCES if each.kind == document["kind"])

    assert problems(document["kind"], document["spec"]) == ""
    found = msgspec.convert(document, resource.struct, strict=False)
    assert msgspec.to_builtins(found.spec) != {}


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("CiliumBGPClusterConfig", {"bgpInstances": []}, "bgpInstances"),
        ("CiliumBGPClusterConfig", {}, "bgpInstances"),
        ("CiliumBGPClusterConfig", instance(localASN=0), "localASN"),
        ("CiliumBGPClusterConfig", instance(localASN=4294967296), "localASN"),
        ("CiliumBGPClusterConfig", instance(localPort=65536), "localPort"),
        ("CiliumBGPClusterConfig", instance(name=""), "name"),
        ("CiliumBGPClusterConfig", peer(peerASN=-1), "peerASN"),
        ("CiliumBGPClusterConfig", peer(peerAddress="router.example"), "peerAddress"),
        ("CiliumBGPClusterConfig", peer(peerAddress="192.0.2.1\n}"), "peerAddress"),
        ("CiliumBGPClusterConfig", peer(peerConfigRef={}), "peerConfigRef"),
        ("CiliumBGPClusterConfig", peer(autoDiscovery={"mode": "Guess"}), "mode"),
        ("CiliumBGPPeerConfig", {"timers": {"holdTimeSeconds": 2}}, "holdTimeSeconds"),
        ("CiliumBGPPeerConfig", {"ebgpMultihop": 256}, "ebgpMultihop"),
        ("CiliumBGPPeerConfig", {"gracefulRestart": {}}, "gracefulRestart"),
        (
            "CiliumBGPPeerConfig",
            {"gracefulRestart": {"enabled": True, "restartTimeSeconds": 4096}},
            "restartTimeSeconds",
        ),
        ("CiliumBGPPeerConfig", {"families": [{"afi": "ipx", "safi": "unicast"}]}, "afi"),
        ("CiliumBGPPeerConfig", {"transport": {"peerPort": 0}}, "peerPort"),
        ("CiliumBGPAdvertisement", advertised(advertisementType="Pods"), "advertisementType"),
        ("CiliumBGPAdvertisement", advertised(service={"addresses": []}), "addresses"),
        (
            "CiliumBGPAdvertisement",
            advertised(attributes={"communities": {"standard": ["65536:1"]}}),
            "standard",
        ),
        (
            "CiliumBGPAdvertisement",
            advertised(attributes={"communities": {"wellKnown": ["no-exprt"]}}),
            "wellKnown",
        ),
        ("CiliumBGPNodeConfigOverride", instance(routerID="2001:db8::1"), "routerID"),
    ],
)
def test_a_wrong_field_is_refused_by_name(kind: str, spec: dict[str, Any], field: str) -> None:
    assert field in problems(kind, spec)


def test_what_the_operator_and_the_agent_write_fits() -> None:
    config = bgp.NodeConfigSpec(
        (
            bgp.NodeInstance(
                name="main",
                local_asn=65001,
                router_id="192.0.2.10",
                peers=(
                    bgp.NodePeer(
                        name="router",
                        peer_address="2001:db8::1",
                        peer_config_ref=bgp.PeerConfigReference("router"),
                        local_address="2001:db8::2",
                    ),
                ),
            ),
        )
    )

    written = msgspec.json.decode(msgspec.json.encode(config))
    assert problems("CiliumBGPNodeConfig", written) == ""


def test_the_owner_of_a_nodes_configuration_is_found_by_its_kind() -> None:
    other, owner = (
        OwnerReference(api_version="cilium.io/v2", kind=kind, name="x", uid="u")
        for kind in ("Node", "CiliumBGPClusterConfig")
    )

    assert bgp.owner_of(ObjectMeta(owner_references=(other, owner))) == owner
    assert bgp.owner_of(ObjectMeta(owner_references=(other,))) is None
