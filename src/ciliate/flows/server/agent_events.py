"""Events of the agent: that it began, pods that came and went, and who has which address.

They are made of the lines that it tells, and kept apart from flows: however much happens to packets, these
stay. What the agent knew when this process began is no event.
"""

import asyncio
import ipaddress
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.wrappers_pb2 import UInt32Value

from ciliate.flows.feed import Line, PodGone, PodName
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.errors import FlowRequestError
from ciliate.net.address import from_octets

#: The newest are kept.
EVENTS_MAX: Final = 4095

#: Nanoseconds since 1970.
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What happened, and when: nanoseconds since 1970."""

    time_ns: int
    event: flow_pb2.AgentEvent


@dataclass(frozen=True, slots=True)
class EventRequest:
    """Which events are asked for, by the rules of flows; None: no bound."""

    number: int | None
    first: bool
    follow: bool
    since_ns: int | None
    until_ns: int | None


def read_event_request(message: Any) -> EventRequest:
    """Return what a GetAgentEventsRequest, or GetDebugEventsRequest, asks for.

    Raises:
        FlowRequestError: Two bounds contradict each other.
    """
    since_ns, until_ns = (_moment(message, field) for field in ("since", "until"))
    if message.first and message.follow:
        raise FlowRequestError("first cannot be specified with follow")
    if since_ns is not None and until_ns is not None and until_ns < since_ns:
        raise FlowRequestError("until is before since: no event can be in between")
    return EventRequest(message.number or None, message.first, message.follow, since_ns, until_ns)


def _moment(message: Any, field: str) -> int | None:
    return int(getattr(message, field).ToNanoseconds()) if message.HasField(field) else None


class AgentEvents:
    """Keeps the newest events, and wakes who waits for more."""

    def __init__(self, began_ns: int = 0, *, clock: Clock = time.time_ns) -> None:
        """Begin with the agent's own start at `began_ns` since 1970, unless that is 0."""
        self._kept: deque[Occurrence] = deque(maxlen=EVENTS_MAX)
        self._end = 0  # Of all that happened.
        self._clock = clock
        self._grown = asyncio.Event()
        if began_ns:
            began = flow_pb2.AgentEvent(type=flow_pb2.AGENT_STARTED)
            began.agent_start.time.FromNanoseconds(began_ns)
            self._add(began_ns, began)

    def take(self, line: Line, before: PodName | None) -> None:
        """Note what a line means, where `before` is what was known under its key."""
        now_ns = self._clock()
        match line:
            case PodName(since_ns=0):
                return
            case PodName():
                for event in _named(line, before):
                    self._add(now_ns, event)
            case PodGone() if before is not None:
                for event in _gone(before):
                    self._add(now_ns, event)

    def _add(self, time_ns: int, event: flow_pb2.AgentEvent) -> None:
        self._kept.append(Occurrence(time_ns, event))
        self._end += 1
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def wanted(self, request: EventRequest) -> AsyncGenerator[Occurrence, None]:
        """Yield what is asked for, as long as it comes if that is asked for."""
        end = self._end
        for each in self._present(request):
            yield each
        while request.follow:
            while self._end <= end:
                await self._grown.wait()
            newest = min(self._end - end, len(self._kept))
            end = self._end
            for each in list(self._kept)[-newest:]:
                yield each

    def _present(self, request: EventRequest) -> list[Occurrence]:
        if request.follow and request.number is None and request.since_ns is None:
            return []
        found = [
            each
            for each in self._kept
            if (request.since_ns is None or each.time_ns >= request.since_ns)
            and (request.until_ns is None or each.time_ns <= request.until_ns)
        ]
        if request.number is None:
            return found
        from_the_start = request.first or request.since_ns is not None
        return found[: request.number] if from_the_start else found[-request.number :]


def _named(line: PodName, before: PodName | None) -> Iterator[flow_pb2.AgentEvent]:
    same = before is not None and (before.addresses, before.pod) == (line.addresses, line.pod)
    if before is not None and not same:
        yield from _gone(before)
    if line.endpoint and not same:
        yield _endpoint(flow_pb2.ENDPOINT_CREATED, line)
    if before is None or not same:
        yield from _addresses(flow_pb2.IPCACHE_UPSERTED, line, None)
    elif before.identity != line.identity:
        yield from _addresses(flow_pb2.IPCACHE_UPSERTED, line, before.identity)


def _gone(name: PodName) -> Iterator[flow_pb2.AgentEvent]:
    if name.endpoint:
        yield _endpoint(flow_pb2.ENDPOINT_DELETED, name)
    yield from _addresses(flow_pb2.IPCACHE_DELETED, name, None)


def _endpoint(kind: flow_pb2.AgentEventType, name: PodName) -> flow_pb2.AgentEvent:
    update = flow_pb2.EndpointUpdateNotification(
        id=name.endpoint, labels=name.labels, pod_name=name.pod, namespace=name.namespace
    )
    return flow_pb2.AgentEvent(type=kind, endpoint_update=update)


def _addresses(
    kind: flow_pb2.AgentEventType, name: PodName, old_identity: int | None
) -> Iterator[flow_pb2.AgentEvent]:
    for octets in name.addresses:
        update = flow_pb2.IPCacheNotification(
            cidr=str(ipaddress.ip_network(from_octets(octets))),
            identity=name.identity,
            namespace=name.namespace,
            pod_name=name.pod,
        )
        if old_identity is not None:
            update.old_identity.CopyFrom(UInt32Value(value=old_identity))
        yield flow_pb2.AgentEvent(type=kind, ipcache_update=update)
