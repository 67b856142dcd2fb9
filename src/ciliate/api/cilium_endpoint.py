"""CiliumEndpoint, cilium.io/v2: a pod's address and identity, published to all nodes.

Namespace and name are the pod's. There is no spec and no status subresource: the agent of the
pod's node writes `status` through the main resource, as in Cilium.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


class EndpointState(StrEnum):
    """The states an endpoint may be in; read as text, because newer versions may add one."""

    CREATING = "creating"
    WAITING_FOR_IDENTITY = "waiting-for-identity"
    NOT_READY = "not-ready"
    WAITING_TO_REGENERATE = "waiting-to-regenerate"
    REGENERATING = "regenerating"
    RESTORING = "restoring"
    READY = "ready"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"
    INVALID = "invalid"


class EndpointIdentity(Struct, frozen=True, gc=False, omit_defaults=True):
    """The numeric identity and the labels it stands for, each `source:key=value`."""

    id: int = 0
    labels: tuple[str, ...] = ()


class AddressPair(Struct, frozen=True, gc=False, omit_defaults=True):
    """The endpoint's addresses on one interface, per family."""

    ipv4: str = ""
    ipv6: str = ""


class EndpointNetworking(Struct, frozen=True, gc=False, omit_defaults=True):
    """Addresses, and the IP of the node they are on."""

    # A factory's value is written even when it is empty: the schema requires the key.
    addressing: tuple[AddressPair, ...] = field(default_factory=lambda: ())
    node: str = ""


class NamedPort(Struct, frozen=True, gc=False, omit_defaults=True):
    """A port with a name, for policy rules that use names."""

    name: str = ""
    port: int = 0
    protocol: str = ""


class ExternalIdentifiers(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="kebab"
):
    """What others call the endpoint: the runtime, Kubernetes."""

    cni_attachment_id: str = ""
    container_id: str = ""
    container_name: str = ""
    k8s_namespace: str = ""
    k8s_pod_name: str = ""
    pod_name: str = ""


class EndpointEncryption(Struct, frozen=True, gc=False, omit_defaults=True):
    """The index of the encryption key; 0 means unencrypted."""

    key: int = 0


class PolicyDirection(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether policy is enforced in one direction of the endpoint."""

    enforcing: bool = field(default_factory=bool)  # Required by the schema: written when false.
    state: str = ""


class EndpointPolicy(Struct, frozen=True, gc=False, omit_defaults=True):
    """Policy enforcement by direction, seen from the pod."""

    ingress: PolicyDirection | None = None
    egress: PolicyDirection | None = None


class EndpointStatus(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="kebab"
):
    """All there is to an endpoint; `id` is its number on its node, `state` an EndpointState."""

    id: int = 0
    identity: EndpointIdentity | None = None
    networking: EndpointNetworking | None = None
    state: str = ""
    named_ports: tuple[NamedPort, ...] = ()
    external_identifiers: ExternalIdentifiers = ExternalIdentifiers()
    encryption: EndpointEncryption = field(default_factory=EndpointEncryption)
    policy: EndpointPolicy | None = None
    service_account: str = ""


class CiliumEndpoint(Struct, frozen=True, gc=False, omit_defaults=True):
    """An endpoint of the cluster as its node's agent publishes it."""

    metadata: ObjectMeta = ObjectMeta()
    status: EndpointStatus = EndpointStatus()


CILIUM_ENDPOINTS: Final = Resource(
    "cilium.io",
    "v2",
    "ciliumendpoints",
    "CiliumEndpoint",
    namespaced=True,
    struct=CiliumEndpoint,
)
