"""What was found in a store as a message: an answer to a client, or an event of a flow log. Pure.

GetFlowsResponse and ExportEvent have the same fields for flows and losses, so that a flow log reads
as what `hubble observe -o json` wrote.
"""

from typing import Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.field_mask import Tree
from ciliate.flows.server.flow_message import flow_message
from ciliate.flows.server.record_view import RecordView

#: The name of whoever emits flows, as clients know it.
EMITTER: Final = "Hubble"

Answer = TypeVar("Answer", observer_pb2.GetFlowsResponse, observer_pb2.ExportEvent)


def emitter(version: str) -> flow_pb2.Emitter:
    """Return who emits the flows of this node."""
    return flow_pb2.Emitter(name=EMITTER, version=version)


def flow_answer(
    kind: type[Answer], view: RecordView, emitter: flow_pb2.Emitter, tree: Tree | None
) -> Answer:
    """Return a flow, or of it what `tree` names: node and time stand outside only if also inside."""
    flow = flow_message(view, emitter, tree)
    answer = kind(flow=flow, node_name=flow.node_name)
    if flow.HasField("time"):
        answer.time.CopyFrom(flow.time)
    return answer


def loss_answer(
    kind: type[Answer],
    source: flow_pb2.LostEventSource,
    count: int,
    *,
    node_name: str,
    seen: Timestamp,
) -> Answer:
    """Return that so many are missing, as was seen just now."""
    lost = flow_pb2.LostEvent(source=source, num_events_lost=count)
    return kind(lost_events=lost, node_name=node_name, time=seen)
