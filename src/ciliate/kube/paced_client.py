"""A client whose writes keep to a pace: what is undone again and again, it writes slowly.

The same write of the same fields of an object counts (`write_pace.py`): after a few it fails
instead, with an error that names who undoes it, and is made with growing pauses.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import ObjectKey, Resource
from ciliate.kube.client import ApiClient
from ciliate.kube.document import encode
from ciliate.kube.last_writer import Document
from ciliate.kube.options import PatchKind, Propagation
from ciliate.kube.write_pace import WritePace

T = TypeVar("T", bound=KubeObject)

#: Verb, path and fields of a write, as a digest: what is counted together.
_Place = bytes

#: What somebody does who undoes a write.
_UNDOING: Final = {
    "create": "something deletes it",
    "patch": "something changes it",
    "delete": "something makes it again",
}

#: Fields of a write that differ each time, also when it says the same.
_PASSING: Final = frozenset(
    {
        "resourceVersion",
        "lastUpdateTime",
        "lastTransitionTime",
        "lastHeartbeatTime",
        "lastProbeTime",
    }
)


@dataclass(frozen=True, slots=True)
class _Write:
    resource: Resource[Any]
    key: ObjectKey
    verb: str
    body: Any = None
    subresource: str = ""

    @property
    def place(self) -> _Place:
        return self._place_of(self.verb, _fields(self.body))

    @property
    def undone_by_us(self) -> _Place:
        """The place of the write that this one takes back."""
        return self._place_of({"create": "delete", "delete": "create"}.get(self.verb, ""), None)

    def _place_of(self, verb: str, fields: Any) -> _Place:
        namespace, name = self.key
        path = self.resource.path(namespace=namespace, name=name, subresource=self.subresource)
        return _digest([verb, path, fields if verb == "patch" else None])

    def stands_in(self, document: Document | None) -> bool:
        """Whether the object is as this write leaves it."""
        if self.verb == "create":
            return document is not None
        if document is None:
            return self.verb == "delete"
        if self.verb == "delete":
            return bool(document["metadata"].get("deletionTimestamp"))
        return isinstance(self.body, dict) and _holds(document, self.body)


class PacedClient(ApiClient):
    """Writes by another client, and reads by its connections.

    Its `create`, `patch` and `delete` raise UndoneError besides what they raise there.
    """

    def __init__(self, client: ApiClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._transport = client.transport
        self._pace: WritePace[_Place, bytes] = WritePace(client, clock=clock)

    async def create(self, resource: Resource[T], item: T) -> T:
        """Create `item` and return it as the server stored it.

        Raises:
            UndoneError: Somebody deletes it again and again.
        """
        meta = item.metadata
        body = _plain(msgspec.json.decode(encode(resource, item)))
        write = _Write(resource, (meta.namespace, meta.name), "create", body)
        await self._wait_for_turn(write)
        made = await self._client.create(resource, item)
        self._note(write)
        return made

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

        Raises:
            UndoneError: Somebody changes them back again and again.
        """
        plain = _plain(msgspec.json.decode(msgspec.json.encode(body)))
        write = _Write(resource, (namespace, name), "patch", plain, subresource)
        await self._wait_for_turn(write)
        changed = await self._client.patch(
            resource,
            name,
            body,
            namespace=namespace,
            kind=kind,
            subresource=subresource,
            field_manager=field_manager,
            force=force,
        )
        self._note(write)
        return changed

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
        """Delete one object.

        Raises:
            UndoneError: Somebody makes it anew again and again.
        """
        write = _Write(resource, (namespace, name), "delete")
        await self._wait_for_turn(write)
        await self._client.delete(
            resource,
            name,
            namespace=namespace,
            uid=uid,
            resource_version=resource_version,
            propagation=propagation,
            grace_period_s=grace_period_s,
        )
        self._note(write)

    async def _wait_for_turn(self, write: _Write) -> None:
        """Return when the write may be made now.

        Raises:
            UndoneError: It is undone each time, and has to wait.
        """
        await self._pace.wait_for_turn(
            write.place,
            _digest(write.body),
            write.resource,
            write.key,
            undoing=_UNDOING[write.verb],
            stands=write.stands_in,
        )

    def _note(self, write: _Write) -> None:
        if write.verb != "patch":
            self._pace.forget(write.undone_by_us)
        if write.key[1]:  # What the server names is another object each time.
            self._pace.note(write.place, _digest(write.body))


def _plain(document: Any) -> Any:
    """Return a document without what differs each time."""
    if isinstance(document, dict):
        return {k: _plain(value) for k, value in document.items() if k not in _PASSING}
    if isinstance(document, list):
        return [_plain(each) for each in document]
    return document


def _fields(document: Any) -> Any:
    """Return the names of the fields that a merge patch names; a list is one value."""
    if isinstance(document, dict):
        return {key: _fields(value) for key, value in document.items()}
    return None


def _holds(document: Any, patch: Mapping[str, Any]) -> bool:
    """Whether a merge patch (RFC 7396) would change nothing; what is empty may be left out."""
    if not isinstance(document, Mapping):
        return False
    for key, value in patch.items():
        found = document.get(key)
        if isinstance(value, dict):
            if not _holds(found or {}, value):
                return False
        elif (_plain(found) or None) != (value or None):
            return False
    return True


def _digest(document: Any) -> bytes:
    encoded = msgspec.json.encode(document, order="sorted")
    return hashlib.blake2b(encoded, digest_size=16).digest()
