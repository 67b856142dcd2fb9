"""Nodes and namespaces that a server knows, as tables: `hubble list`. Pure."""

from collections.abc import Iterable
from typing import Final

from ciliate.cli.hubble.record_text import Record, render_table
from ciliate.cli.hubble.server_status import NOT_KNOWN, rate_since_start, uptime_text
from ciliate.flows.harmless import harmless
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2

_STATES: Final = {
    relay_pb2.NODE_CONNECTED: "Connected",
    relay_pb2.NODE_UNAVAILABLE: "Unavailable",
    relay_pb2.NODE_GONE: "Gone",
    relay_pb2.NODE_ERROR: "Error",
}

_COLUMNS: Final = ("NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS")
_WIDE_COLUMNS: Final = ("VERSION", "ADDRESS", "TLS")


def sorted_nodes(nodes: Iterable[observer_pb2.Node]) -> list[observer_pb2.Node]:
    """Return the nodes by name."""
    return sorted(nodes, key=lambda node: node.name)


def render_nodes(nodes: Iterable[observer_pb2.Node], *, wide: bool) -> str:
    """Return a row for each node, with where it answers when it is `wide`."""
    columns = (*_COLUMNS, *(_WIDE_COLUMNS if wide else ()))
    rows = [_node(each) for each in nodes]
    return render_table([{name: row[name] for name in columns} for row in rows], columns)


def _node(node: observer_pb2.Node) -> Record:
    rate = rate_since_start(node.seen_flows, node.uptime_ns)
    flows = NOT_KNOWN
    if node.max_flows:
        share = 100 * node.num_flows / node.max_flows
        flows = f"{node.num_flows}/{node.max_flows} ({share:6.2f}%)"
    tls = NOT_KNOWN
    if node.HasField("tls"):
        tls = "Enabled" if node.tls.enabled else "Disabled"
    return {
        "NAME": harmless(node.name),
        "STATUS": _STATES.get(node.state, "Unknown"),
        "AGE": uptime_text(node.uptime_ns) if node.uptime_ns else NOT_KNOWN,
        "FLOWS/S": NOT_KNOWN if rate is None else f"{rate:.2f}",
        "CURRENT/MAX-FLOWS": flows,
        "VERSION": harmless(node.version) or NOT_KNOWN,
        "ADDRESS": harmless(node.address),
        "TLS": tls,
    }


def render_namespaces(namespaces: Iterable[observer_pb2.Namespace], *, wide: bool) -> str:
    """Return a row for each namespace, with its cluster when it is `wide`."""
    columns = ("NAMESPACE", "CLUSTER") if wide else ("NAMESPACE",)
    rows = [
        {"NAMESPACE": harmless(each.namespace), "CLUSTER": harmless(each.cluster)}
        for each in namespaces
    ]
    return render_table([{name: row[name] for name in columns} for row in rows], columns)
