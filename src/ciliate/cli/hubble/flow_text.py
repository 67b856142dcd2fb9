"""Flows as lines and as records: the text of `hubble observe`. Pure.

In a line (`compact`) the arrow points to where the connection goes: of a reply source and destination
are swapped. Records keep the packet's own direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ciliate.cli.hubble.event_names import IDENTITIES, TYPE_SOCKET
from ciliate.cli.hubble.flow_type import (
    enum_name,
    flow_summary,
    flow_type,
    flow_verdict,
    verdict_colour,
)
from ciliate.cli.hubble.record_text import Record
from ciliate.cli.hubble.style import Style
from ciliate.flows.harmless import harmless
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a flow; `port` is 0 where there is none."""

    host: str
    port: int
    identity: int

    def text(self, style: Style) -> str:
        """Return host and port."""
        host = style.paint(harmless(self.host), "cyan")
        if not self.port:
            return host
        if ":" in self.host:
            host = f"[{host}]"
        return f"{host}:{style.paint(str(self.port), 'yellow')}"

    def identity_text(self, style: Style) -> str:
        """Return the identity as it stands behind the host."""
        reserved = self.identity < len(IDENTITIES)
        text = IDENTITIES[self.identity] if reserved else f"ID:{self.identity}"
        return style.paint(f"({text})", "magenta")


def flow_line(response: observer_pb2.GetFlowsResponse, style: Style) -> str:
    """Return a flow as one line, without a line's end."""
    flow = response.flow
    first, second = _ends(flow, style)
    arrow = "<>"
    if flow.HasField("is_reply"):
        arrow = "<-" if flow.is_reply.value else "->"
        if flow.is_reply.value:
            first, second = second, first
    verdict = harmless(flow_verdict(flow, policies=style.policies))
    node = f" [{_node(response)}]" if style.node else ""
    return (
        f"{_time(flow, style)}{node}: {first.text(style)} {first.identity_text(style)} {arrow}"
        f" {second.text(style)} {second.identity_text(style)} {harmless(flow_type(flow))}"
        f" {style.paint(verdict, verdict_colour(flow))} ({harmless(flow_summary(flow))})"
    )


def flow_record(response: observer_pb2.GetFlowsResponse, style: Style) -> Record:
    """Return a flow as fields."""
    flow = response.flow
    source, destination = _ends(flow, style)
    verdict = harmless(flow_verdict(flow, policies=style.policies))
    node = {"NODE": _node(response)} if style.node else {}
    return {
        "TIMESTAMP": _time(flow, style),
        **node,
        "SOURCE": source.text(style),
        "DESTINATION": destination.text(style),
        "TYPE": harmless(flow_type(flow)),
        "VERDICT": style.paint(verdict, verdict_colour(flow)),
        "SUMMARY": harmless(flow_summary(flow)),
    }


def lost_line(response: observer_pb2.GetFlowsResponse, style: Style) -> str:
    """Return a message about lost events as one line."""
    lost = response.lost_events
    time = style.moment(response.time if response.HasField("time") else None)
    return f"{time} EVENTS LOST: {_lost_source(lost)} {_lost_details(lost, style)}"


def lost_record(response: observer_pb2.GetFlowsResponse, style: Style) -> Record:
    """Return a message about lost events, with the fields of a flow."""
    node = {"NODE": _node(response)} if style.node else {}
    return {
        "TIMESTAMP": style.moment(response.time if response.HasField("time") else None),
        **node,
        "SOURCE": "",
        "DESTINATION": "",
        "TYPE": "EVENTS LOST",
        "VERDICT": "",
        "SUMMARY": f"{_lost_source(response.lost_events)}"
        f" {_lost_details(response.lost_events, style)}",
    }


def _lost_source(lost: flow_pb2.LostEvent) -> str:
    return enum_name(flow_pb2.LostEventSource, lost.source)


def _lost_details(lost: flow_pb2.LostEvent, style: Style) -> str:
    text = f"CPU({lost.cpu.value}) {lost.num_events_lost}"
    if not (lost.HasField("first") or lost.HasField("last")):
        return text
    first = style.moment(lost.first if lost.HasField("first") else None)
    last = style.moment(lost.last if lost.HasField("last") else None)
    return f"{text} (first: {first}, last: {last})"


def _node(response: observer_pb2.GetFlowsResponse) -> str:
    return harmless(response.flow.node_name or response.node_name)


def _time(flow: flow_pb2.Flow, style: Style) -> str:
    return style.moment(flow.time if flow.HasField("time") else None)


def _ends(flow: flow_pb2.Flow, style: Style) -> tuple[_End, _End]:
    """Return source and destination."""
    source_port, destination_port = _ports(flow.l4)
    from_ethernet = not flow.HasField("IP")
    address = flow.ethernet if from_ethernet else flow.IP
    by_name = style.names and not from_ethernet
    # A socket's call shows how an address becomes another: a Service's stays what was asked for.
    is_call = flow.event_type.type == TYPE_SOCKET
    with_source = not is_call and flow.HasField("source_service")
    with_destination = not is_call and flow.HasField("destination_service")
    source = _name(flow.source, flow.source_service if with_source else None, flow.source_names)
    destination = _name(
        flow.destination,
        flow.destination_service if with_destination else None,
        flow.destination_names,
    )
    return (
        _End((source if by_name else "") or address.source, source_port, flow.source.identity),
        _End(
            (destination if by_name else "") or address.destination,
            destination_port,
            flow.destination.identity,
        ),
    )


def _name(
    endpoint: flow_pb2.Endpoint, service: flow_pb2.Service | None, names: Sequence[str]
) -> str:
    """Return a pod's name, a service's, or those of DNS; a service's namespace goes for both."""
    namespace = endpoint.namespace if service is None else service.namespace
    name = endpoint.pod_name or (service.name if service is not None else "")
    if not name:
        return ",".join(names)
    return f"{namespace}/{name}" if namespace else name


def _ports(l4: flow_pb2.Layer4) -> tuple[int, int]:
    match l4.WhichOneof("protocol"):
        case "TCP":
            return l4.TCP.source_port, l4.TCP.destination_port
        case "UDP":
            return l4.UDP.source_port, l4.UDP.destination_port
        case "SCTP":
            return l4.SCTP.source_port, l4.SCTP.destination_port
        case _:
            return 0, 0
