"""What the operator keeps of objects, and what it drops."""

import pytest
from msgspec import structs

from ciliate.api.cilium_node import (
    DRAINING_ANNOTATION,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeEncryption,
    NodeIPAM,
)
from ciliate.api.core import Node, NodeSpec
from ciliate.api.metadata import Condition, ObjectMeta, OwnerReference
from ciliate.cluster.views import (
    AgentPod,
    AgentStatus,
    EndpointPresence,
    EndpointUse,
    IdentityNumber,
    PodPhase,
    PodPresence,
    trimmed_cilium_node,
    trimmed_endpoint,
    trimmed_node,
    trimmed_pod,
)

NAMED = ObjectMeta(name="a", namespace="shop", uid="u", resource_version="7")
FULL = structs.replace(NAMED, labels={"app": "web"}, annotations={"other": "text"})


@pytest.mark.parametrize(
    ("phase", "ended"),
    [("Pending", False), ("Running", False), ("Succeeded", True), ("Failed", True), ("", False)],
)
def test_a_pod_has_ended_when_its_containers_have_for_good(phase: str, *, ended: bool) -> None:
    assert PodPresence(status=PodPhase(phase)).ended is ended


def test_an_endpoint_without_a_number_has_no_identity() -> None:
    assert EndpointPresence().identity == ""
    assert EndpointPresence(status=EndpointUse(identity=IdentityNumber())).identity == ""
    assert EndpointPresence(status=EndpointUse(identity=IdentityNumber(1001))).identity == "1001"


@pytest.mark.parametrize(("kind", "status"), [("Ready", "False"), ("Initialized", "True")])
def test_an_agent_is_ready_by_that_condition_alone(kind: str, status: str) -> None:
    other = Condition(type=kind, status=status)
    ready = Condition(type="Ready", status="True")

    assert not AgentPod(status=AgentStatus((other,))).ready
    assert AgentPod(status=AgentStatus((other, ready))).ready


def test_a_trimmed_pod_keeps_its_name_version_and_phase() -> None:
    trimmed = trimmed_pod(PodPresence(metadata=FULL, status=PodPhase("Running")))

    assert trimmed == PodPresence(metadata=NAMED, status=PodPhase("Running"))


def test_a_trimmed_endpoint_keeps_its_identity_and_a_trimmed_node_its_specification() -> None:
    use = EndpointUse(identity=IdentityNumber(1001))
    spec = NodeSpec(pod_cidr="10.0.0.0/24")

    endpoint = trimmed_endpoint(EndpointPresence(metadata=FULL, status=use))
    node = trimmed_node(Node(metadata=FULL, spec=spec))

    assert endpoint == EndpointPresence(metadata=NAMED, status=use)
    assert node == Node(metadata=NAMED, spec=spec)


def test_a_trimmed_cilium_node_on_which_nothing_drains_has_no_annotation() -> None:
    assert trimmed_cilium_node(CiliumNode(metadata=FULL)).metadata == NAMED


def test_a_trimmed_cilium_node_keeps_what_draining_age_and_deletion_need() -> None:
    owner = OwnerReference(api_version="v1", kind="Node", name="a", uid="n")
    kept = CiliumNodeSpec(
        addresses=(CiliumNodeAddress(type="InternalIP", ip="192.0.2.1"),),
        ipam=NodeIPAM(pod_cidrs=("10.0.0.0/24",)),
    )
    meta = structs.replace(
        NAMED,
        labels={"app": "web"},
        annotations={"other": "text", DRAINING_ANNOTATION: "10.1.0.0/24"},
        creation_timestamp="2026-01-01T00:00:00Z",
        owner_references=(owner,),
    )

    whole = structs.replace(kept, boot_id="b", encryption=NodeEncryption(key=3))

    trimmed = trimmed_cilium_node(CiliumNode(metadata=meta, spec=whole))

    assert trimmed.metadata == structs.replace(
        NAMED,
        annotations={DRAINING_ANNOTATION: "10.1.0.0/24"},
        creation_timestamp="2026-01-01T00:00:00Z",
        owner_references=(owner,),
    )
    assert trimmed.spec == kept
