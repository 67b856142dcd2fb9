"""What `dbg status` says of pods' interfaces and of the CNI configuration. Pure."""

from collections.abc import Iterator

from ciliate.api.agent import AgentModel
from ciliate.api.agent_status import ComponentStatus, FeatureMode


class EndpointCount(AgentModel, frozen=True, kw_only=True):
    """Endpoints of this node, the host's own included."""

    total: int
    ready: int


def lines(chaining: FeatureMode | None, file: ComponentStatus | None) -> Iterator[str]:
    """Yield the lines of the CNI configuration."""
    if chaining:
        yield f"CNI Chaining:\t{chaining.mode}"
    if file:
        yield f"CNI Config file:\t{file.msg}"
