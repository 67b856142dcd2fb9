"""Reading and writing Kubernetes objects as Structs.

**Write with `patch`.** A Struct declares only the fields Ciliate knows; `update` replaces the
whole object by it and so removes what other writers, or newer versions, have put there. A merge
patch touches the named fields alone; one that contains `metadata.resourceVersion` also fails
with ConflictError when the object has changed since. `update` is for kinds all of whose fields
are ours.

No request is repeated here. After an UnavailableError it is unknown whether a write took
effect; reconcilers observe again and see.
"""

import builtins
import contextlib
import random
from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube import credentials
from ciliate.kube.document import ObjectList, decode, decode_chunk, encode, target_of
from ciliate.kube.errors import GoneError, InvalidError
from ciliate.kube.execution import OUTPUT_BYTES_MAX, Executed, execute, printed_pieces
from ciliate.kube.options import PatchKind, Propagation
from ciliate.kube.transport import JSON, Limits, Transport
from ciliate.kube.watch import EventDecoder, WatchEvent
from ciliate.kube.write import Write
from ciliate.net.address import IPAddress

T = TypeVar("T", bound=KubeObject)

#: Objects a request of a list asks for; kubectl and client-go use the same.
CHUNK_OBJECTS: Final = 500

#: Five million objects: a list that goes on beyond is a server in a loop.
_CHUNKS_MAX: Final = 10_000

#: The server ends a watch after a time between these (client-go uses the same), so that load
#: spreads again over servers, and a watch that went wrong unnoticed does not stay.
_WATCH_TIMEOUT_S: Final = (300, 600)


#: The parameters by which a watch begins with every object there is.
_WATCH_LIST: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


class ApiClient:
    """A client of one API server; cheap to make, connects on first use."""

    def __init__(
        self,
        access: credentials.Credentials,
        *,
        limits: Limits | None = None,
        user_agent: str = "ciliate",
    ) -> None:
        self._transport = Transport(access, limits=limits or Limits(), user_agent=user_agent)

    @classmethod
    def from_kubeconfig(
        cls, path: str | Path, *, context: str = "", user_agent: str = "ciliate"
    ) -> Self:
        """Return a client for a context of a kubeconfig file.

        Raises:
            KubeconfigError: The file cannot be used.
        """
        return cls(credentials.from_kubeconfig(path, context=context), user_agent=user_agent)

    @classmethod
    def in_cluster(cls, *, user_agent: str = "ciliate") -> Self:
        """Return a client for a pod, with its service account.

        Raises:
            KubeconfigError: This process is not in a pod.
        """
        return cls(credentials.in_cluster(), user_agent=user_agent)

    @classmethod
    def detect(
        cls, kubeconfig: str = "", *, context: str = "", user_agent: str = "ciliate"
    ) -> Self:
        """Return a client by the file named, else $KUBECONFIG, the pod, ~/.kube/config.

        A context is one of a file: then the pod is none of the places.

        Raises:
            KubeconfigError: The first of these that is there cannot be used.
        """
        return cls(credentials.detect(kubeconfig, context=context), user_agent=user_agent)

    @property
    def server(self) -> str:
        """The server's URL, for messages and status output."""
        return self._transport.server

    @property
    def transport(self) -> Transport:
        """The connections, for a client that shares them."""
        return self._transport

    @property
    def field_manager(self) -> str:
        """What the API server calls this client in managedFields."""
        return self._transport.field_manager

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    def give_up(self, addresses: Collection[IPAddress]) -> int:
        """End the connections that come from addresses this machine has lost; return how many.

        Watches and requests that used them fail at once, instead of after half a minute of silence.
        """
        return self._transport.give_up(addresses)

    async def alive(self) -> None:
        """Return if the server answers anything at all right now.

        Raises:
            UnavailableError: It does not.
        """
        await self._transport.confirm_alive()

    async def get(self, resource: Resource[T], name: str, *, namespace: str = "") -> T:
        """Return one object.

        Raises:
            NotFoundError: There is none of that name.
            KubeError: Otherwise refused or unreachable.
        """
        return await self._one("get", "GET", resource, name=name, namespace=namespace)

    async def list(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList[T]:
        """Return all objects, as of one moment, fetched in chunks.

        Raises:
            KubeError: Refused or unreachable; never a part of the list.
        """
        selection = _selection(label_selector, field_selector)
        try:
            return await self._list_by(resource, namespace, selection, CHUNK_OBJECTS)
        except GoneError:
            # The moment of the first chunk has been compacted away: once more, in one piece.
            return await self._list_by(resource, namespace, selection, 0)

    async def create(self, resource: Resource[T], item: T) -> T:
        """Create `item` and return it as the server stored it.

        Raises:
            AlreadyExistsError: The name is taken.
            KubeError: Otherwise refused or unreachable.
        """
        meta, body = item.metadata, encode(resource, item)
        async with self._turn(Write(resource, (meta.namespace, meta.name), "create", body)):
            return await self._one(
                "create",
                "POST",
                resource,
                namespace=meta.namespace,
                label=meta.name or meta.generate_name,
                body=body,
            )

    async def update(self, resource: Resource[T], item: T) -> T:
        """Replace the object by `item`: fields that its Struct lacks are lost. See `patch`.

        With a resourceVersion in its metadata, only if the object has not changed since.

        Raises:
            ConflictError: It has changed.
            NotFoundError: There is no such object.
            KubeError: Otherwise refused or unreachable.
        """
        return await self._one(
            "update",
            "PUT",
            resource,
            name=item.metadata.name,
            namespace=item.metadata.namespace,
            body=encode(resource, item),
        )

    async def patch(
        self,
        resource: Resource[T],
        name: str,
        body: Any,
        *,
        namespace: str = "",
        kind: PatchKind = PatchKind.MERGE,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """Change the fields that `body` names and return the whole object.

        `body` is a mapping, a list (JSON patch) or a Struct; msgspec encodes it. Server-side
        apply needs a field manager; `force` takes fields over from other managers.

        Raises:
            NotFoundError: There is no such object; apply creates it instead.
            ConflictError: The body has a resourceVersion and the object another, or a field
                of an apply belongs to another manager.
            KubeError: Otherwise refused or unreachable.
        """
        params = {"fieldManager": field_manager} if field_manager else {}
        if force:
            params["force"] = "true"
        encoded = msgspec.json.encode(body)
        async with self._turn(Write(resource, (namespace, name), "patch", encoded, subresource)):
            return await self._one(
                "patch",
                "PATCH",
                resource,
                name=name,
                namespace=namespace,
                subresource=subresource,
                body=encoded,
                content_type=kind.value,
                params=params,
            )

    async def delete(
        self,
        resource: Resource[T],
        name: str,
        *,
        namespace: str = "",
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
        grace_period_s: int | None = None,
    ) -> None:
        """Delete one object, on condition that it still has this uid and resourceVersion.

        Finalizers, and a pod's grace period, may keep it for a while.

        Raises:
            NotFoundError: It is gone already.
            ConflictError: Another object has the name now, or it was changed.
            KubeError: Otherwise refused or unreachable.
        """
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation.value,
        }
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if wanted := {key: value for key, value in conditions.items() if value}:
            options["preconditions"] = wanted
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        async with self._turn(Write(resource, (namespace, name), "delete")):
            await self._transport.request(
                "DELETE",
                resource.path(namespace=namespace, name=name),
                verb="delete",
                target=target_of(resource, namespace, name),
                body=msgspec.json.encode(options),
            )

    def _turn(self, write: Write) -> contextlib.AbstractAsyncContextManager[None]:
        """Return what a write is made in: here, nothing that it waits for."""
        del write
        return contextlib.nullcontext()

    async def watch(
        self,
        resource: Resource[T],
        *,
        resource_version: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[builtins.list[WatchEvent[T]], None]:
        """Yield what happens after `resource_version`, in batches as they arrive.

        The first batch is empty: the server has accepted. Ends when the server
        ends it, which it does every few minutes: go on from the last resourceVersion seen.

        Without a resourceVersion it is a watch list (Kubernetes API concepts, "Streaming lists";
        KEP-3157): every object there is comes first, as ADDED, up to a bookmark that
        `ends_initial_events` knows. A server without them refuses with InvalidError.

        Raises:
            GoneError: The server no longer knows that far back: list again.
            KubeError: Refused, ended with an error, unreachable or silent.
        """
        params = _selection(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*_WATCH_TIMEOUT_S)),
        }
        params |= {"resourceVersion": resource_version} if resource_version else _WATCH_LIST
        decoder = EventDecoder(resource)
        pieces = self._transport.stream(
            resource.path(namespace=namespace),
            verb="watch",
            target=target_of(resource, namespace),
            params=params,
        )
        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                yield decoder.feed(piece)

    async def execute(
        self,
        pod: str,
        command: tuple[str, ...],
        *,
        namespace: str,
        container: str,
        timeout_s: float,
        output_bytes_max: int = OUTPUT_BYTES_MAX,
    ) -> Executed:
        """Run a command in a pod's container, without input, to its end.

        Raises:
            UnavailableError: The node does not answer, or not within `timeout_s`.
            InvalidError: The command was not run, or printed more than `output_bytes_max`.
            KubeError: The API server refuses.
        """
        return await execute(
            self._transport,
            pod,
            command,
            namespace=namespace,
            container=container,
            timeout_s=timeout_s,
            output_bytes_max=output_bytes_max,
        )

    def printed_pieces(
        self, pod: str, command: tuple[str, ...], *, namespace: str, container: str
    ) -> AsyncGenerator[bytes]:
        """Yield what a command in a pod's container prints, as it comes; close it when done.

        Raises:
            UnavailableError: The node does not answer, or the connection ended before the command.
            InvalidError: The command was not run, or failed.
            KubeError: The API server refuses.
        """
        return printed_pieces(
            self._transport, pod, command, namespace=namespace, container=container
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """Return the answer to any request, for commands that show what the server says.

        Raises:
            KubeError: Refused or unreachable.
        """
        return await self._transport.request(
            method,
            path,
            verb=method.lower(),
            target=path,
            params=params,
            body=body,
            content_type=content_type,
            accept=accept,
        )

    async def get_json(
        self, path: str, *, params: Mapping[str, str] | None = None, accept: str = JSON
    ) -> Any:
        """Return the answer to a GET as plain Python data.

        Raises:
            KubeError: Refused or unreachable.
        """
        answer = await self.request("GET", path, params=params, accept=accept)
        return decode(answer, Any, verb="get", target=path)

    async def _one(
        self,
        verb: str,
        method: str,
        resource: Resource[T],
        *,
        name: str = "",
        namespace: str = "",
        subresource: str = "",
        label: str = "",
        body: bytes | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
    ) -> T:
        """Make a request whose answer is one object of the kind."""
        target = target_of(resource, namespace, label or name, subresource)
        answer = await self._transport.request(
            method,
            resource.path(namespace=namespace, name=name, subresource=subresource),
            verb=verb,
            target=target,
            params=params,
            body=body,
            content_type=content_type,
        )
        item: T = decode(answer, resource.struct, verb=verb, target=target)
        return item

    async def _list_by(
        self, resource: Resource[T], namespace: str, selection: dict[str, str], size: int
    ) -> ObjectList[T]:
        items: builtins.list[T] = []
        unreadable: set[ObjectKey] = set()
        token = ""
        target = target_of(resource, namespace)
        for _ in range(_CHUNKS_MAX):
            params = selection | ({"limit": str(size)} if size else {})
            answer = await self._transport.request(
                "GET",
                resource.path(namespace=namespace),
                verb="list",
                target=target,
                params=params | ({"continue": token} if token else {}),
            )
            chunk = decode_chunk(resource, answer, target)
            items.extend(chunk.items)
            unreadable |= chunk.unreadable
            token = chunk.token
            if not token:
                return ObjectList(tuple(items), chunk.resource_version, frozenset(unreadable))
        raise InvalidError(
            verb="list", target=target, detail=f"no end after {_CHUNKS_MAX} chunks of {size}"
        )


def _selection(label_selector: str, field_selector: str) -> dict[str, str]:
    wanted = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in wanted.items() if value}
