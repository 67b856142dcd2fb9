"""The subresource `proxy` of nodes, pods and services: HTTP to what a cluster runs.

kube-apiserver connects to a pod's address from the machine it runs on. The lab's API server has no
place in the cluster's network, so it asks the kubelet of the control plane's node to connect from
there: what routes and datapath do is done to these connections too. A Service's port leads to one
of its ready endpoints, a node to its kubelet. Links in HTML are not rewritten, paths of redirections
are. Source: kubernetes `pkg/registry/core/{node,pod,service}`, ResourceLocation.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from ciliate.apiserver import errors
from ciliate.apiserver.handlers import Verbs
from ciliate.apiserver.requests import RequestTarget
from ciliate.apiserver.store import JsonObject, decode
from ciliate.apiserver.streams import Kubelets
from ciliate.system.http_relay import request_head, wants_upgrade

_CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
_SLICES: Final = "endpointslices.discovery.k8s.io"
_SERVICE: Final = "kubernetes.io/service-name"
_KUBELET_PORT: Final = "10250"
#: How many parts of a path are before what is passed on, in and outside of a namespace.
_PARTS: Final = {True: 7, False: 5}
#: Not the pod's or service's to see.
_OURS: Final = frozenset({"authorization"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """`[SCHEME:]NAME[:PORT]`, as a path has it."""

    scheme: str
    name: str
    port: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request goes: a kubelet's own path, or an address that it connects to."""

    node: str
    base: str


@dataclass(slots=True)
class Proxies:
    """Answers requests of the subresource."""

    verbs: Verbs
    kubelets: Kubelets

    async def answer(self, target: RequestTarget, request: web.BaseRequest) -> web.StreamResponse:
        """Pass a request on, in any method, and its answer back.

        Raises:
            StatusError: There is no such object or port, nothing is ready, or the node is away.
        """
        self.verbs.store.settle()
        place = self._place(target)
        path = request.rel_url.raw_path
        count = _PARTS[target.in_namespace]
        parts = path.split("/", count + 1)
        prefix = "/".join(parts[: count + 1])
        if len(parts) <= count + 1 and request.method in {"GET", "HEAD"}:
            return web.Response(status=301, headers={"Location": f"{path}/"})
        rest = f"{place.base}/{parts[count + 1] if len(parts) > count + 1 else ''}"
        query = request.rel_url.raw_query_string
        wanted = f"{rest}?{query}" if query else rest
        if wants_upgrade(request):
            head = request_head(request, wanted, host="kubelet", without=_OURS)
            await self.kubelets.carry(request, place.node, head)
            return web.Response()
        return await self.kubelets.relay(
            request,
            place.node,
            URL(f"http://kubelet{wanted}", encoded=True),
            headers=_forwarded(request),
            prefix=prefix,
        )

    def _place(self, target: RequestTarget) -> _Place:
        asked = _asked(target.name)
        match target.resource.id:
            case "nodes":
                return self._of_node(target, asked)
            case "pods":
                pod = self._object(target, asked.name)
                return self._connect(asked.scheme, *_pod_address(pod, asked.port))
            case _:
                return self._of_service(target, asked)

    def _object(self, target: RequestTarget, name: str) -> JsonObject:
        found = self.verbs.store.get(target.resource.id, (target.namespace, name))
        if found is None:
            resource = target.resource
            raise errors.not_found(resource=resource.plural, group=resource.group, name=name)
        return decode(found)

    def _of_node(self, target: RequestTarget, asked: _Asked) -> _Place:
        node = self._object(target, asked.name)
        if asked.port in {"", _KUBELET_PORT}:
            return _Place(asked.name, "")
        addresses = (node.get("status") or {}).get("addresses") or ()
        internal = [a["address"] for a in addresses if a.get("type") == "InternalIP"]
        if not internal:
            raise errors.unavailable(f"no address known of node {asked.name}")
        return self._connect(asked.scheme, internal[0], asked.port)

    def _of_service(self, target: RequestTarget, asked: _Asked) -> _Place:
        ports = self._object(target, asked.name)["spec"].get("ports") or ()
        wanted = asked.port
        if wanted.isdecimal():
            named = [p.get("name") or "" for p in ports if p.get("port") == int(wanted)]
            if not named:
                raise errors.unavailable(
                    f'no service port {wanted} found for service "{asked.name}"'
                )
            wanted = named[0]
        ready = list(self._endpoints(target.namespace, asked.name, wanted))
        if not ready:
            raise errors.unavailable(f'no endpoints available for service "{asked.name}"')
        return self._connect(asked.scheme, *secrets.choice(ready))

    def _endpoints(self, namespace: str, service: str, port: str) -> Iterator[tuple[str, str]]:
        """Yield address and port of the ready endpoints of a service's port."""
        for stored in self.verbs.store.collection(_SLICES).select(namespace):
            if stored.labels.get(_SERVICE) != service:
                continue
            content = decode(stored)
            numbers = [
                p["port"]
                for p in content.get("ports") or ()
                if (p.get("name") or "") == port and p.get("port")
            ]
            for endpoint in content.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready", True):
                    for address in endpoint.get("addresses") or ():
                        yield from ((address, str(number)) for number in numbers)

    def _connect(self, scheme: str, address: str, port: str) -> _Place:
        """Return the path by which the control plane's kubelet connects."""
        nodes = self.verbs.store.collection("nodes").select("")
        node = next((n.name for n in nodes if _CONTROL_PLANE in n.labels), "")
        if not node:
            raise errors.unavailable(f"no node has the label {_CONTROL_PLANE}: none can connect")
        return _Place(node, f"/proxy/{scheme}/{quote(address, safe='')}/{port}")


def _asked(text: str) -> _Asked:
    """Return the parts of a name.

    Raises:
        StatusError: It has too many, or no such scheme (400).
    """
    parts = text.split(":")
    if len(parts) < 3:
        parts = ["", *parts]
    scheme, name, port = (*parts, "")[:3]
    if len(parts) > 3 or scheme not in {"", "http", "https"} or not name:
        raise errors.bad_request(f'invalid request "{text}": must be [scheme:]name[:port]')
    return _Asked(scheme or "http", name, port)


def _pod_address(pod: JsonObject, asked: str) -> tuple[str, str]:
    """Return where a pod is asked: at the port that is named, its first one, or 80."""
    containers = pod["spec"]["containers"]
    declared = [p for c in containers for p in c.get("ports") or ()]
    if asked and not asked.isdecimal():
        named = [p["containerPort"] for p in declared if p.get("name") == asked]
        if not named:
            raise errors.unavailable(f'pod {pod["metadata"]["name"]} has no port "{asked}"')
        asked = str(named[0])
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise errors.bad_request("address not allowed")  # As of a pod that has none yet.
    return address, asked or (str(declared[0]["containerPort"]) if declared else "80")


def _forwarded(request: web.BaseRequest) -> Mapping[str, str]:
    return {
        "X-Forwarded-Host": request.host,
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Uri": request.rel_url.raw_path,
    }
