"""How many events, and of which time: `--last`, `--first`, `--all`, `--since`, `--until`, `-f`. Pure."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.cli.hubble.errors import FlagConflictError
from ciliate.cli.hubble.moment import read_moment

#: What a command shows that was told nothing.
NUMBER: Final = 20
_ALL: Final = (1 << 64) - 1

_NEWEST: Final = "the newest and the oldest are two questions"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a server is asked for; `number` 0 means no limit."""

    number: int = 0
    first: bool = False
    follow: bool = False
    since: Timestamp | None = None
    until: Timestamp | None = None


def read_selection(
    *,
    last: int,
    first: int,
    everything: bool,
    follow: bool,
    since: str | None,
    until: str | None,
    now_ns: int,
    default: int = NUMBER,
) -> Selection:
    """Return what the flags ask for; of those that were not given, `default` events.

    Raises:
        FlagConflictError: Two flags contradict each other.
        FlagError: A moment cannot be read.
    """
    for given, other in ((bool(last), "last"), (everything, "all"), (follow, "follow")):
        if first and given:
            raise FlagConflictError("first", other, _NEWEST)
    if last and everything:
        raise FlagConflictError("last", "all")
    number = _ALL if everything else last or first
    if not (number or follow or since or until):
        number = default
    return Selection(
        number=number,
        first=bool(first),
        follow=follow,
        since=read_moment("since", since, now_ns=now_ns) if since else None,
        # A stream that goes on has no end.
        until=read_moment("until", until, now_ns=now_ns) if until and not follow else None,
    )
