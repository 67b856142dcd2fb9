"""exec, attach, port forwarding and logs: carried between the client and the pod's kubelet.

The kubelet of a node listens on a Unix socket. Streams upgrade the connection (WebSocket, or SPDY
for old clients); which protocol is spoken is the kubelet's to say: the request goes to it as it
came, and from then on octets pass in both directions until either side ends. Logs are a plain
response, passed on as they come.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from ciliate.apiserver import errors
from ciliate.apiserver.store import JsonObject
from ciliate.system.bounded_server import connection_of
from ciliate.system.http_relay import carry, relay, request_head, wants_upgrade

#: Seconds to reach a kubelet's socket: it is on this machine.
_CONNECT_S: Final = 5.0
#: Of what a kubelet says when it refuses; its messages are sentences.
_REFUSAL_BYTES_MAX: Final = 4096
#: Headers of the first hop alone.
_HOP_HEADERS: Final = frozenset({"authorization", "accept-encoding"})


class StreamKind(Enum):
    """A kubelet's streaming endpoints, by the first part of their path."""

    EXEC = "exec"
    ATTACH = "attach"
    PORT_FORWARD = "portForward"


@dataclass(slots=True)
class Kubelets:
    """The kubelets' sockets, by node."""

    socket_template: str

    @staticmethod
    def _node_of(pod: JsonObject) -> str:
        node: str = pod["spec"].get("nodeName") or ""
        if not node:
            name = pod["metadata"]["name"]
            raise errors.bad_request(f"pod {name} does not have a host assigned")
        return node

    async def logs(self, pod: JsonObject, request: web.BaseRequest) -> web.StreamResponse:
        """Answer with a container's log, as it comes with `follow`.

        Raises:
            StatusError: The pod has no node or no such container (400), its kubelet refuses, or is
                away (500).
        """
        path = self._path("containerLogs", pod, request.query)
        query = {k: v for k, v in request.query.items() if k != "container"}
        node = self._node_of(pod)
        async with self._session(node) as session:
            try:
                async with session.get(f"http://unix{path}", params=query) as answer:
                    if answer.status != HTTPStatus.OK:
                        raise await _refusal(answer)
                    return await _relay_log(answer, request)
            except aiohttp.ClientConnectorError as error:
                raise _unreachable(node, error) from error

    def _path(self, endpoint: str, pod: JsonObject, query: Mapping[str, str]) -> str:
        metadata = pod["metadata"]
        path = f"/{endpoint}/{quote(metadata['namespace'])}/{quote(metadata['name'])}"
        if endpoint == StreamKind.PORT_FORWARD.value:
            return path
        return f"{path}/{quote(_container(pod, query.get('container', '')))}"

    async def tunnel(
        self, kind: StreamKind, pod: JsonObject, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Carry an upgraded connection until either side ends it.

        Raises:
            StatusError: No upgrade is asked for, the pod has no node or no such container (400), or
                its kubelet is away (500).
        """
        if not wants_upgrade(request):
            raise errors.bad_request("Upgrade request required")
        path = self._path(kind.value, pod, request.query)
        # As the client encoded it: a decoded space would end the request line early.
        query = request.rel_url.raw_query_string
        pairs = [p for p in query.split("&") if not p.startswith("container=")]
        target = f"{path}?{'&'.join(pairs)}"
        head = request_head(request, target, host="kubelet", without=_HOP_HEADERS)
        await self.carry(request, self._node_of(pod), head)
        return web.Response()

    async def carry(self, request: web.BaseRequest, node: str, head: bytes) -> None:
        """Pass a request's connection on to a node's kubelet until either side ends it.

        Raises:
            StatusError: The kubelet is away (500).
        """
        socket = self.socket_of(node)
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_unix_connection(socket)
        except (OSError, TimeoutError) as error:
            raise _unreachable(node, error) from error
        try:
            await carry(request, reader, writer, head)
        finally:
            writer.close()

    async def relay(
        self,
        request: web.BaseRequest,
        node: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        prefix: str,
    ) -> web.StreamResponse:
        """Answer a request as a node's kubelet does.

        Raises:
            StatusError: The kubelet is away, or does not answer (500).
        """
        try:
            async with self._session(node) as session:
                return await relay(request, session, url, headers=headers, prefix=prefix)
        except aiohttp.ClientError as error:
            raise _unreachable(node, error) from error

    def _session(self, node: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=self.socket_of(node)),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    def socket_of(self, node: str) -> str:
        """Return where a node's kubelet listens."""
        return self.socket_template.format(node=node)


async def _refusal(answer: aiohttp.ClientResponse) -> errors.StatusError:
    """Return a kubelet's refusal as clients show it: a Status with the kubelet's words."""
    said = (await answer.content.read(_REFUSAL_BYTES_MAX)).decode("utf-8", "replace").strip()
    if answer.status == HTTPStatus.BAD_REQUEST:
        return errors.bad_request(said)
    if answer.status == HTTPStatus.NOT_FOUND:
        return errors.StatusError(code=404, reason="NotFound", message=said)
    return errors.internal(f"kubelet: {answer.status} {said}")


async def _relay_log(
    answer: aiohttp.ClientResponse, request: web.BaseRequest
) -> web.StreamResponse:
    kind = answer.headers.get("Content-Type", "text/plain")
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
    response.enable_chunked_encoding()
    connection = connection_of(request.transport)
    if connection is not None and request.query.get("follow") == "true":
        connection.let_pause()  # In a pager, say.
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


def _container(pod: JsonObject, wanted: str) -> str:
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [
        c["name"]
        for kind in ("initContainers", "containers", "ephemeralContainers")
        for c in spec.get(kind) or ()
    ]
    if wanted:
        if wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(spec["containers"]) == 1:
        first: str = spec["containers"][0]["name"]
        return first
    annotation = "kubectl.kubernetes.io/default-container"
    default = (pod["metadata"].get("annotations") or {}).get(annotation)
    if default in names:
        return str(default)
    listed = " ".join(names)
    raise errors.bad_request(
        f"a container name must be specified for pod {name}, choose one of: [{listed}]"
    )


def _unreachable(node: str, error: BaseException) -> errors.StatusError:
    return errors.internal(
        f"error dialing backend: kubelet of node {node} does not answer: {error}"
    )
