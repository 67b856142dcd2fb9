"""Which sessions have a speaker: those of the plan, each in a process of its own."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ciliate.bgp.model import Session, SessionKey
from ciliate.bgp.speaker.child import Child

#: How long sessions that are no longer wanted have to take back their routes.
LEAVE_S: Final = 5.0


class Speaker:
    """The children, by session; `apply` has it be those that are wanted."""

    def __init__(
        self, folder: Path, tasks: asyncio.TaskGroup, changed: Callable[[], object]
    ) -> None:
        """Have configurations in `folder`, which is root's alone."""
        self._folder = folder
        for left in folder.glob("*.conf*") if folder.is_dir() else ():
            left.unlink(missing_ok=True)  # Of an agent that was killed; it may hold a password.
        self._tasks = tasks
        self._changed = changed
        self._children: dict[SessionKey, Child] = {}
        self._running: dict[SessionKey, asyncio.Task[None]] = {}

    @property
    def children(self) -> Mapping[SessionKey, Child]:
        """The children as they are now."""
        return self._children

    async def apply(self, sessions: Mapping[SessionKey, Session]) -> None:
        """Start, tell and end children, so that these sessions are there and no other."""
        for key in self._children.keys() - sessions.keys():
            await self._end(key)
        for key, session in sessions.items():
            child = self._children.get(key)
            if child is not None and child.wanted.peer_address != session.peer_address:
                await self._end(key)  # The former router is told that its routes go.
                child = None
            if child is None:
                self._start(session)
            else:
                child.want(session)

    def _start(self, session: Session) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256("/".join(session.key).encode()).hexdigest()[:16]
        child = Child(session, self._folder / f"{name}.conf", self._changed)
        self._children[session.key] = child
        self._running[session.key] = self._tasks.create_task(
            child.run(), name=f"BGP speaker of {session.peer}"
        )

    async def _end(self, key: SessionKey) -> None:
        child, running = self._children.pop(key), self._running.pop(key)
        child.leave()
        await asyncio.wait((running,), timeout=LEAVE_S)
        if not running.done():
            running.cancel()
            await asyncio.wait((running,))
        self._changed()
