"""The Routing line of `dbg status`: what the agent answers, and how it is printed. Pure."""

from collections.abc import Iterator
from typing import Literal

from ciliate.api.agent import AgentModel


class Routing(AgentModel, frozen=True, kw_only=True):
    """How packets travel between nodes and between a node's pods and its devices."""

    inter_host_routing_mode: Literal["Native", "Tunnel"]
    intra_host_routing_mode: Literal["BPF", "Legacy"]
    tunnel_protocol: str = ""  # "vxlan" or "geneve", in tunnel mode only.


def lines(state: Routing) -> Iterator[str]:
    """Yield the line."""
    tunnel = f" [{state.tunnel_protocol}]" if state.tunnel_protocol else ""
    yield (
        f"Routing:\tNetwork: {state.inter_host_routing_mode}{tunnel}"
        f"\tHost: {state.intra_host_routing_mode}"
    )
