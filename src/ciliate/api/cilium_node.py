"""CiliumNode, cilium.io/v2: what nodes publish for each other and the operator.

Named like its Kubernetes Node. The agent of the node writes it; the operator fills the IPAM
fields of the modes in which it hands out CIDRs. Some keys are kebab-case, some camelCase; the
spelling here is Cilium's and must stay (docs/CILIUM.md, "Objects").
"""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from ciliate.api.metadata import ObjectMeta, parse_time
from ciliate.api.resource import Resource

#: Annotation of a CiliumNode, ours: the node's former CIDRs in which pods still live, separated by
#: commas. Until the last of those pods is gone, no new address comes out of them, no other node
#: gets them, and all nodes route to them.
DRAINING_ANNOTATION: Final = "ipam.ciliate.io/draining-cidrs"

#: Annotation of a CiliumNode, ours: until when the node's agent has said that it is ready, as RFC
#: 3339 writes times. It is there only where no ready pod speaks for the agent.
READY_ANNOTATION: Final = "readiness.ciliate.io/agent-ready-until"

#: Annotation of a CiliumNode, ours: when the agent that says so started. A restart shows by it.
STARTED_ANNOTATION: Final = "readiness.ciliate.io/agent-started"

#: Annotation of a CiliumNode, ours: the tunnel out of which the node takes packets, such as
#: `vxlan:8472`. Others send by it only where that is the one they use; else by routes.
TUNNEL_RECEIVED_ANNOTATION: Final = "tunnel.ciliate.io/receives"

#: Annotation of a CiliumNode, ours: the tunnel by which the node sends, where it does. Those that no
#: longer do keep theirs for as long as one does.
TUNNEL_SENT_ANNOTATION: Final = "tunnel.ciliate.io/sends"

_LONG_PAST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CiliumNodeAddress(Struct, frozen=True, gc=False, omit_defaults=True):
    """An address of the node; type InternalIP, ExternalIP, Hostname or CiliumInternalIP."""

    type: str = ""
    ip: str = ""


class NodeIPs(Struct, frozen=True, gc=False, omit_defaults=True):
    """At most one address per family."""

    ipv4: str = ""
    ipv6: str = ""


class NodeEncryption(Struct, frozen=True, gc=False, omit_defaults=True):
    """The index of the encryption key in use; 0 means unencrypted."""

    key: int = 0


class IPOwner(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who holds an address: its user, and the cloud resource it comes from."""

    owner: str = ""
    resource: str = ""


class PoolDemand(Struct, frozen=True, gc=False, omit_defaults=True, rename="kebab"):
    """How many addresses of each family a node needs of a pool, in use and spare."""

    ipv4_addrs: int = 0
    ipv6_addrs: int = 0


class RequestedPool(Struct, frozen=True, gc=False, omit_defaults=True):
    """Demand of the node; written by its agent."""

    pool: str
    needed: PoolDemand = PoolDemand()


class AllocatedPool(Struct, frozen=True, gc=False, omit_defaults=True):
    """CIDRs of a pool that the node holds: the operator adds them, the agent gives them back."""

    pool: str
    cidrs: tuple[str, ...] = ()


class IPAMPools(Struct, frozen=True, gc=False, omit_defaults=True):
    """Demand and holdings in multi-pool mode; written even when empty, as Cilium does."""

    requested: tuple[RequestedPool, ...] = ()
    allocated: tuple[AllocatedPool, ...] = ()


class NodeIPAM(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="kebab"):
    """Addresses for the node's pods, in the form its IPAM mode uses."""

    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    pool: dict[str, IPOwner] = {}
    ipv6_pool: dict[str, IPOwner] = {}
    pools: IPAMPools = field(default_factory=IPAMPools)
    min_allocate: int = 0
    max_allocate: int = 0
    pre_allocate: int = 0
    max_above_watermark: int = 0
    static_ip_tags: dict[str, str] = {}


class CiliumNodeSpec(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="kebab"
):
    """What the node's agent says of its node, and what the operator gives it."""

    instance_id: str = ""
    boot_id: str = field(default="", name="bootid")
    node_identity: int = field(default=0, name="nodeidentity")
    addresses: tuple[CiliumNodeAddress, ...] = ()
    # Written even when empty: tools read the keys without asking whether they are there.
    health: NodeIPs = field(default_factory=NodeIPs)
    ingress: NodeIPs = field(default_factory=NodeIPs)
    encryption: NodeEncryption = field(default_factory=NodeEncryption)
    ipam: NodeIPAM = field(default_factory=NodeIPAM)


class OperatorStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """What keeps the operator from serving the node; empty when nothing does."""

    error: str = ""


class NodeIPAMStatus(
    Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="kebab"
):
    """The state of address management, by operator and agent."""

    operator_status: OperatorStatus = field(default_factory=OperatorStatus)
    used: dict[str, IPOwner] = {}
    ipv6_used: dict[str, IPOwner] = {}


class CiliumNodeStatus(Struct, frozen=True, gc=False, omit_defaults=True):
    """The status subresource."""

    ipam: NodeIPAMStatus = field(default_factory=NodeIPAMStatus)


class CiliumNode(Struct, frozen=True, gc=False, omit_defaults=True):
    """A node as its agent publishes it."""

    metadata: ObjectMeta = ObjectMeta()
    spec: CiliumNodeSpec = field(default_factory=CiliumNodeSpec)
    status: CiliumNodeStatus = CiliumNodeStatus()

    @property
    def current_cidrs(self) -> tuple[str, ...]:
        """The CIDRs of every mode that the node gives addresses out of."""
        ipam = self.spec.ipam
        pools = (cidr for pool in ipam.pools.allocated for cidr in pool.cidrs)
        return tuple(dict.fromkeys((*ipam.pod_cidrs, *pools)))

    @property
    def draining_cidrs(self) -> tuple[str, ...]:
        """The CIDRs in which pods of a former time still live (DRAINING_ANNOTATION)."""
        current = self.current_cidrs
        return tuple(cidr for cidr in self.drained_cidrs if cidr not in current)

    @property
    def drained_cidrs(self) -> tuple[str, ...]:
        """Every CIDR that the agent drains, also those that a pool's list still has.

        A CIDR outside the ranges of its pool stays in `pools.allocated` while pods live in it:
        only the agent gives it back.
        """
        words = self.metadata.annotations.get(DRAINING_ANNOTATION, "").replace(",", " ").split()
        return tuple(dict.fromkeys(words))

    @property
    def agent_ready_until(self) -> datetime | None:
        """Until when the agent has said that it is ready (READY_ANNOTATION); None: it does not say.

        What is no time is long past.
        """
        text = self.metadata.annotations.get(READY_ANNOTATION)
        if not text:
            return None
        try:
            return parse_time(text)
        except ValueError:
            return _LONG_PAST

    @property
    def tunnel_received(self) -> str:
        """The tunnel out of which the node takes packets; empty: none."""
        return self.metadata.annotations.get(TUNNEL_RECEIVED_ANNOTATION, "")

    @property
    def tunnel_sent(self) -> str:
        """The tunnel by which the node sends; empty: none."""
        return self.metadata.annotations.get(TUNNEL_SENT_ANNOTATION, "")

    @property
    def agent_started(self) -> str:
        """When the agent that speaks for itself started (STARTED_ANNOTATION), to be compared only."""
        return self.metadata.annotations.get(STARTED_ANNOTATION, "")


CILIUM_NODES: Final = Resource(
    "cilium.io", "v2", "ciliumnodes", "CiliumNode", namespaced=False, struct=CiliumNode
)
