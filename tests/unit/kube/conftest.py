"""A small API server that speaks the real protocol on loopback, with faults on demand.

It stores documents by path, numbers every change, and answers get, list in chunks, watch, create,
merge and JSON patches, and delete with preconditions. What it does not do is a 404.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.kube.transport import Limits

Document = dict[str, Any]


class FakeApi:
    """One server; `url` while it runs."""

    def __init__(self) -> None:
        self.objects: dict[str, Document] = {}
        self.version = 0
        self.compacted = 0
        self.requests: list[str] = []
        self.watches = 0
        #: Whether it knows `sendInitialEvents`; None: it ignores what it does not know.
        self.watch_lists: bool | None = False
        #: So many watch lists end before their list does.
        self.cuts_initial = 0
        #: Answers given instead of the real ones, in order: status and body.
        self.faults: list[tuple[int, Document]] = []
        #: While cleared, requests are accepted and never answered, like a stopped process.
        self.running = asyncio.Event()
        self.running.set()
        self._log: list[tuple[int, str, str, Document]] = []
        self._changed = asyncio.Condition()
        self._cut = 0
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def stop(self) -> None:
        self.running.set()
        await self.cut_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def put(self, path: str, document: Document) -> Document:
        """Store a document as another client would."""
        return await self._store("MODIFIED" if path in self.objects else "ADDED", path, document)

    async def remove(self, path: str) -> None:
        gone = self.objects.pop(path)
        await self._record("DELETED", path, gone)

    async def forget_history(self) -> None:
        """Compact: older versions are gone, and with them every watch."""
        self.compacted = self.version
        self._log.clear()
        await self.cut_watches()

    async def cut_watches(self) -> None:
        async with self._changed:
            self._cut += 1
            self._changed.notify_all()

    async def _store(self, event: str, path: str, document: Document) -> Document:
        before = self.objects.get(path, {"metadata": {}})["metadata"]
        uid = before.get("uid", f"uid-{self.version}")
        meta = {"uid": uid, "name": path.rsplit("/", 1)[1]}
        document = {**document, "metadata": meta | document.get("metadata", {})}
        self.objects[path] = document
        await self._record(event, path, document)
        return document

    async def _record(self, event: str, path: str, document: Document) -> None:
        async with self._changed:
            self.version += 1
            document["metadata"]["resourceVersion"] = str(self.version)
            collection = path.rsplit("/", 1)[0]
            self._log.append((self.version, event, collection, json.loads(json.dumps(document))))
            self._changed.notify_all()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        await self.running.wait()
        if request.path == "/livez":
            return web.Response(text="ok")
        if "sendInitialEvents" in request.query and self.watch_lists is False:
            problem = "sendInitialEvents is forbidden for watch"
            return _status(
                422, "Invalid", f"{problem} unless the WatchList feature gate is enabled"
            )
        if self.faults:
            status, body = self.faults.pop(0)
            return web.json_response(body, status=status)
        if request.query.get("watch") == "true":
            return await self._watch(request)
        answer = getattr(self, f"_{request.method.lower()}")
        response: web.StreamResponse = await answer(request)
        return response

    async def _get(self, request: web.Request) -> web.Response:
        if request.path in self.objects:
            return web.json_response(self.objects[request.path])
        below = request.path + "/"
        found = [d for p, d in sorted(self.objects.items()) if p.startswith(below)]
        if not found and request.path.rsplit("/", 1)[1] not in {"nodes", "leases", "pods"}:
            return _status(404, "NotFound", f"{request.path} not found")
        first = int(request.query.get("continue") or 0)
        size = int(request.query.get("limit") or len(found))
        meta = {"resourceVersion": str(self.version)}
        if first + size < len(found):
            meta["continue"] = str(first + size)
        return web.json_response({"metadata": meta, "items": found[first : first + size]})

    async def _post(self, request: web.Request) -> web.Response:
        document = await request.json()
        path = f"{request.path}/{document['metadata']['name']}"
        if path in self.objects:
            return _status(409, "AlreadyExists", f"{path} already exists")
        return web.json_response(await self._store("ADDED", path, document), status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        if request.path not in self.objects:
            return _status(404, "NotFound", f"{request.path} not found")
        patch = await request.json()
        current = self.objects[request.path]
        wanted = patch.get("metadata", {}).get("resourceVersion")
        if wanted not in {None, current["metadata"]["resourceVersion"]}:
            return _status(409, "Conflict", "the object has been modified")
        return web.json_response(
            await self._store("MODIFIED", request.path, _merged(current, patch))
        )

    async def _delete(self, request: web.Request) -> web.Response:
        if request.path not in self.objects:
            return _status(404, "NotFound", f"{request.path} not found")
        wanted = (await request.json()).get("preconditions", {})
        meta = self.objects[request.path]["metadata"]
        if any(meta[key] != value for key, value in wanted.items()):
            return _status(409, "Conflict", "a precondition failed")
        await self.remove(request.path)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion", self.version))
        if since < self.compacted:
            return _status(410, "Expired", f"too old resource version: {since}")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            await self._send_initial(request, response)
            if self.cuts_initial:
                self.cuts_initial -= 1
                return response
        self.watches += 1
        cut = self._cut
        while cut == self._cut:
            await self.running.wait()
            for number, event, collection, document in list(self._log):
                if number > since and collection == request.path:
                    line = json.dumps({"type": event, "object": document})
                    await response.write(line.encode() + b"\n")
                    since = number
            async with self._changed:
                await self._changed.wait_for(
                    lambda seen=since: cut != self._cut or self.version > seen  # type: ignore[misc]
                )
            if self.version > since and not any(n > since for n, *_ in self._log):
                since = self.version
        return response

    async def _send_initial(self, request: web.Request, response: web.StreamResponse) -> None:
        below = request.path + "/"
        found = [d for p, d in sorted(self.objects.items()) if p.startswith(below)]
        events: list[Document] = [{"type": "ADDED", "object": each} for each in found]
        meta = {"resourceVersion": str(self.version), "creationTimestamp": None}
        end = {**meta, "annotations": {"k8s.io/initial-events-end": "true"}}
        if self.watch_lists and not self.cuts_initial:
            events.append({"type": "BOOKMARK", "object": {"metadata": end, "spec": None}})
        await response.write(b"".join(json.dumps(each).encode() + b"\n" for each in events))


def _merged(target: Document, patch: Document) -> Document:
    """Apply a merge patch (RFC 7396)."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**body, "message": message}, status=code)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    server = FakeApi()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[ApiClient]:
    limits = Limits(request_s=2.0, connect_s=0.5, silence_s=0.2, probe_s=0.2)
    async with ApiClient(Credentials(api.url), limits=limits) as made:
        yield made


async def eventually(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait until `condition()` holds; the loop's other tasks run meanwhile."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
