"""A client whose writes keep to a pace: what is undone again and again, it writes slowly.

The same write of the same fields of an object counts (`write_pace.py`): after a few it fails
instead, with an error that names who undoes it, and is made with growing pauses.
"""

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from ciliate.api.endpoint_slice import TRIGGER_TIME_ANNOTATION
from ciliate.kube.client import ApiClient
from ciliate.kube.lookup import Document
from ciliate.kube.write import Write
from ciliate.kube.write_pace import WritePace

#: Verb, path and fields of a write, as a digest: what is counted together.
_Place = bytes

#: What somebody does who undoes a write.
_UNDOING: Final = {
    "create": "something deletes it",
    "patch": "something changes it",
    "delete": "something makes it again",
}

#: The verb of the write that a write takes back.
_TAKES_BACK: Final = {"create": "delete", "delete": "create"}

#: Fields of a write that differ each time, also when it says the same.
_PASSING: Final = frozenset(
    {
        "resourceVersion",
        "lastUpdateTime",
        "lastTransitionTime",
        "lastHeartbeatTime",
        "lastProbeTime",
        TRIGGER_TIME_ANNOTATION,
    }
)


class PacedClient(ApiClient):
    """Reads and writes by the connections of another client.

    Its `create`, `patch` and `delete` raise UndoneError besides what they raise there: somebody
    undoes them each time, and they have to wait.
    """

    def __init__(self, client: ApiClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = client.transport
        self._pace: WritePace[_Place, bytes] = WritePace(client, clock=clock)

    @asynccontextmanager
    async def _turn(self, write: Write) -> AsyncIterator[None]:
        body = _plain(msgspec.json.decode(write.body)) if write.body else None
        place = _place(write, write.verb, _fields(body))
        await self._pace.wait_for_turn(
            place,
            _digest(body),
            write.resource,
            write.key,
            undoing=_UNDOING[write.verb],
            stands=lambda document: _stands(write.verb, body, document),
        )
        yield
        if write.verb in _TAKES_BACK:
            self._pace.forget(_place(write, _TAKES_BACK[write.verb], None))
        if write.key[1]:  # What the server names is another object each time.
            self._pace.note(place, _digest(body))


def _place(write: Write, verb: str, fields: Any) -> _Place:
    namespace, name = write.key
    path = write.resource.path(namespace=namespace, name=name, subresource=write.subresource)
    return _digest([verb, path, fields if verb == "patch" else None])


def _stands(verb: str, body: Any, document: Document | None) -> bool:
    """Whether an object is as a write leaves it."""
    if verb == "create":
        return document is not None
    if document is None:
        return verb == "delete"
    if verb == "delete":
        return bool(document["metadata"].get("deletionTimestamp"))
    return isinstance(body, dict) and _holds(document, body)


def _plain(document: Any) -> Any:
    """Return a document without what differs each time, and what holds nothing else."""
    if isinstance(document, dict):
        found = {k: _plain(value) for k, value in document.items() if k not in _PASSING}
        return {k: value for k, value in found.items() if value or not document[k]}
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
