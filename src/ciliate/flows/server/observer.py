"""Hubble's Observer for one node: flows, and how many there are."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.errors import CiliateError
from ciliate.flows.batches import in_batches, takes_batches
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.server.agent_events import (
    AgentEvents,
    EventRequest,
    read_event_request,
)
from ciliate.flows.server.errors import FlowRequestError
from ciliate.flows.server.flow_answer import emitter, flow_answer, loss_answer
from ciliate.flows.server.flow_reader import (
    LOOKS_AT_ONCE,
    FlowReader,
    Found,
    Loss,
    candidates_of,
    found,
)
from ciliate.flows.server.flow_request import FlowRequest, newest, read_request
from ciliate.flows.server.flow_store import FlowStore
from ciliate.flows.server.record_view import RecordView

Answer = observer_pb2.GetFlowsResponse
Context = grpc.aio.ServicerContext[Any, Any]


class Observer(observer_pb2_grpc.ObserverServicer):
    """Answers clients out of a store."""

    def __init__(
        self, store: FlowStore, *, version: str, events: AgentEvents | None = None
    ) -> None:
        self._store = store
        self._events = events or AgentEvents()
        self._version = version
        self._emitter = emitter(version)

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
        answers = self._answers(wanted)
        if takes_batches(context.invocation_metadata()):
            answers = in_batches(answers)
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def _answers(self, wanted: FlowRequest) -> AsyncGenerator[Answer, None]:
        """Yield the flows that are wanted, as long as they come if that is wanted."""
        end = self._store.ring.end
        if wanted.counts_back:
            for answer in self._present(await self._newest(wanted, end), wanted):
                yield answer
            if not wanted.follow:
                return
            start = end
        else:
            start = end if wanted.starts_at_the_end else self._store.ring.oldest
        reader = FlowReader(self._store, wanted, start, None if wanted.follow else end)
        async for each in reader.found():
            yield self._answer(each, wanted)

    async def _newest(self, wanted: FlowRequest, end: int) -> list[int]:
        """Return the numbers of the newest flows that are wanted, in their order."""
        numbers: list[int] = []
        for count, view in enumerate(newest(wanted, self._backward(wanted, end))):
            if view is not None:
                numbers.append(view.number)
            if count % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1:
                await asyncio.sleep(0)
        return numbers[::-1]

    def _present(self, numbers: Sequence[int], wanted: FlowRequest) -> Iterator[Answer]:
        """Yield what stands at these numbers; of those that were overwritten, how many."""
        lost = 0
        for number in numbers:
            if number < self._store.ring.oldest:
                lost += 1
                continue
            if lost:
                yield self._overtaken(lost, wanted)
                lost = 0
            yield self._answer(found(self._store.view(number)), wanted)
        if lost:
            yield self._overtaken(lost, wanted)

    def _backward(self, wanted: FlowRequest, end: int) -> Iterator[RecordView]:
        """Yield what may be wanted of what is there before `end`, newest first."""
        for number in reversed(candidates_of(self._store, wanted, self._store.ring.oldest, end)):
            if number < self._store.ring.oldest:
                return
            yield self._store.view(number)

    def _overtaken(self, lost: int, wanted: FlowRequest) -> Answer:
        """Say how many were overwritten meanwhile."""
        self._store.overtaken += lost
        return self._answer(Loss(flow_pb2.HUBBLE_RING_BUFFER, lost), wanted)

    def _answer(self, found: Found, wanted: FlowRequest) -> Answer:
        if not isinstance(found, Loss):
            return flow_answer(Answer, found, self._emitter, wanted.tree)
        now = Timestamp()
        now.GetCurrentTime()
        node = self._store.around.node_name
        return loss_answer(Answer, found.source, found.count, node_name=node, seen=now)

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
            if number % LOOKS_AT_ONCE == 0:
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
        """Give the events of the agent that are asked for, as long as they come if that is."""
        wanted = await _read_event_request(request, context)
        node = self._store.around.node_name
        async with aclosing(self._events.wanted(wanted)) as occurrences:
            async for each in occurrences:
                answer = observer_pb2.GetAgentEventsResponse(
                    agent_event=each.event, node_name=node
                )
                answer.time.FromNanoseconds(each.time_ns)
                yield answer

    async def GetDebugEvents(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetDebugEventsRequest, context: Context
    ) -> AsyncIterator[observer_pb2.GetDebugEventsResponse]:
        """Give none: our programs have no debug events. Who follows waits for them in vain."""
        wanted = await _read_event_request(request, context)
        if wanted.follow:
            await asyncio.Event().wait()
        none: tuple[observer_pb2.GetDebugEventsResponse, ...] = ()
        for each in none:
            yield each


async def _read_event_request(request: Any, context: Context) -> EventRequest:
    try:
        return read_event_request(request)
    except FlowRequestError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise AssertionError("abort raises") from error


async def _unimplemented(context: Context, problem: str) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, problem)
