"""Flows to play: some that a lab's nodes told, and others of the same shape."""

import time
import uuid
from pathlib import Path
from typing import Final

from google.protobuf.json_format import Parse

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

#: Of two nodes: `curl`s of namespace `shop`, names asked for, a ping, a drop.
_RECORDED: Final = Path(__file__).parent / "recorded_flows.jsonl"


def recorded() -> list[observer_pb2.GetFlowsResponse]:
    """Return what nodes told, as `hubble observe -o json` printed it."""
    lines = _RECORDED.read_text().splitlines()
    return [Parse(line, observer_pb2.GetFlowsResponse()) for line in lines]


def pod(name: str, namespace: str = "default", *, identity: int = 0) -> flow_pb2.Endpoint:
    """Return the end of a flow that is a pod, with the labels that a pod has."""
    number = identity or 1000 + hash((name, namespace)) % 60_000
    end = flow_pb2.Endpoint(identity=number, namespace=namespace, pod_name=name, ID=number % 4096)
    end.labels.extend((f"k8s:app={name}", f"k8s:io.kubernetes.pod.namespace={namespace}"))
    return end


def world() -> flow_pb2.Endpoint:
    """Return the end that is outside of the cluster."""
    return flow_pb2.Endpoint(identity=2, labels=["reserved:world"])


def tcp_flow(
    source: flow_pb2.Endpoint,
    destination: flow_pb2.Endpoint,
    port: int = 80,
    *,
    is_reply: bool = False,
    dropped: bool = False,
    at_s: float | None = None,
) -> flow_pb2.Flow:
    """Return a flow of a connection to a port, seen now; a reply's port is where it comes from."""
    flow = flow_pb2.Flow(source=source, destination=destination, node_name="k8s-ctr")
    flow.uuid, flow.Summary, flow.Type = str(uuid.uuid4()), "TCP Flags: SYN", flow_pb2.L3_L4
    flow.time.FromNanoseconds(int((time.time() if at_s is None else at_s) * 1e9))
    flow.IP.source, flow.IP.destination, flow.IP.ipVersion = "10.0.0.1", "10.0.0.2", flow_pb2.IPv4
    ports = (port, 40_000) if is_reply else (40_000, port)
    flow.l4.TCP.source_port, flow.l4.TCP.destination_port = ports
    flow.l4.TCP.flags.SYN = True
    if dropped:
        flow.verdict, flow.drop_reason_desc = flow_pb2.DROPPED, flow_pb2.POLICY_DENIED
        flow.event_type.type, flow.event_type.sub_type = 1, flow_pb2.POLICY_DENIED
        return flow
    flow.verdict, flow.event_type.type = flow_pb2.FORWARDED, 4
    flow.trace_observation_point = flow_pb2.TO_ENDPOINT
    flow.is_reply.value = is_reply
    return flow
