"""Hubble's Observer for a cluster: what all nodes' flow servers answer, as one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.wrappers_pb2 import UInt32Value

from ciliate.flows.batches import in_batches, takes_batches
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.pb.relay import relay_pb2
from ciliate.flows.relay.channels import ConnectionClosedError, unless_closed
from ciliate.flows.relay.gathering import Gathering
from ciliate.flows.relay.node_statuses import Answer, node_status
from ciliate.flows.relay.pool import Node, Pool

T = TypeVar("T")

#: Until a node has said how it is. One that is away is known by its connection: this is for one that
#: is busy, with all that others ask of it.
_ANSWER_S: Final = 3.0

#: Names of nodes that do not answer, in an answer.
_NAMES_MAX: Final = 10

Context = grpc.aio.ServicerContext[Any, Any]
Status = observer_pb2.ServerStatusResponse


@dataclass(frozen=True, slots=True)
class _Found:
    """What a node says of itself; None: it does not answer."""

    node: Node
    status: Status | None


class RelayObserver(observer_pb2_grpc.ObserverServicer):
    """Answers clients by asking nodes."""

    def __init__(self, pool: Pool, *, name: str, version: str) -> None:
        """Answer as `name`, which is of the relay's own pod or node."""
        self._pool = pool
        self._name = name
        self._version = version

    async def GetFlows(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetFlowsRequest, context: Context
    ) -> AsyncIterator[Answer]:
        """Give every node's flows in the order of time, and say first which nodes answer."""
        if request.first and request.follow:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "first cannot be specified with follow"
            )
        await self._begin(context)
        answers = self._answers(request)
        if takes_batches(context.invocation_metadata()):
            answers = in_batches(answers)
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def _answers(
        self, request: observer_pb2.GetFlowsRequest
    ) -> AsyncGenerator[Answer, None]:
        for state, nodes in (
            (relay_pb2.NODE_CONNECTED, self._pool.ready),
            (relay_pb2.NODE_UNAVAILABLE, self._pool.unready),
        ):
            if nodes:
                yield node_status(self._name, state, (node.peer.name for node in nodes))
        gathering = Gathering(self._pool, request, self._name)
        async with aclosing(gathering.answers()) as answers:
            async for answer in answers:
                yield answer

    async def ServerStatus(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.ServerStatusRequest, context: Context
    ) -> Status:
        """Say how many flows there are, and were, and how many nodes answer."""
        del request
        await self._begin(context)
        found = await self._statuses()
        told = [each.status for each in found if each.status is not None]
        away = sorted(each.node.peer.name for each in found if each.status is None)
        return Status(
            num_flows=sum(each.num_flows for each in told),
            max_flows=sum(each.max_flows for each in told),
            seen_flows=sum(each.seen_flows for each in told),
            uptime_ns=max((each.uptime_ns for each in told), default=0),
            num_connected_nodes=UInt32Value(value=len(told)),
            num_unavailable_nodes=UInt32Value(value=len(away)),
            unavailable_nodes=away[:_NAMES_MAX],
            version=f"hubble-relay v{self._version}",
            flows_rate=sum(each.flows_rate for each in told),
        )

    async def GetNodes(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetNodesRequest, context: Context
    ) -> observer_pb2.GetNodesResponse:
        """Name every node that is known, and how it is."""
        del request
        await self._begin(context)
        found = await self._statuses()
        by_name = sorted(found, key=lambda each: each.node.peer.name)
        return observer_pb2.GetNodesResponse(nodes=map(_node_message, by_name))

    async def GetNamespaces(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetNamespacesRequest, context: Context
    ) -> observer_pb2.GetNamespacesResponse:
        """Name the namespaces that any node saw."""
        await self._begin(context)

        async def ask(node: Node) -> observer_pb2.GetNamespacesResponse:
            assert node.stub is not None, "it is connected"
            answer: observer_pb2.GetNamespacesResponse = await node.stub.GetNamespaces(
                request, timeout=_ANSWER_S
            )
            return answer

        answers = await _all(self._pool.ready, ask)
        found = {
            (each.cluster, each.namespace)
            for answer in answers
            if answer is not None
            for each in answer.namespaces
        }
        named = [observer_pb2.Namespace(cluster=c, namespace=n) for c, n in sorted(found)]
        return observer_pb2.GetNamespacesResponse(namespaces=named)

    async def GetAgentEvents(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetAgentEventsRequest, context: Context
    ) -> AsyncIterator[observer_pb2.GetAgentEventsResponse]:
        """Refuse: they are asked of a node."""
        del request
        await _unimplemented(context)
        yield observer_pb2.GetAgentEventsResponse()

    async def GetDebugEvents(  # noqa: N802 - gRPC's name.
        self, request: observer_pb2.GetDebugEventsRequest, context: Context
    ) -> AsyncIterator[observer_pb2.GetDebugEventsResponse]:
        """Refuse: they are asked of a node."""
        del request
        await _unimplemented(context)
        yield observer_pb2.GetDebugEventsResponse()

    async def _begin(self, context: Context) -> None:
        await context.send_initial_metadata((("hubble-relay-version", self._version),))
        await self._pool.settled()

    async def _statuses(self) -> list[_Found]:
        """Ask every node how it is, all at once."""

        async def ask(node: Node) -> Status:
            assert node.stub is not None, "it is connected"
            status: Status = await node.stub.ServerStatus(
                observer_pb2.ServerStatusRequest(), timeout=_ANSWER_S
            )
            return status

        ready = self._pool.ready
        answers = await _all(ready, ask)
        found = [_Found(node, answer) for node, answer in zip(ready, answers, strict=True)]
        return [*found, *(_Found(node, None) for node in self._pool.unready)]


def _node_message(found: _Found) -> observer_pb2.Node:
    peer, status = found.node.peer, found.status
    message = observer_pb2.Node(name=peer.name, address=peer.address)
    message.tls.enabled = bool(peer.server_name)
    message.tls.server_name = peer.server_name
    if status is None:
        is_ready = found.node.is_ready
        message.state = relay_pb2.NODE_ERROR if is_ready else relay_pb2.NODE_UNAVAILABLE
        return message
    message.state = relay_pb2.NODE_CONNECTED
    message.version = status.version
    message.uptime_ns = status.uptime_ns
    message.num_flows, message.max_flows = status.num_flows, status.max_flows
    message.seen_flows = status.seen_flows
    return message


async def _all(nodes: Iterable[Node], ask: Callable[[Node], Awaitable[T]]) -> list[T | None]:
    """Ask every node; None of those that answered with an error, or not in time."""

    async def asked(node: Node) -> T | None:
        try:
            return await unless_closed(ask(node))
        except (grpc.RpcError, ConnectionClosedError):
            return None

    return list(await asyncio.gather(*map(asked, nodes)))


async def _unimplemented(context: Context) -> None:
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED, "a relay has no such events: ask a node's own server"
    )
