"""The identity line of `dbg status`: what the agent answers, and how it is printed. Pure."""

from collections.abc import Iterator

from ciliate.api.agent import AgentModel


class IdentityRange(AgentModel, frozen=True, kw_only=True):
    """Identities a cluster may give out, both inclusive."""

    min_identity: int
    max_identity: int


def lines(state: IdentityRange) -> Iterator[str]:
    """Yield the line."""
    yield f"Global Identity Range:\tmin {state.min_identity}, max {state.max_identity}"
