"""The definitions say what docs/CILIUM.md says; our objects fit their schemas."""

from collections.abc import Iterator
from typing import Any

import fastjsonschema
import msgspec
import pytest
import yaml

from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointIdentity,
    EndpointNetworking,
    EndpointPolicy,
    EndpointStatus,
    NamedPort,
    PolicyDirection,
)
from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.cilium_node import (
    AllocatedPool,
    CiliumNode,
    CiliumNodeSpec,
    IPAMPools,
    IPOwner,
    NodeIPAM,
    RequestedPool,
)
from ciliate.api.definitions import Definition, custom_resource_definitions, schema_version
from ciliate.api.load_balancer_ip_pool import (
    CiliumLoadBalancerIPPool,
    LoadBalancerIPPoolSpec,
    LoadBalancerIPPoolStatus,
    PoolBlock,
)
from ciliate.api.masquerade_policy import MasqueradePolicy, MasqueradePolicyStatus
from ciliate.api.metadata import Condition, LabelExpression, LabelSelector, ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs

DEFINITIONS = {definition.name: definition for definition in custom_resource_definitions()}

CN, CEP, CID, CPIP, CNC, LBPOOL = (
    f"{plural}.cilium.io"
    for plural in (
        "ciliumnodes",
        "ciliumendpoints",
        "ciliumidentities",
        "ciliumpodippools",
        "ciliumnodeconfigs",
        "ciliumloadbalancerippools",
    )
)
MASQPOL = "masqueradepolicies.ciliate.io"


def version_of(name: str) -> dict[str, Any]:
    """The version in which objects are stored."""
    versions = DEFINITIONS[name].document["spec"]["versions"]
    (version,) = (each for each in versions if each["storage"])
    assert isinstance(version, dict)
    return version


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = version_of(name)["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize(
    ("name", "kind", "version", "short", "scope", "status"),
    [
        (CN, "CiliumNode", "v2", ["cn", "ciliumn"], "Cluster", True),
        (CPIP, "CiliumPodIPPool", "v2alpha1", ["cpip"], "Cluster", False),
        (CEP, "CiliumEndpoint", "v2", ["cep", "ciliumep"], "Namespaced", False),
        (CID, "CiliumIdentity", "v2", ["ciliumid"], "Cluster", True),
        (CNC, "CiliumNodeConfig", "v2", [], "Namespaced", False),
        (
            LBPOOL,
            "CiliumLoadBalancerIPPool",
            "v2",
            ["ippools", "ippool", "lbippool", "lbippools"],
            "Cluster",
            True,
        ),
    ],
)
def test_names_and_subresources_are_those_of_cilium(
    name: str, kind: str, version: str, short: list[str], scope: str, *, status: bool
) -> None:
    spec = DEFINITIONS[name].document["spec"]

    assert spec["names"]["kind"] == kind
    assert spec["names"].get("shortNames", []) == short
    assert spec["names"]["categories"] == ["cilium"]
    assert spec["scope"] == scope
    assert version_of(name)["name"] == version
    assert ("status" in version_of(name).get("subresources", {})) is status


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        (
            CN,
            [
                ("CiliumInternalIP", '.spec.addresses[?(@.type=="CiliumInternalIP")].ip', 0),
                ("InternalIP", '.spec.addresses[?(@.type=="InternalIP")].ip', 0),
                ("Age", ".metadata.creationTimestamp", 0),
            ],
        ),
        (
            CEP,
            [
                ("Security Identity", ".status.identity.id", 0),
                ("Ingress Enforcement", ".status.policy.ingress.state", 1),
                ("Egress Enforcement", ".status.policy.egress.state", 1),
                ("Endpoint State", ".status.state", 0),
                ("IPv4", ".status.networking.addressing[0].ipv4", 0),
                ("IPv6", ".status.networking.addressing[0].ipv6", 0),
            ],
        ),
        (
            CID,
            [
                ("Namespace", r".metadata.labels.io\.kubernetes\.pod\.namespace", 0),
                ("Age", ".metadata.creationTimestamp", 0),
            ],
        ),
        (
            LBPOOL,
            [
                ("Disabled", ".spec.disabled", 0),
                (
                    "Conflicting",
                    '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status',
                    0,
                ),
                (
                    "IPs Available",
                    '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message',
                    0,
                ),
                ("Age", ".metadata.creationTimestamp", 0),
            ],
        ),
        (CPIP, []),
        (CNC, []),
    ],
)
def test_columns_are_those_of_cilium(name: str, columns: list[tuple[str, str, int]]) -> None:
    declared = version_of(name).get("additionalPrinterColumns", [])

    assert [(c["name"], c["jsonPath"], c.get("priority", 0)) for c in declared] == columns


def test_pools_of_load_balancers_have_the_version_of_cilium_1_17_too() -> None:
    """With the same schema and columns, so that nothing needs converting."""
    stored, former = DEFINITIONS[LBPOOL].document["spec"]["versions"]

    assert (stored["name"], former["name"]) == ("v2", "v2alpha1")
    assert former["served"]
    assert former["deprecated"]
    for part in ("schema", "additionalPrinterColumns", "subresources"):
        assert former[part] == stored[part]


def test_our_own_kind_is_of_our_own_group() -> None:
    spec = DEFINITIONS[MASQPOL].document["spec"]

    assert (spec["group"], spec["scope"]) == ("ciliate.io", "Cluster")
    assert spec["names"]["shortNames"] == ["masqpol"]
    assert version_of(MASQPOL)["name"] == "v1alpha1"
    assert [
        (each["name"], each["jsonPath"], each.get("priority", 0))
        for each in version_of(MASQPOL)["additionalPrinterColumns"]
    ] == [
        ("Priority", ".spec.priority", 0),
        ("Rules", ".status.rules", 0),
        ("Accepted", '.status.conditions[?(@.type=="Accepted")].status', 0),
        ("Message", '.status.conditions[?(@.type=="Accepted")].message', 1),
        ("Age", ".metadata.creationTimestamp", 0),
    ]


def _nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from _nodes(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_schemas_are_structural_and_every_property_is_explained(name: str) -> None:
    """Kubernetes refuses schemas without a type at every node; kubectl explain shows the rest."""
    for path, node in _nodes(schema_of(name), ""):
        assert "type" in node, path
        if not path.endswith("[]") and path != ".metadata":
            assert node.get("description"), path


@pytest.mark.parametrize(
    ("name", "item"),
    [
        (
            CN,
            CiliumNode(
                spec=CiliumNodeSpec(
                    ipam=NodeIPAM(
                        pod_cidrs=("10.244.1.0/24",),
                        pool={"10.0.0.1": IPOwner("shop/web")},
                        pools=IPAMPools(
                            (RequestedPool("mars"),), (AllocatedPool("mars", ("a",)),)
                        ),
                    )
                )
            ),
        ),
        (
            CEP,
            CiliumEndpoint(
                metadata=ObjectMeta(name="web"),
                status=EndpointStatus(
                    id=1,
                    identity=EndpointIdentity(8066, ("k8s:app=web",)),
                    networking=EndpointNetworking((AddressPair("10.244.1.7", "fd00::7"),), "n"),
                    state="ready",
                    named_ports=(NamedPort("http", 80, "TCP"),),
                    policy=EndpointPolicy(
                        egress=PolicyDirection(enforcing=True, state="enforcing")
                    ),
                ),
            ),
        ),
        (
            CID,
            CiliumIdentity(metadata=ObjectMeta(name="8066"), security_labels={"k8s:app": "web"}),
        ),
        (CPIP, CiliumPodIPPool(spec=PodIPPoolSpec(ipv6=PoolCIDRs(("fd00::/104",), 120)))),
        (
            LBPOOL,
            CiliumLoadBalancerIPPool(
                spec=LoadBalancerIPPoolSpec(
                    blocks=(
                        PoolBlock(cidr="192.0.2.0/24"),
                        PoolBlock(start="2001:db8::1", stop="2001:db8::9"),
                    ),
                    service_selector=LabelSelector(
                        {"io.kubernetes.service.namespace": "shop"},
                        (LabelExpression("color", "In", ("red",)),),
                    ),
                    allow_first_last_ips="No",
                    disabled=True,
                ),
                status=LoadBalancerIPPoolStatus(
                    (
                        Condition(
                            type="cilium.io/PoolConflict",
                            status="True",
                            observed_generation=1,
                            reason="cidr_overlap",
                            message="block 192.0.2.0/24 overlaps",
                            last_transition_time="2026-11-29T16:00:00Z",
                        ),
                    )
                ),
            ),
        ),
        (
            MASQPOL,
            MasqueradePolicy(
                spec={
                    "priority": 0,
                    "rules": [
                        {
                            "name": "to-bank",
                            "namespaceSelector": {"matchLabels": {"team": "pay"}},
                            "podSelector": {
                                "matchExpressions": [
                                    {"key": "app", "operator": "In", "values": ["web"]}
                                ]
                            },
                            "pool": "green",
                            "destinations": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}],
                            "ports": [{"protocol": "TCP", "port": 1, "endPort": 65535}],
                            "source": "Address",
                            "addresses": ["192.0.2.9", "2001:db8::9"],
                        }
                    ],
                },
                status=MasqueradePolicyStatus(
                    rules=1,
                    conditions=(
                        Condition(
                            type="Accepted",
                            status="True",
                            observed_generation=3,
                            reason="Accepted",
                            message="nodes use this version",
                            last_transition_time="2026-11-29T16:00:00Z",
                        ),
                    ),
                ),
            ),
        ),
    ],
)
def test_our_objects_fit_the_schema_and_no_field_would_be_pruned(name: str, item: Any) -> None:
    schema = schema_of(name)
    document = {"metadata": {}, **msgspec.to_builtins(item)}

    fastjsonschema.compile(_closed(schema), use_default=False, formats={"cidr": r".*"})(document)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with unknown properties refused, where Kubernetes would drop them."""
    closed = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if "properties" in schema:
        closed["properties"] = {n: _closed(s) for n, s in schema["properties"].items()}
        closed["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        closed["additionalProperties"] = _closed(schema["additionalProperties"])
    if isinstance(schema.get("items"), dict):
        closed["items"] = _closed(schema["items"])
    # The metadata's own schema is Kubernetes'; a list of states differs in what it closes.
    if set(schema) == {"type"} and schema["type"] == "object":
        closed["additionalProperties"] = True
    return closed


def test_definitions_are_read_as_any_yaml_parser_reads_them() -> None:
    """They are read by the quick one where the machine has it."""
    for definition in custom_resource_definitions():
        assert definition.document == yaml.safe_load(definition.text)


def test_a_schema_version_is_compared_as_numbers() -> None:
    label = "io.cilium.k8s.crd.schema.version"

    assert schema_version({label: "1.31.10"}) > schema_version({label: "1.31.9"})
    assert schema_version({}) == schema_version({label: "unknown"}) == ()


def test_every_definition_states_its_schema_version() -> None:
    assert all(isinstance(d, Definition) and d.schema_version for d in DEFINITIONS.values())
