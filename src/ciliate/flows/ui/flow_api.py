"""Passes a browser's requests on to the relay, and the relay's answers back, octets as they are."""

import contextlib
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any, Final

import grpc
from aiohttp import web

from ciliate.flows import batches
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.relay.channels import code_of, details_of
from ciliate.flows.ui import grpc_web
from ciliate.system.bounded_server import peer_of

#: Requests under way, in all and of one address: an open page has one that lasts. A relay lets one
#: client have 32, and this server is one of its clients.
CALLS_MAX: Final = 30
PEER_CALLS_MAX: Final = 15

#: Until the relay has answered what needs no stream: it waits 3 s for a busy node.
_ANSWER_S: Final = 10.0

_OBSERVER: Final = observer_pb2.DESCRIPTOR.services_by_name["Observer"]
#: What the page asks for -> whether its answer is a stream.
_METHODS: Final = {
    f"/{_OBSERVER.full_name}/{name}": name == "GetFlows"
    for name in ("GetFlows", "ServerStatus", "GetNodes", "GetNamespaces")
}
assert _METHODS.keys() <= {f"/{_OBSERVER.full_name}/{each.name}" for each in _OBSERVER.methods}


class FlowApi:
    """Answers `POST flow-api/observer.Observer/METHOD`."""

    def __init__(self, relay: grpc.aio.Channel) -> None:
        self._relay = relay
        self._under_way: Counter[Hashable] = Counter()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Ask the relay what a browser asks, and answer frame by frame.

        Another content type than gRPC-Web's is refused: it is what keeps the pages of others from
        asking in their readers' name (Fetch, "CORS-safelisted request-header").
        """
        if request.content_type != grpc_web.CONTENT_TYPE:
            raise web.HTTPUnsupportedMediaType(text=f"ask with {grpc_web.CONTENT_TYPE}\n")
        response = web.StreamResponse(headers={"Content-Type": grpc_web.CONTENT_TYPE})
        with contextlib.suppress(ConnectionError):  # The reader left: aiohttp ends the connection.
            status, details = await self._call(request, response)
            if not response.prepared:
                await response.prepare(request)
            await response.write(grpc_web.trailers_frame(status.value[0], details))
        return response

    async def _call(
        self, request: web.Request, response: web.StreamResponse
    ) -> tuple[grpc.StatusCode, str]:
        """Pass messages on; return how the call ended."""
        method = f"/{request.match_info['service']}/{request.match_info['method']}"
        if method not in _METHODS:
            known = ", ".join(_METHODS)
            return grpc.StatusCode.UNIMPLEMENTED, f"{method} is not asked here: there are {known}"
        try:
            message = grpc_web.message_of(await request.read())
        except grpc_web.FrameError as error:
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        with self._counted(_peer(request)) as has_room:
            if not has_room:
                details = "too many pages ask at once: close some"
                return grpc.StatusCode.RESOURCE_EXHAUSTED, details
            try:
                await self._pass(method, message, request, response)
            except grpc.RpcError as error:
                return code_of(error), details_of(error)
        return grpc.StatusCode.OK, ""

    async def _pass(
        self, method: str, message: bytes, request: web.Request, response: web.StreamResponse
    ) -> None:
        metadata = []
        if batches.takes_batches(request.headers.items()):
            metadata.append(batches.HEADER)
        ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._relay.unary_stream(method)
        call = ask(message, metadata=metadata, timeout=None if _METHODS[method] else _ANSWER_S)
        try:
            await call.initial_metadata()
            # The page knows by this that the relay is there, before there is any flow.
            await response.prepare(request)
            async for answer in call:
                await response.write(grpc_web.message_frame(answer))
        finally:
            call.cancel()

    @contextlib.contextmanager
    def _counted(self, peer: Hashable) -> Iterator[bool]:
        """Count a request for as long as it lasts; yield whether there is room for it."""
        self._under_way[peer] += 1
        try:
            yield self._under_way[peer] <= PEER_CALLS_MAX and self._under_way.total() <= CALLS_MAX
        finally:
            self._under_way[peer] -= 1
            if not self._under_way[peer]:
                del self._under_way[peer]


def _peer(request: web.Request) -> Hashable:
    transport = request.transport
    if transport is None:
        raise ConnectionResetError  # It has left.
    accepted: Any = transport.get_extra_info("socket")
    key, _name = peer_of(accepted.family, transport.get_extra_info("peername"))
    return key
