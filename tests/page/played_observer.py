"""A relay that plays flows: the Observer over real gRPC, with the filters of the flow server.

For what no lab has: names that are made to break a page, thousands of flows a second, faults at a wish.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from ciliate.flows import batches
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2, observer_pb2_grpc
from ciliate.flows.pb.relay import relay_pb2
from ciliate.flows.server.errors import FlowFilterError
from ciliate.flows.server.filter import compile_filters
from ciliate.flows.server.message_view import MessageView

Answer = observer_pb2.GetFlowsResponse
NODES: Final = ("k8s-ctr", "k8s-w1")
_CLIENTS_MAX: Final = 32


@dataclass(slots=True)
class _Reader:
    """A stream that somebody follows."""

    request: observer_pb2.GetFlowsRequest
    waiting: "queue.Queue[list[Answer] | None]" = field(default_factory=queue.Queue)


class Play(observer_pb2_grpc.ObserverServicer):
    """What a relay has to tell."""

    address: str

    def __init__(self) -> None:
        self._readers: list[_Reader] = []
        self._lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Forget all, and end the streams."""
        with self._lock:
            self.flows: list[Answer] = []
            #: Every request for flows so far.
            self.requests: list[observer_pb2.GetFlowsRequest] = []
            self.namespaces = ["default", "kube-system"]
            #: Code and words that every call is answered with, in place of flows.
            self.refusal: tuple[grpc.StatusCode, str] | None = None
            self.away: list[str] = []
            for reader in self._readers:
                reader.waiting.put(None)

    def send(self, *answers: Answer) -> None:
        """Tell who listens, and who will."""
        with self._lock:
            self.flows += [each for each in answers if each.HasField("flow")]
            for reader in self._readers:
                reader.waiting.put(list(answers))

    def send_flows(self, *flows: flow_pb2.Flow) -> None:
        """Tell of flows."""
        self.send(*(answer_of(flow) for flow in flows))

    def break_off(self) -> None:
        """End the streams as a relay does that is stopped."""
        with self._lock:
            for reader in self._readers:
                reader.waiting.put(None)

    @property
    def followers(self) -> int:
        """How many streams are open."""
        with self._lock:
            return len(self._readers)

    def GetFlows(  # noqa: N802 - gRPC's name
        self, request: observer_pb2.GetFlowsRequest, context: grpc.ServicerContext
    ) -> Iterator[Answer]:
        """Play the flows that pass."""
        self._refuse(context)
        try:
            passes = compile_filters(request.whitelist, request.blacklist)
        except FlowFilterError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        reader = _Reader(request)
        with self._lock:
            self.requests.append(request)
            backlog: list[Answer] | None = [each for each in self.flows if _since(request, each)]
            self._readers.append(reader)
        context.add_callback(lambda: reader.waiting.put(None))
        context.send_initial_metadata(())
        in_batches = batches.takes_batches(context.invocation_metadata())
        try:
            while backlog is not None:
                wanted = [
                    a for a in backlog if not a.HasField("flow") or passes(MessageView(a.flow))
                ]
                if in_batches and wanted:
                    yield batches.batch_of(wanted)
                else:
                    yield from wanted
                if not request.follow:
                    return
                backlog = reader.waiting.get()
        finally:
            with self._lock:
                self._readers.remove(reader)

    def ServerStatus(  # noqa: N802 - gRPC's name
        self, _request: observer_pb2.ServerStatusRequest, context: grpc.ServicerContext
    ) -> observer_pb2.ServerStatusResponse:
        """Say how nodes are."""
        self._refuse(context)
        status = observer_pb2.ServerStatusResponse(
            num_flows=len(self.flows),
            max_flows=8190,
            version="hubble-relay v1.17.6",
            flows_rate=12.5,
        )
        status.num_connected_nodes.value = len(NODES) - len(self.away)
        status.num_unavailable_nodes.value = len(self.away)
        status.unavailable_nodes.extend(self.away)
        return status

    def GetNodes(  # noqa: N802 - gRPC's name
        self, _request: observer_pb2.GetNodesRequest, context: grpc.ServicerContext
    ) -> observer_pb2.GetNodesResponse:
        """Name the nodes."""
        self._refuse(context)
        nodes = observer_pb2.GetNodesResponse()
        for name in NODES:
            state = relay_pb2.NODE_UNAVAILABLE if name in self.away else relay_pb2.NODE_CONNECTED
            nodes.nodes.add(name=name, state=state, num_flows=100, max_flows=4095)
        return nodes

    def GetNamespaces(  # noqa: N802 - gRPC's name
        self, _request: observer_pb2.GetNamespacesRequest, context: grpc.ServicerContext
    ) -> observer_pb2.GetNamespacesResponse:
        """Name those of flows."""
        self._refuse(context)
        found = observer_pb2.GetNamespacesResponse()
        for name in self.namespaces:
            found.namespaces.add(cluster="default", namespace=name)
        return found

    def _refuse(self, context: grpc.ServicerContext) -> None:
        if self.refusal:
            context.abort(*self.refusal)


def answer_of(flow: flow_pb2.Flow) -> Answer:
    """Return a flow as a relay sends it."""
    return Answer(flow=flow, node_name=flow.node_name, time=flow.time)


def _since(request: observer_pb2.GetFlowsRequest, answer: Answer) -> bool:
    moment: Any = answer.time
    return (moment.seconds, moment.nanos) >= (request.since.seconds, request.since.nanos)


@contextlib.contextmanager
def played() -> Iterator[Play]:
    """Serve a play on loopback."""
    play = Play()
    with ThreadPoolExecutor(_CLIENTS_MAX) as pool:
        server = grpc.server(pool)
        observer_pb2_grpc.add_ObserverServicer_to_server(play, server)
        play.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield play
        finally:
            play.begin()
            server.stop(grace=None).wait()
