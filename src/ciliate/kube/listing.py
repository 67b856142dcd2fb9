"""The initial events of a watch list: a list that comes as the beginning of a watch.

Complete or not at all, as a list in chunks: what has come is shown to nobody before the bookmark
that ends it. Between the objects come the first changes; a server that was started long ago sends
its cache and then what the cache lacked.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import ObjectKey
from ciliate.kube.document import key_of
from ciliate.kube.watch import EventType, WatchEvent, ends_initial_events

T = TypeVar("T", bound=KubeObject)

#: After so long a list in chunks is asked for: a server that ignores what it does not know sends
#: objects and never the end of them.
INITIAL_EVENTS_S: Final = 60.0


class InitialEvents(Generic[T]):
    """What has come of a list; `listed` and `unreadable` are the list once `take` returns True.

    Each object is kept as `transform` has it, from the moment it comes: thousands of whole ones, held
    until the last is there, would cost more memory than all that is known afterwards.
    """

    def __init__(self, transform: Callable[[T], T]) -> None:
        self._transform = transform
        self.listed: dict[ObjectKey, T] = {}
        self.unreadable: set[ObjectKey] = set()

    def take(self, event: WatchEvent[T]) -> bool:
        """Note an event; return whether it ends the list."""
        if event.type is EventType.BOOKMARK:
            return ends_initial_events(event)
        key = key_of(event.object)
        self.listed.pop(key, None)
        self.unreadable.discard(key)
        if event.type is EventType.UNREADABLE:
            self.unreadable.add(key)
        elif event.type is not EventType.DELETED:
            kept = self._transform(event.object)
            self.listed[key_of(kept)] = kept
        return False
