"""What the operator keeps of each object: a cluster's pods and endpoints are many.

Narrow views of the Structs in `ciliate.api`, decoded directly from the API's answers.
"""

from typing import Final

from msgspec import Struct, structs

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS, EndpointNetworking
from ciliate.api.cilium_node import (
    DRAINING_ANNOTATION,
    READY_ANNOTATION,
    CiliumNode,
    CiliumNodeSpec,
)
from ciliate.api.core import PODS, Node
from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.api.resource import Resource


class PodPhase(Struct, frozen=True, gc=False):
    """The part of a pod's status that says whether it has ended."""

    phase: str = ""


class PodPresence(Struct, frozen=True, gc=False):
    """That a pod exists, and whether it still runs."""

    metadata: ObjectMeta = ObjectMeta()
    status: PodPhase = PodPhase()

    @property
    def ended(self) -> bool:
        """Whether all its containers have ended for good: its address is free."""
        return self.status.phase in {"Succeeded", "Failed"}


class IdentityNumber(Struct, frozen=True, gc=False):
    """The number of an endpoint's identity, 0 when it has none yet."""

    id: int = 0


class EndpointUse(Struct, frozen=True, gc=False):
    """The part of an endpoint's status that says which identity and addresses it uses."""

    identity: IdentityNumber | None = None
    networking: EndpointNetworking | None = None


class EndpointPresence(Struct, frozen=True, gc=False):
    """That a CiliumEndpoint exists, which identity it uses, and which addresses on which node."""

    metadata: ObjectMeta = ObjectMeta()
    status: EndpointUse = EndpointUse()

    @property
    def identity(self) -> str:
        """The name of the CiliumIdentity in use, empty for none."""
        number = self.status.identity.id if self.status.identity else 0
        return str(number) if number else ""


class UnreadableNode(CiliumNode, frozen=True, gc=False, omit_defaults=True):
    """A CiliumNode of which `partial_decode` could read the claims only: it gets no CIDRs."""

    problem: str = ""


class AgentStatus(Struct, frozen=True, gc=False):
    """The part of a pod's status that says whether it is ready."""

    conditions: tuple[Condition, ...] = ()


class AgentPlace(Struct, frozen=True, gc=False, rename="camel"):
    """The part of a pod's specification that says where it runs."""

    node_name: str = ""


class AgentPod(Struct, frozen=True, gc=False):
    """The pod of an agent."""

    metadata: ObjectMeta = ObjectMeta()
    spec: AgentPlace = AgentPlace()
    status: AgentStatus = AgentStatus()

    @property
    def ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


POD_PRESENCES: Final[Resource[PodPresence]] = PODS.narrowed(PodPresence)
ENDPOINT_PRESENCES: Final[Resource[EndpointPresence]] = CILIUM_ENDPOINTS.narrowed(EndpointPresence)
AGENT_PODS: Final[Resource[AgentPod]] = PODS.narrowed(AgentPod)


def trimmed_pod(pod: PodPresence) -> PodPresence:
    """Return `pod` with its phase; of its metadata the name, namespace, uid and version stay."""
    return structs.replace(pod, metadata=trimmed_meta(pod.metadata))


def trimmed_endpoint(endpoint: EndpointPresence) -> EndpointPresence:
    """Return `endpoint` with identity and addresses, and metadata as of a trimmed pod."""
    return structs.replace(endpoint, metadata=trimmed_meta(endpoint.metadata))


def trimmed_node(node: Node) -> Node:
    """Return `node` with specification and status, and metadata as of a trimmed pod."""
    return structs.replace(node, metadata=trimmed_meta(node.metadata))


def trimmed_cilium_node(node: CiliumNode) -> CiliumNode:
    """Return `node` with its addresses, `spec.ipam` and status.

    `creationTimestamp` stays, since it decides which of two nodes keeps a CIDR that both have, and
    `ownerReferences`, by which Kubernetes deletes the object; of the annotations, the draining
    CIDRs and until when its agent is ready.
    """
    meta = node.metadata
    kept = (DRAINING_ANNOTATION, READY_ANNOTATION)
    return structs.replace(
        node,
        metadata=structs.replace(
            trimmed_meta(meta),
            annotations={key: meta.annotations[key] for key in kept if meta.annotations.get(key)},
            creation_timestamp=meta.creation_timestamp,
            owner_references=meta.owner_references,
        ),
        spec=CiliumNodeSpec(addresses=node.spec.addresses, ipam=node.spec.ipam),
    )


def trimmed_meta(meta: ObjectMeta) -> ObjectMeta:
    """Return name, namespace, uid and version alone: labels and annotations are the bulk."""
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )
