"""A real gRPC server that answers as it is told."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.pb.peer import peer_pb2, peer_pb2_grpc


@dataclass
class Answers(
    observer_pb2_grpc.ObserverServicer,
    peer_pb2_grpc.PeerServicer,
    health_pb2_grpc.HealthServicer,  # type: ignore[misc]
):
    """What the server says, and what it was asked."""

    flows: list[observer_pb2.GetFlowsResponse] = field(default_factory=list)
    agent_events: list[observer_pb2.GetAgentEventsResponse] = field(default_factory=list)
    debug_events: list[observer_pb2.GetDebugEventsResponse] = field(default_factory=list)
    peers: list[peer_pb2.ChangeNotification] = field(default_factory=list)
    status: observer_pb2.ServerStatusResponse = field(
        default_factory=observer_pb2.ServerStatusResponse
    )
    namespaces: observer_pb2.GetNamespacesResponse = field(
        default_factory=observer_pb2.GetNamespacesResponse
    )
    #: None: as an agent, which knows itself alone.
    nodes: observer_pb2.GetNodesResponse | None = None
    health: int = health_pb2.HealthCheckResponse.SERVING
    #: After all answers of a stream.
    failure: tuple[grpc.StatusCode, str] | None = None
    #: A stream that follows stays open until the client has left.
    follows: bool = False
    headers: tuple[tuple[str, str], ...] = (("hubble-server-version", "1.17.6+g1a2b3c"),)

    asked: list[Message] = field(default_factory=list)
    left: Event = field(default_factory=Event)

    def GetFlows(self, request: Message, context: Any) -> Iterator[Message]:  # noqa: N802
        yield from self._stream(self.flows, request, context)

    def GetAgentEvents(self, request: Message, context: Any) -> Iterator[Message]:  # noqa: N802
        yield from self._stream(self.agent_events, request, context)

    def GetDebugEvents(self, request: Message, context: Any) -> Iterator[Message]:  # noqa: N802
        yield from self._stream(self.debug_events, request, context)

    def Notify(self, request: Message, context: Any) -> Iterator[Message]:  # noqa: N802
        yield from self._stream(self.peers, request, context)

    def _stream(self, answers: Any, request: Message, context: Any) -> Iterator[Message]:
        self.asked.append(request)
        context.add_callback(self.left.set)
        context.send_initial_metadata(self.headers)
        yield from answers
        if self.failure is not None:
            context.abort(*self.failure)
        if self.follows:
            self.left.wait(30)

    def ServerStatus(self, request: Message, context: Any) -> Message:  # noqa: ARG002, N802
        context.send_initial_metadata(self.headers)
        return self.status

    def GetNamespaces(self, request: Message, context: Any) -> Message:  # noqa: ARG002, N802
        return self.namespaces

    def GetNodes(self, request: Message, context: Any) -> Message:  # noqa: ARG002, N802
        if self.nodes is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "GetNodes not implemented")
        assert self.nodes is not None
        return self.nodes

    def Check(self, request: Any, context: Any) -> Message:  # noqa: N802
        if request.service != "hubble.server.Observer":
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        answer: Message = health_pb2.HealthCheckResponse(status=self.health)
        return answer


@contextmanager
def running(answers: Answers, folder: Path) -> Iterator[str]:
    """Serve on a Unix socket in `folder`; yields the address for `--server`."""
    server = grpc.server(ThreadPoolExecutor(4))
    observer_pb2_grpc.add_ObserverServicer_to_server(answers, server)
    peer_pb2_grpc.add_PeerServicer_to_server(answers, server)
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    address = f"unix://{folder}/hubble.sock"
    server.add_insecure_port(address)
    server.start()
    try:
        yield address
    finally:
        answers.left.set()
        server.stop(None).wait()
