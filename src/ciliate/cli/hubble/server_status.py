"""What a server says of itself, as text: `hubble status`. Pure."""

from typing import Final

from ciliate.cli.hubble.record_text import Record
from ciliate.flows.harmless import harmless
from ciliate.flows.pb.observer import observer_pb2

NOT_KNOWN: Final = "N/A"

_NS: Final = 1_000_000_000


def uptime_text(nanoseconds: int) -> str:
    """Return a span in whole seconds: "1h2m3s"."""
    minutes, seconds = divmod(round(nanoseconds / _NS), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def rate_since_start(seen: int, uptime_ns: int) -> float | None:
    """Return flows a second since a server's start, or None where that is not known."""
    return seen * _NS / uptime_ns if uptime_ns else None


def status_lines(status: observer_pb2.ServerStatusResponse) -> str:
    """Return the lines for people, without the first."""
    share = ""
    if status.max_flows:
        share = f" ({100 * status.num_flows / status.max_flows:.2f}%)"
    rate = status.flows_rate if status.flows_rate > 0 else None
    if rate is None:
        rate = rate_since_start(status.seen_flows, status.uptime_ns)
    lines = [
        f"Current/Max Flows: {status.num_flows:,}/{status.max_flows:,}{share}",
        f"Flows/s: {NOT_KNOWN if rate is None else f'{rate:.2f}'}",
    ]
    away = status.num_unavailable_nodes.value
    if status.HasField("num_connected_nodes"):
        connected = status.num_connected_nodes.value
        lines.append(f"Connected Nodes: {connected}/{connected + away}")
    if away:
        named = list(status.unavailable_nodes)
        lines.append(f"Unavailable Nodes: {away}")
        lines += [f"  - {harmless(name)}" for name in named]
        if away > len(named):
            lines.append(f"  - and {away - len(named)} more...")
    return "".join(f"{line}\n" for line in lines)


def status_record(status: observer_pb2.ServerStatusResponse) -> Record:
    """Return the same as fields."""
    return _record(status, unavailable="NUM UNAVAIL. NODES")


def status_row(status: observer_pb2.ServerStatusResponse) -> Record:
    """Return the same as a row of a table."""
    return _record(status, unavailable="NUM UNAVAILABLE NODES")


def _record(status: observer_pb2.ServerStatusResponse, *, unavailable: str) -> Record:
    connected, away = NOT_KNOWN, NOT_KNOWN
    if status.HasField("num_connected_nodes"):
        connected = f"{status.num_connected_nodes.value:,}"
    if status.HasField("num_unavailable_nodes"):
        away = f"{status.num_unavailable_nodes.value:,}"
    return {
        "NUM FLOWS": f"{status.num_flows:,}",
        "MAX FLOWS": f"{status.max_flows:,}",
        "SEEN FLOWS": f"{status.seen_flows:,}",
        "FLOWS PER SECOND": f"{status.flows_rate:.2f}" if status.flows_rate > 0 else NOT_KNOWN,
        "UPTIME": uptime_text(status.uptime_ns),
        "NUM CONNECTED NODES": connected,
        unavailable: away,
        "VERSION": harmless(status.version),
    }
