"""From the bytes of a watch to events: the hot path of every cache.

The API sends one JSON document a line (Kubernetes API concepts, "Efficient detection of
changes"). Whole pieces are decoded at once into typed Structs; only a piece that contains
something unexpected is taken apart line by line.
"""

from contextlib import suppress
from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from ciliate.api.decode import decode_document, without_nulls
from ciliate.api.metadata import KubeObject, PartialObject
from ciliate.api.resource import Resource
from ciliate.kube.document import decode_partially, key_of
from ciliate.kube.errors import UnavailableError
from ciliate.kube.status import Status, error_of

T = TypeVar("T", bound=KubeObject)

#: A line beyond this is no object: etcd's limit is 1.5 MiB, JSON may need some times that.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024


class EventType(StrEnum):
    """What happened; a bookmark only says how far the watch has come.

    UNREADABLE is ours, no server sends it: an object that exists and cannot be read.
    """

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    UNREADABLE = "UNREADABLE"


class WatchEvent(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """One line of a watch; of a bookmark and of what is unreadable only the metadata count."""

    type: EventType
    object: T


#: On the bookmark behind the last of the initial events of a watch list.
_INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


def ends_initial_events(event: WatchEvent[T]) -> bool:
    """Whether every object there was has come by now, and only changes follow."""
    annotations = event.object.metadata.annotations
    return event.type is EventType.BOOKMARK and annotations.get(_INITIAL_EVENTS_END) == "true"


class _RawEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _ErrorEvent(msgspec.Struct, frozen=True):
    object: Status


class EventDecoder(Generic[T]):
    """Cuts pieces into lines and lines into events, for one watch."""

    def __init__(self, resource: Resource[T]) -> None:
        self._resource = resource
        self._decoder = msgspec.json.Decoder(WatchEvent[resource.struct])  # type: ignore[name-defined]  # A type made at run time.
        self._rest: list[bytes] = []
        self._rest_bytes = 0

    def feed(self, piece: bytes) -> list[WatchEvent[T]]:
        """Return the events that `piece` completes, in order.

        Raises:
            GoneError: The server ended the watch, since its history no longer reaches back.
            KubeError: The server ended it for another reason, or does not speak this protocol.
        """
        end = piece.rfind(b"\n") + 1
        if not end:
            self._keep(piece)
            return []
        lines = b"".join((*self._rest, memoryview(piece)[:end]))
        self._rest, self._rest_bytes = [], 0
        self._keep(piece[end:])
        try:
            return self._decoder.decode_lines(lines)
        except msgspec.MsgspecError:
            return self._decode_each(lines)

    def _keep(self, part: bytes) -> None:
        if not part:
            return
        self._rest.append(part)
        self._rest_bytes += len(part)
        if self._rest_bytes > LINE_BYTES_MAX:
            raise self._unreadable(f"a line of more than {LINE_BYTES_MAX} bytes")

    def _decode_each(self, lines: bytes) -> list[WatchEvent[T]]:
        events: list[WatchEvent[T]] = []
        for line in lines.splitlines():
            if not line.strip():
                continue
            try:
                events.append(self._decoder.decode(line))
            except msgspec.MsgspecError as error:
                events.append(self._decode_odd(line, error))
        return events

    def _decode_odd(self, line: bytes, cause: msgspec.MsgspecError) -> WatchEvent[T]:
        """Return the event of a line that does not fit its Struct.

        An object that cannot be read stays in caches as it was, unless a partial decode reads
        something of it; but its version, and its deletion, which needs only the name, must not be
        missed.
        """
        try:
            raw = msgspec.json.decode(line, type=_RawEvent)
            if raw.type == "ERROR":
                status = decode_document(line, _ErrorEvent).object
                raise error_of(status, verb="watch", target=self._resource.plural)
            kind = EventType(raw.type)
            document = without_nulls(bytes(raw.object))
            partial = msgspec.json.decode(document, type=PartialObject)
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        with suppress(msgspec.MsgspecError):
            return WatchEvent(kind, msgspec.json.decode(document, type=self._resource.struct))
        if kind is not EventType.BOOKMARK:
            rest = decode_partially(self._resource, document, key_of(partial), cause)
            if rest is not None and kind is not EventType.DELETED:
                return WatchEvent(kind, rest)
            kind = EventType.DELETED if kind is EventType.DELETED else EventType.UNREADABLE
        return self._decoder.decode(msgspec.json.encode({"type": kind, "object": partial}))

    def _unreadable(self, problem: str) -> UnavailableError:
        return UnavailableError(
            verb="watch",
            target=self._resource.plural,
            detail=f"the answer is no watch of the Kubernetes API: {problem}",
        )
