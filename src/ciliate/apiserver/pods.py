"""What pods answer to beyond the verbs: binding, eviction, and streams to their kubelet."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors
from ciliate.apiserver.bodies import read_object
from ciliate.apiserver.handlers import Verbs, json_response
from ciliate.apiserver.requests import RequestTarget, is_dry_run
from ciliate.apiserver.store import JsonObject, decode
from ciliate.apiserver.streams import Kubelets, StreamKind
from ciliate.apiserver.timestamps import now
from ciliate.apiserver.writes import DeleteOptions

Answer = Callable[[RequestTarget, web.BaseRequest], Awaitable[web.StreamResponse]]

_encode: Final = msgspec.json.Encoder().encode
_CREATED: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
_STREAMS: Final = {
    "exec": StreamKind.EXEC,
    "attach": StreamKind.ATTACH,
    "portforward": StreamKind.PORT_FORWARD,
}


@dataclass(slots=True)
class PodSubresources:
    """The subresources of pods that are no part of the object."""

    verbs: Verbs
    kubelets: Kubelets

    def answer_for(self, target: RequestTarget, method: str) -> Answer | None:
        """Return the handler of a subresource; None where `Verbs` answers.

        Raises:
            StatusError: The method is not served there (405).
        """
        if target.resource.id != "pods":
            return None
        if target.subresource in _STREAMS:
            if method not in {"GET", "POST"}:
                raise errors.method_not_allowed()
            return self._stream
        expected = {"log": "GET", "binding": "POST", "eviction": "POST"}.get(target.subresource)
        if expected is None:
            return None
        if method != expected:
            raise errors.method_not_allowed()
        return {"log": self._log, "binding": self._bind, "eviction": self._evict}[
            target.subresource
        ]

    def _pod(self, target: RequestTarget) -> JsonObject:
        self.verbs.store.settle()
        return decode(self.verbs.find(target))

    async def _stream(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        pod = self._pod(target)
        kind = _STREAMS[target.subresource]
        return await self.kubelets.tunnel(kind, pod, request)

    async def _log(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        return await self.kubelets.logs(self._pod(target), request)

    async def _bind(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        binding = await read_object(target, request)
        node = binding.get("target")
        name = node.get("name") if isinstance(node, dict) else None
        if not name or not isinstance(name, str):
            raise errors.bad_request("Binding.target.name: Required value")
        current = self.verbs.find(target)
        pod = decode(current)
        if pod["spec"].get("nodeName"):
            problem = f'pod {target.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise errors.conflict(
                resource="pods/binding", group="", name=target.name, problem=problem
            )
        if pod["metadata"].get("deletionTimestamp"):
            problem = f"pod {target.name} is being deleted, cannot be assigned to a host"
            raise errors.conflict(
                resource="pods/binding", group="", name=target.name, problem=problem
            )
        pod["spec"]["nodeName"] = name
        _set_scheduled(pod)
        self.verbs.writer.update(
            target.resource, current, pod, subresource="binding", dry_run=is_dry_run(request.query)
        )
        await self.verbs.store.durable()
        return json_response(_encode({**_CREATED, "code": 201}), status=201)

    async def _evict(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        eviction = await read_object(target, request)
        content: Any = eviction.get("deleteOptions") or {}
        if not isinstance(content, dict):
            raise errors.bad_request("Eviction.deleteOptions must be an object")
        options = DeleteOptions(
            grace_period_s=content.get("gracePeriodSeconds"),
            dry_run=is_dry_run(request.query) or "All" in (content.get("dryRun") or ()),
        )
        self.verbs.writer.delete(target.resource, self.verbs.find(target), options)
        await self.verbs.store.durable()
        return json_response(_encode({**_CREATED, "code": 201}), status=201)


def _set_scheduled(pod: JsonObject) -> None:
    conditions = pod.setdefault("status", {}).setdefault("conditions", [])
    conditions[:] = [c for c in conditions if c.get("type") != "PodScheduled"]
    conditions.append(
        {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": now(),
        }
    )
