"""What a server is asked for flows and events. Pure."""

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from ciliate.cli.hubble.flow_filters import Filters
from ciliate.cli.hubble.selection import Selection
from ciliate.flows.pb.observer import observer_pb2

E = TypeVar("E", observer_pb2.GetAgentEventsRequest, observer_pb2.GetDebugEventsRequest)


def flows_request(
    selection: Selection, filters: Filters, *, fields: Sequence[str]
) -> observer_pb2.GetFlowsRequest:
    """Return the request for flows; no `fields` means the whole of them."""
    return observer_pb2.GetFlowsRequest(
        number=selection.number,
        first=selection.first,
        follow=selection.follow,
        since=selection.since,
        until=selection.until,
        whitelist=filters.allowed,
        blacklist=filters.denied,
        field_mask=FieldMask(paths=fields) if fields else None,
    )


def events_request(kind: type[E], selection: Selection) -> E:
    """Return the request for agents' events or debug messages."""
    return kind(
        number=selection.number,
        first=selection.first,
        follow=selection.follow,
        since=selection.since,
        until=selection.until,
    )
