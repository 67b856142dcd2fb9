"""What a flow is, and what became of it: the columns TYPE, VERDICT and SUMMARY. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from ciliate.cli.hubble import event_names
from ciliate.cli.hubble.drop_texts import drop_text
from ciliate.flows.pb.flow import flow_pb2

_ON_POLICY: Final[Mapping[int, str]] = {
    flow_pb2.FORWARDED: "ALLOWED",
    flow_pb2.REDIRECTED: "ALLOWED",
    flow_pb2.DROPPED: "DENIED",
    flow_pb2.ERROR: "DENIED",
    flow_pb2.AUDIT: "AUDITED",
}

_COLOURS: Final[Mapping[int, str]] = {
    flow_pb2.FORWARDED: "green",
    flow_pb2.REDIRECTED: "green",
    flow_pb2.DROPPED: "red",
    flow_pb2.ERROR: "red",
}


def enum_name(values: EnumTypeWrapper, number: int) -> str:
    """Return the name of a value, or the number where a newer server knows more than we do."""
    try:
        return values.Name(number)
    except ValueError:
        return str(number)


def flow_type(flow: flow_pb2.Flow) -> str:
    """Return the column TYPE."""
    if flow.HasField("l7"):
        return _request_type(flow.l7)
    sub_type = flow.event_type.sub_type
    match flow.event_type.type:
        case event_names.TYPE_TRACE:
            return _at(event_names.TRACE_POINTS, sub_type) or str(sub_type)
        case event_names.TYPE_DROP:
            return drop_text(sub_type)
        case event_names.TYPE_POLICY_VERDICT:
            matched = _at(event_names.POLICY_MATCHES, flow.policy_match_type) or "unknown"
            direction = enum_name(flow_pb2.TrafficDirection, flow.traffic_direction)
            return f"policy-verdict:{matched} {direction}"
        case event_names.TYPE_CAPTURE:
            return enum_name(flow_pb2.DebugCapturePoint, flow.debug_capture_point)
        case event_names.TYPE_SOCKET:
            # A server that keeps to a narrow mask leaves the point out; the sub-type is the same.
            point = flow.sock_xlate_point or sub_type
            return event_names.SOCKET_POINTS.get(point) or enum_name(
                flow_pb2.SocketTranslationPoint, point
            )
        case _:
            return "UNKNOWN"


def _at(names: Sequence[str], number: int) -> str | None:
    return names[number] if 0 <= number < len(names) else None


def _request_type(l7: flow_pb2.Layer7) -> str:
    record = l7.WhichOneof("record") or "l7"
    text = f"{record}-{enum_name(flow_pb2.L7FlowType, l7.type).lower()}"
    source = l7.dns.observation_source if record == "dns" else ""
    return f"{text} {source}" if source else text


def flow_verdict(flow: flow_pb2.Flow, *, policies: bool) -> str:
    """Return the column VERDICT, with the policies that decided where they are wanted."""
    name = enum_name(flow_pb2.Verdict, flow.verdict)
    if flow.event_type.type == event_names.TYPE_POLICY_VERDICT and not flow.HasField("l7"):
        name = _ON_POLICY.get(flow.verdict, name)
    deciding = _deciding(flow) if policies else []
    return f"{name} BY {', '.join(deciding)}" if deciding else name


def verdict_colour(flow: flow_pb2.Flow) -> str:
    """Return the colour of the column VERDICT."""
    return _COLOURS.get(flow.verdict, "yellow")


def _deciding(flow: flow_pb2.Flow) -> list[str]:
    lists = (
        flow.ingress_allowed_by,
        flow.egress_allowed_by,
        flow.ingress_denied_by,
        flow.egress_denied_by,
    )
    return [
        f"{policy.name} ({policy.kind})" if policy.kind else policy.name
        for each in lists
        for policy in each
    ]


def flow_summary(flow: flow_pb2.Flow) -> str:
    """Return the column SUMMARY."""
    parts = [flow.Summary] if flow.Summary else []
    if flow.ip_trace_id.trace_id:
        parts.insert(0, f"IP Trace ID: {flow.ip_trace_id.trace_id}")
    if flow.auth_type:
        parts.append(f"Auth: {enum_name(flow_pb2.AuthType, flow.auth_type)}")
    return "; ".join(parts)
