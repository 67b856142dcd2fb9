"""What one peer may have of a server: a quarter of the requests under way.

A peer is the address that `front` accepted from; it tells it by the name that it binds its own end of
the Unix socket to. Who comes by the socket itself is root on this machine, and who has shown a
certificate is known, such as a relay that asks for many: these have no share.
"""

import contextlib
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import grpc

#: What the name of a connection that comes through a front begins with.
NAME_MARK: Final = "ciliate-grpc"

_ABSTRACT: Final = "unix-abstract:"
_SHARES: Final = 4


class PeerShares(grpc.aio.ServerInterceptor):
    """Refuses what exceeds a peer's share of `requests` under way."""

    def __init__(self, requests: int) -> None:
        self._share = max(1, requests // _SHARES)
        self._under_way: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,
    ) -> Any:
        """Return the handler, counted."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        coders = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming and handler.response_streaming:
            answers = self._streaming(handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(answers, **coders)
        if handler.response_streaming:
            answers = self._streaming(handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(answers, **coders)
        assert not handler.request_streaming, "no service of ours has such a method"
        answer = self._answering(handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(answer, **coders)

    def _streaming(self, inner: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
        async def answers(request: Any, context: Any) -> AsyncIterator[Any]:
            with self._counted(peer_key(context.peer())) as has_room:
                if not has_room:
                    await _refuse(context)
                begun = inner(request, context)
                if inspect.isawaitable(begun):  # It writes its answers itself: health's Watch.
                    await begun
                    return
                async with contextlib.aclosing(begun) as found:
                    async for each in found:
                        yield each

        return answers

    def _answering(self, inner: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def answer(request: Any, context: Any) -> Any:
            with self._counted(peer_key(context.peer())) as has_room:
                if not has_room:
                    await _refuse(context)
                return await inner(request, context)

        return answer

    @contextlib.contextmanager
    def _counted(self, peer: str) -> Iterator[bool]:
        """Count a request for as long as it lasts; yield whether it is within the share."""
        if not peer:
            yield True
            return
        self._under_way[peer] += 1
        try:
            yield self._under_way[peer] <= self._share
        finally:
            self._under_way[peer] -= 1
            if not self._under_way[peer]:
                del self._under_way[peer]


def peer_key(peer: str) -> str:
    """Return whose share a request counts to, out of gRPC's name for its client; empty: no share."""
    if not peer.startswith(f"{_ABSTRACT}{NAME_MARK}-"):
        return ""
    return peer.rpartition("-")[2]


async def _refuse(context: Any) -> None:
    await context.abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "this client has as many requests under way as one may: end some",
    )
