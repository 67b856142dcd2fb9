"""What `explain path` answers, on a node and of a cluster. Pure."""

from enum import StrEnum

from msgspec import field

from ciliate.api.agent import AgentModel


class Manner(StrEnum):
    """How a packet goes on from a node."""

    POD = "pod"  #: To a pod of this node.
    NODE = "node"  #: To this node itself.
    TUNNEL = "tunnel"  #: To another node, inside of a packet between nodes.
    DIRECT = "direct"  #: To the next hop of a route.
    NOWHERE = "nowhere"  #: It ends here.


class Step(AgentModel, frozen=True, kw_only=True):
    """What one device, map or table says of the packet."""

    at: str
    says: str


class Way(AgentModel, frozen=True, kw_only=True):
    """How packets to `destination` leave a node.

    `node` is the node behind which the datapath knows the destination; `mtu` the greatest packet that
    takes the way, in bytes, 0 where none is known; `source` the address it leaves with. With a tunnel
    `outer_source` and `outer_destination` are those of the packet around it. `problem` says why it goes
    nowhere, or will be lost behind this node.
    """

    destination: str
    manner: Manner
    steps: tuple[Step, ...] = ()
    device: str = ""
    next_hop: str = ""
    node: str = ""
    mtu: int = 0
    source: str = ""
    tunnel: str = ""
    outer_source: str = ""
    outer_destination: str = ""
    problem: str = ""

    @property
    def kind(self) -> str:
        """The manner in a word or two: "VXLAN", "direct routes"."""
        if self.manner is Manner.TUNNEL:
            return self.tunnel.partition(":")[0].upper()
        return "direct routes" if self.manner is Manner.DIRECT else self.manner.value


class Receipt(AgentModel, frozen=True, kw_only=True):
    """What becomes of packets that arrive at a node, from `sender` to `receiver`.

    `tunnel` is the one out of which the node takes packets ("vxlan:8472"), at `tunnel_ends`;
    `devices` are those that run the programs. `steps` follow behind any of these.
    """

    sender: str
    receiver: str
    devices: tuple[str, ...] = ()
    tunnel: str = ""
    tunnel_device: str = ""
    tunnel_ends: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    problem: str = ""


class NodePath(AgentModel, frozen=True, kw_only=True):
    """One node's answer about one of its pods and an address: the way there, and what comes back."""

    node: str
    pod: str
    address: str
    departure: Way
    receipt: Receipt


class NodeWay(AgentModel, frozen=True, kw_only=True):
    """The way from one node to a pod CIDR of the node that has `node_address`."""

    cidr: str
    node_address: str
    way: Way


class NodeWays(AgentModel, frozen=True, kw_only=True):
    """One node's answer about all others: a way for each of their pod CIDRs."""

    node: str
    addresses: tuple[str, ...] = ()
    receipt: Receipt
    ways: tuple[NodeWay, ...] = ()


class NodeStep(AgentModel, frozen=True, kw_only=True):
    """A step, and the node where it is taken; the node is empty between two."""

    node: str
    at: str
    says: str


class Journey(AgentModel, frozen=True, kw_only=True):
    """A packet's whole way in one direction. `problem`: why it does not arrive.

    `leaves`: it goes out of the cluster, where nobody can be asked; `router` stands between two nodes.
    """

    sender: str
    receiver: str
    kind: str
    steps: tuple[NodeStep, ...] = ()
    mtu: int = 0
    router: str = ""
    leaves: bool = False
    problem: str = ""


class Finding(AgentModel, frozen=True, kw_only=True):
    """What is wrong, or odd, with what to do about it."""

    problem: str
    remedy: str = ""


class PathReport(AgentModel, frozen=True, kw_only=True):
    """The way from a pod to a destination, and back where another pod is the far end."""

    pod: str
    destination: str
    there: Journey
    back: Journey | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


class PairVerdict(AgentModel, frozen=True, kw_only=True):
    """Two nodes, by name, in one family: how pods of each reach the other's."""

    nodes: tuple[str, str]
    family: int
    kind: str
    mtu: int = 0
    findings: tuple[Finding, ...] = ()


class PairsReport(AgentModel, frozen=True, kw_only=True):
    """What `explain path --all` found: each pair of nodes, and who could not be asked."""

    pairs: tuple[PairVerdict, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
