"""What a change of the routing mode will do, said before agents read it. Pure."""

from collections.abc import Iterator, Mapping

from ciliate.config.settings import AgentSettings, RoutingSettings, parse_agent_settings
from ciliate.errors import CiliateError


def routing_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return what agents that start with `after` will do otherwise, a line each.

    Nothing where the way between nodes stays, or where either cannot be read: who refuses it says so.
    """
    try:
        old, new = parse_agent_settings(before), parse_agent_settings(after)
    except CiliateError:
        return ()
    if _way(old.routing) == _way(new.routing):
        return ()
    return tuple(_lines(old, new))


def _way(routing: RoutingSettings) -> str:
    """Return by which way packets reach pods of other nodes, for people."""
    tunnel = routing.tunnel
    if tunnel is None:
        return "native routing"
    protocol, port = tunnel.name.split(":")
    return f"a {protocol} tunnel (UDP {port}, by IPv{tunnel.underlay_version})"


def _lines(old: AgentSettings, new: AgentSettings) -> Iterator[str]:
    yield (
        f"pods of other nodes: by {_way(new.routing)} instead of {_way(old.routing)}, on each node"
        " from its agent's next start on"
    )
    before, after = old.routing.tunnel, new.routing.tunnel
    if before is not None and after is not None and before.name != after.name:
        yield (
            "between nodes of which one has started anew: by direct routes, on one layer 2; what is"
            " under way while a node's agent starts is lost"
        )
    else:
        yield (
            "meanwhile each node sends by the tunnel to those that take packets out of it, and"
            " directly to the others: on one layer 2 nothing is lost"
        )
    less = (after.overhead if after is not None else 0) - (
        before.overhead if before is not None else 0
    )
    if less:
        yield (
            f"routes between nodes, and in pods: {abs(less)} bytes {'less' if less > 0 else 'more'}"
            " of MTU"
        )
    if (before is None) != (after is None) and (new.masquerade.ipv4 or new.masquerade.ipv6):
        seen = "their node's address" if before is None else "their own address"
        yield f"nodes see pods that open connections to them by {seen}"
    if after is None and not new.routing.auto_direct_node_routes:
        yield (
            "auto-direct-node-routes is false: the network must know every node's pod CIDR before"
            " the first agent starts"
        )
