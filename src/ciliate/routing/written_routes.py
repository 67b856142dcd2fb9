"""Which routes this agent wrote into the kernel's table: a file in its state directory.

No number in a route proves whose it is: every program may write `proto kernel`. So each route is
noted before it is written and stays noted until the kernel has it no more. An agent that is killed
in between leaves a note too many, never a route without one; and a note says the whole route, so
that another program's to the same destination is not taken for ours. Routes to this node's pods
are not noted: their devices are ours.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from ciliate.net.address import IPNetwork, ip_address, ip_network
from ciliate.net.link import RouteKind
from ciliate.routing.errors import WrittenRoutesError
from ciliate.routing.plan import NextHop
from ciliate.system.atomic_file import replace_file

_log = logging.getLogger(__name__)

FILE_NAME: Final = "routes.json"

_Notes = dict[IPNetwork, frozenset[NextHop]]


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A route in the file."""

    destination: str
    via: str = ""
    link: int = 0
    kind: int = RouteKind.UNICAST
    source: str = ""
    metric: int = 0


class WrittenRoutes:
    """The notes, as they are in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes: _Notes = {}
        #: The notes as the file has them: there are thousands, and one changes.
        self._lines: dict[IPNetwork, bytes] = {}
        #: Whether there are notes of a former agent; without, it kept none, or they are lost.
        self.is_known = False

    def load(self) -> None:
        """Read the notes of a former agent."""
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=tuple[_Note, ...])
            notes: _Notes = {}
            for each in found:
                prefix = ip_network(each.destination)
                notes[prefix] = notes.get(prefix, frozenset()) | {_hop(each)}
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            _log.warning("%s: not read, routes are told by their form: %s", self._path, error)
            return
        self._notes, self._lines, self.is_known = notes, _lines(notes), True

    def holds(self, destination: IPNetwork, hop: NextHop) -> bool:
        """Whether this agent, or one before it, wrote the route to `destination` by `hop`."""
        return _identity(hop) in self._notes.get(destination, ())

    def note(self, routes: Mapping[IPNetwork, NextHop]) -> None:
        """Note routes, before they are written; what was noted of a destination stays noted.

        Raises:
            WrittenRoutesError: The file cannot be replaced; the routes must not be written.
        """
        news = {
            prefix: self._notes.get(prefix, frozenset()) | {_identity(hop)}
            for prefix, hop in routes.items()
            if not self.holds(prefix, hop)
        }
        if not news and self.is_known:
            return
        self._save(self._notes | news, self._lines | _lines(news))
        self.is_known = True

    def inherit(self, routes: Mapping[IPNetwork, NextHop]) -> None:
        """Note routes that stand, of an agent that kept no notes; where they cannot be, later.

        They are held at once all the same: without a file the next agent takes them over as this
        one does.
        """
        for prefix, hop in routes.items():
            self._notes[prefix] = self._notes.get(prefix, frozenset()) | {_identity(hop)}
        self._lines = _lines(self._notes)
        try:
            self.note({})
        except WrittenRoutesError as error:
            _log.warning("%s", error)

    def keep(self, standing: Mapping[IPNetwork, Collection[NextHop]]) -> None:
        """Forget what does not stand in the kernel any more; nothing is being written."""
        notes = {
            prefix: hops.intersection(map(_identity, standing[prefix]))
            for prefix, hops in self._notes.items()
            if prefix in standing
        }
        notes = {prefix: hops for prefix, hops in notes.items() if hops}
        if notes == self._notes:
            return
        changed = {prefix: hops for prefix, hops in notes.items() if hops != self._notes[prefix]}
        lines = {prefix: self._lines[prefix] for prefix in notes} | _lines(changed)
        try:
            self._save(notes, lines)
        except WrittenRoutesError as error:  # A note too many does no harm.
            _log.debug("%s", error)

    def _save(self, notes: _Notes, lines: dict[IPNetwork, bytes]) -> None:
        content = b",".join(lines.values())
        try:
            replace_file(self._path, b"[" + content + b"]\n", mode=0o600, durable=False)
        except OSError as error:
            raise WrittenRoutesError(str(self._path), str(error)) from error
        self._notes, self._lines = notes, lines


def _identity(hop: NextHop) -> NextHop:
    """Return what a route is known by: the kernel changes its MTU with the device's (IPv6)."""
    return replace(hop, mtu=None)


def _lines(notes: _Notes) -> dict[IPNetwork, bytes]:
    return {
        prefix: b",".join(map(msgspec.json.encode, _entries(prefix, hops)))
        for prefix, hops in notes.items()
    }


def _entries(prefix: IPNetwork, hops: Iterable[NextHop]) -> Iterable[_Note]:
    for hop in hops:
        yield _Note(
            str(prefix),
            via=str(hop.gateway or ""),
            link=hop.link_index,
            kind=hop.kind,
            source=str(hop.source or ""),
            metric=hop.metric,
        )


def _hop(note: _Note) -> NextHop:
    gateway = ip_address(note.via) if note.via else None
    source = ip_address(note.source) if note.source else None
    return NextHop(note.link, gateway, RouteKind(note.kind), source=source, metric=note.metric)
