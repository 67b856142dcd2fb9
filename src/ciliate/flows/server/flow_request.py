"""What a client asks for: which flows, from where on, how many. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ciliate.datapath.layout import EventKind
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.errors import FlowRequestError
from ciliate.flows.server.field_mask import Tree, mask_tree
from ciliate.flows.server.filter import compile_filters
from ciliate.flows.server.record_view import RecordView
from ciliate.flows.server.view import FlowView


@dataclass(frozen=True, slots=True)
class FlowRequest:
    """A request that can be answered. Moments are nanoseconds since 1970; None: no bound.

    `number` is None where all are wanted.
    """

    whitelist: Sequence[flow_pb2.FlowFilter]
    passes: Callable[[FlowView], bool]
    tree: Tree | None
    number: int | None
    first: bool
    follow: bool
    since_ns: int | None
    until_ns: int | None

    def is_wanted(self, view: RecordView) -> bool:
        """Whether a flow is given; what was lost is told to everybody, and counts for nothing."""
        if not view.is_flow:
            return False
        if self.since_ns is not None and view.time_ns < self.since_ns:
            return False
        return self.passes(view)

    def is_past(self, view: RecordView) -> bool:
        """Whether the answer ends before this."""
        return self.until_ns is not None and view.time_ns > self.until_ns

    @property
    def starts_at_the_end(self) -> bool:
        """Whether nothing of the past is wanted."""
        return self.follow and self.number is None and self.since_ns is None

    @property
    def counts_back(self) -> bool:
        """Whether the answer begins so many flows before the newest."""
        return self.number is not None and not self.first and self.since_ns is None


def read_request(message: observer_pb2.GetFlowsRequest) -> FlowRequest:
    """Return what a message asks for.

    Raises:
        CiliateError: A filter or the mask cannot be used, or two bounds contradict each other.
    """
    if message.first and message.follow:
        raise FlowRequestError("first cannot be specified with follow")
    mask = (
        message.field_mask if message.HasField("field_mask") else message.experimental.field_mask
    )
    since_ns = _moment(message, "since")
    until_ns = _moment(message, "until")
    if since_ns is not None and until_ns is not None and until_ns < since_ns:
        raise FlowRequestError("until is before since: no flow can be in between")
    return FlowRequest(
        whitelist=tuple(message.whitelist),
        passes=compile_filters(message.whitelist, message.blacklist),
        tree=mask_tree(mask.paths),
        number=message.number or None,
        first=message.first,
        follow=message.follow,
        since_ns=since_ns,
        until_ns=until_ns,
    )


def newest(request: FlowRequest, views: Iterator[RecordView]) -> Iterator[RecordView | None]:
    """Yield, newest first, what a request that counts back is given: flows, and losses among them.

    `views` are newest first. A None stands for a flow that is not given: the place for a pause.
    """
    left = request.number or 0
    for view in views:
        if not left:
            return
        if is_loss(view):
            yield view
            continue
        if request.is_past(view) or not request.is_wanted(view):
            yield None
            continue
        left -= 1
        yield view


def is_loss(view: RecordView) -> bool:
    """Whether a record says that there are fewer than happened."""
    return view.event.kind == EventKind.EVENT_LOST


def _moment(message: Any, field: str) -> int | None:
    if not message.HasField(field):
        return None
    moment = getattr(message, field)
    return int(moment.seconds) * 10**9 + int(moment.nanos)
