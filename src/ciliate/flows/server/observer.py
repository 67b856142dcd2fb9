"""Hubble's Observer for one node: flows, and how many there are."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.errors import CiliateError
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.server.candidates import candidates
from ciliate.flows.server.errors import FlowRequestError
from ciliate.flows.server.flow_message import flow_message
from ciliate.flows.server.flow_request import FlowRequest, is_loss, newest, read_request
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.record_view import RecordView

#: The name of whoever emits flows, as clients know it.
EMITTER: Final = "Hubble"

#: Records looked at before other clients and new records have their turn.
_LOOKS_AT_ONCE: Final = 256

Answer = observer_pb2.GetFlowsResponse
Context = grpc.aio.ServicerContext[Any, Any]


class Observer(observer_pb2_grpc.ObserverServicer):
    """Answers clients out of a store."""

    def __init__(self, store: FlowStore, *, version: str) -> None:
        self._store = store
        self._version = version
        self._emitter = flow_pb2.Emitter(name=EMITTER, version=version)

    async def GetFlows(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetFlowsRequest, context: Context
    ) -> AsyncIterator[Answer]:
        """Give the flows that are asked for, as long as they come if that is asked for."""
        try:
            wanted = read_request(request)
        except FlowRequestError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except CiliateError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        await context.send_initial_metadata((("hubble-server-version", self._version),))
        end = self._store.ring.end
        if wanted.counts_back:
            for answer in self._present(await self._newest(wanted, end), wanted):
                yield answer
            if not wanted.follow:
                return
            start = end
        else:
            start = end if wanted.starts_at_the_end else self._store.ring.oldest
        async for answer in self._forward(wanted, start, None if wanted.follow else end):
            yield answer

    async def _newest(self, wanted: FlowRequest, end: int) -> list[int]:
        """Return the numbers of the newest flows that are wanted, in their order."""
        found: list[int] = []
        for count, view in enumerate(newest(wanted, self._backward(wanted, end))):
            if view is not None:
                found.append(view.number)
            if count % _LOOKS_AT_ONCE == _LOOKS_AT_ONCE - 1:
                await asyncio.sleep(0)
        return found[::-1]

    def _present(self, numbers: Sequence[int], wanted: FlowRequest) -> Iterator[Answer]:
        """Yield what stands at these numbers; of those that were overwritten, how many."""
        lost = 0
        for number in numbers:
            if number < self._store.ring.oldest:
                lost += 1
                continue
            if lost:
                yield self._loss(flow_pb2.HUBBLE_RING_BUFFER, lost)
                lost = 0
            yield self._answer(self._store.view(number), wanted)
        if lost:
            yield self._loss(flow_pb2.HUBBLE_RING_BUFFER, lost)

    def _backward(self, wanted: FlowRequest, end: int) -> Iterator[RecordView]:
        """Yield what may be wanted of what is there before `end`, newest first."""
        for number in reversed(self._candidates(wanted, self._store.ring.oldest, end)):
            if number < self._store.ring.oldest:
                return
            yield self._store.view(number)

    def _candidates(self, wanted: FlowRequest, first: int, last: int) -> Sequence[int]:
        """Return which records are looked at: all, where one that nobody wants ends the answer."""
        if wanted.until_ns is not None:
            return range(first, last)
        names = self._store.around.names
        return candidates(self._store.ring, first, last, wanted.whitelist, names)

    async def _forward(
        self, wanted: FlowRequest, start: int, end: int | None
    ) -> AsyncIterator[Answer]:
        """Yield what is wanted from a record on; without an end, as it comes."""
        ring = self._store.ring
        left = None if wanted.follow else wanted.number
        number = start
        while left != 0 and (end is None or number < end):
            if end is None:
                await self._store.more_than(number)
            if number < ring.oldest:
                oldest = ring.oldest
                lost = (oldest if end is None else min(oldest, end)) - number
                number = oldest
                yield self._loss(flow_pb2.HUBBLE_RING_BUFFER, lost)
                continue
            stop = min(ring.end, number + _LOOKS_AT_ONCE, end if end is not None else ring.end)
            for each in self._candidates(wanted, number, stop):
                number = each
                if number < ring.oldest:
                    break  # Overtaken while the client took the one before.
                view = self._store.view(number)
                number += 1
                if is_loss(view):
                    yield self._answer(view, wanted)
                    continue
                if wanted.is_past(view):
                    return
                if wanted.is_wanted(view):
                    left = left - 1 if left is not None else None
                    yield self._answer(view, wanted)
                    if left == 0:
                        return
            else:
                number = stop
            await asyncio.sleep(0)

    def _answer(self, view: RecordView, wanted: FlowRequest) -> Answer:
        if is_loss(view):
            return self._loss(flow_pb2.PERF_EVENT_RING_BUFFER, view.event.bytes)
        flow = flow_message(view, self._emitter, wanted.tree)
        answer = Answer(flow=flow, node_name=flow.node_name)
        if flow.HasField("time"):
            answer.time.CopyFrom(flow.time)
        return answer

    def _loss(self, source: flow_pb2.LostEventSource, count: int) -> Answer:
        now = Timestamp()
        now.GetCurrentTime()
        lost = flow_pb2.LostEvent(source=source, num_events_lost=count)
        return Answer(lost_events=lost, node_name=self._store.around.node_name, time=now)

    async def ServerStatus(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.ServerStatusRequest, context: Context
    ) -> observer_pb2.ServerStatusResponse:
        """Say how many flows there are, and were."""
        del request
        await context.send_initial_metadata((("hubble-server-version", self._version),))
        store = self._store
        return observer_pb2.ServerStatusResponse(
            num_flows=len(store.ring),
            max_flows=store.ring.capacity,
            seen_flows=store.ring.end,
            uptime_ns=round(store.uptime_s * 10**9),
            version=f"cilium v{self._version}",
            flows_rate=store.rate,
        )

    async def GetNamespaces(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetNamespacesRequest, context: Context
    ) -> observer_pb2.GetNamespacesResponse:
        """Name the namespaces of pods in the flows that are kept."""
        del request, context
        store, found = self._store, set[str]()
        for number in range(store.ring.oldest, store.ring.end):
            if number % _LOOKS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if number < store.ring.oldest:
                continue
            view = store.view(number)
            found |= {view.source.namespace, view.destination.namespace}
        cluster = store.around.cluster
        return observer_pb2.GetNamespacesResponse(
            namespaces=[
                observer_pb2.Namespace(cluster=cluster, namespace=name)
                for name in sorted(found - {""})
            ]
        )

    async def GetNodes(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetNodesRequest, context: Context
    ) -> observer_pb2.GetNodesResponse:
        """Refuse: a node knows its own flows alone."""
        del request
        await _unimplemented(context, "GetNodes not implemented")
        return observer_pb2.GetNodesResponse()

    async def GetAgentEvents(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetAgentEventsRequest, context: Context
    ) -> AsyncIterator[observer_pb2.GetAgentEventsResponse]:
        """Refuse: events of the agent are not kept yet."""
        del request
        await _unimplemented(context, "events of the agent are not kept by this version")
        yield observer_pb2.GetAgentEventsResponse()

    async def GetDebugEvents(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetDebugEventsRequest, context: Context
    ) -> AsyncIterator[observer_pb2.GetDebugEventsResponse]:
        """Refuse: the programs have no debug events."""
        del request
        await _unimplemented(context, "the datapath has no debug events")
        yield observer_pb2.GetDebugEventsResponse()


async def _unimplemented(context: Context, problem: str) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, problem)
