"""What `explain service` asks and answers. Pure."""

from ciliate.api.agent import AgentModel


class Question(AgentModel, frozen=True, kw_only=True):
    """POST service/explain: which Service, which of its ports (empty: all), and for whom.

    `client` is NAMESPACE/POD of this node, this node's name, or an address; empty: any process of
    this node.
    """

    namespace: str
    name: str
    port: str = ""
    client: str = ""


class FrontendVerdict(AgentModel, frozen=True, kw_only=True):
    """An address and port at which the client may ask; `problem`: why it gets no answer there."""

    frontend: str
    type: str
    problem: str = ""


class EndpointVerdict(AgentModel, frozen=True, kw_only=True):
    """An endpoint; `slot` is its place in the map, 0: none.

    `difference` names what the API says otherwise than the map; the map decides.
    """

    endpoint: str
    chosen: bool
    because: str = ""
    difference: str = ""
    node: str = ""
    zone: str = ""
    state: str = ""
    slot: int = 0


class PortExplanation(AgentModel, frozen=True, kw_only=True):
    """A port of the Service in one family; `set` is the number of its backends in the map."""

    port: str
    family: str
    set: int
    frontends: tuple[FrontendVerdict, ...] = ()
    endpoints: tuple[EndpointVerdict, ...] = ()


class Explanation(AgentModel, frozen=True, kw_only=True):
    """Who would answer on one node. `because`: why there is no port to tell of."""

    service: str
    node: str
    client: str
    scope: str  # "inside", "outside" the cluster.
    policy: str  # The traffic policy that concerns the client: "Cluster", "Local".
    because: str = ""
    ports: tuple[PortExplanation, ...] = ()
    problems: tuple[str, ...] = ()


def comparable(found: Explanation) -> Explanation:
    """Return an answer without what is each node's own: numbers of sets, slots, its name."""
    ports = tuple(
        PortExplanation(
            port=port.port,
            family=port.family,
            set=0,
            frontends=port.frontends,
            endpoints=tuple(sorted(map(_without_slot, port.endpoints), key=_by_name)),
        )
        for port in found.ports
    )
    return Explanation(
        service=found.service,
        node="",
        client=found.client,
        scope=found.scope,
        policy=found.policy,
        because=found.because,
        ports=ports,
        problems=found.problems,
    )


def _without_slot(found: EndpointVerdict) -> EndpointVerdict:
    return EndpointVerdict(
        endpoint=found.endpoint,
        chosen=found.chosen,
        because=found.because,
        difference=found.difference,
        node=found.node,
        zone=found.zone,
        state=found.state,
    )


def _by_name(found: EndpointVerdict) -> str:
    return found.endpoint
