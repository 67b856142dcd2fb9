"""One session's process: what it was told, how the session goes, and when it must begin anew.

Its configuration is a file of root's alone. Routes that change while the session lasts are commands. What
else changes needs another process, and so do routes that changed since the process began as soon as it has
no session: it would begin the next one with those of its configuration.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ciliate.bgp.model import Session
from ciliate.bgp.session_state import SessionState, told
from ciliate.bgp.speaker_config import commands, render, without_routes
from ciliate.reconcile.backoff import Backoff
from ciliate.system.atomic_file import replace_file

_log = logging.getLogger(__name__)

_MODULE: Final = "ciliate.bgp.speaker.launch"

#: What ExaBGP answers to a command, and what it says of a configuration that it does not take.
_DONE: Final = b"done"
_ERROR: Final = b"error"
_REFUSED: Final = b"error message:"

#: How long it may take to carry out commands, and for how many it is waited at once.
_COMMANDS_S: Final = 10.0
_COMMANDS_AT_ONCE: Final = 256
#: A process without a session is replaced at most so often.
_REPLACE_S: Final = 5.0
#: Before it is started again after an end of its own: doubled, until it has run for a while.
_PAUSE_S: Final = 1.0
_PAUSE_MAX_S: Final = 60.0
_STEADY_S: Final = 60.0
#: How long withdrawals have to reach the router before a session is ended for good.
_WITHDRAW_S: Final = 1.0
_END_S: Final = 2.0

#: What a speaker has in its environment: nothing of the agent's.
_PATH: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Child:
    """Keeps one session's speaker at work; `run` is its task."""

    def __init__(self, session: Session, path: Path, changed: Callable[[], object]) -> None:
        """Have the configuration at `path`; `changed` is called when the session's state is other."""
        self.state = SessionState(since_s=time.time())
        #: The session as the speaker has it; None before it is told anything.
        self.told: Session | None = None
        #: Why there is no speaker; empty while there is one.
        self.problem = ""
        self._wanted = session
        self._path = path
        self._changed = changed
        self._woken = asyncio.Event()
        self._answered = asyncio.Event()
        self._answers = 0  # To the commands of this process.
        self._errors = 0
        self._has_lost = False  # Whether this process has had a session, and has it no more.
        self._process: asyncio.subprocess.Process | None = None
        self._leaving = asyncio.Event()

    @property
    def wanted(self) -> Session:
        """The session as it should be."""
        return self._wanted

    @property
    def pid(self) -> int | None:
        """The speaker's process; None: there is none."""
        return self._process.pid if self._process is not None else None

    def want(self, session: Session) -> None:
        """Have the speaker do this session from now on."""
        if session != self._wanted:
            self._wanted = session
            self._woken.set()

    async def run(self) -> None:
        """Keep it running until cancelled, or until it has left."""
        pause = Backoff(first_s=_PAUSE_S, limit_s=_PAUSE_MAX_S)
        try:
            while not self._leaving.is_set():
                begun_s = time.monotonic()
                self.problem = await self._once()
                if not self.problem:
                    continue
                if time.monotonic() - begun_s > _STEADY_S:
                    pause.reset()
                pause_s = pause.next()
                _log.warning(
                    "BGP speaker of %s: %s; it is started again in %.0f s",
                    self._name,
                    self.problem,
                    pause_s,
                )
                self._changed()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._leaving.wait()  # Whatever else changes.
        finally:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def leave(self) -> None:
        """Take back every route, then end: a router with graceful restart would keep them."""
        self._leaving.set()
        self._woken.set()

    @property
    def _name(self) -> str:
        return f"instance {self._wanted.instance}, peer {self._wanted.peer}"

    async def _once(self) -> str:
        """Run it once; return why it ended, or nothing where another is to begin."""
        self._woken.clear()
        self._answers = self._errors = 0
        self._has_lost = False
        session = self._wanted
        try:
            await self._write(session)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MODULE, str(self._path), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_PATH,
                cwd="/",
            )
        except OSError as error:
            return f"it cannot be started: {error}"
        self._process, self.told, self.problem = process, session, ""
        self._set_state(SessionState(name="active", since_s=time.time()))
        logging_it = asyncio.create_task(self._take_log(process))
        # Its end is the end of its events: `wait` waits for pipes, too, that helpers may have.
        ended = asyncio.create_task(self._take_events(process))
        try:
            await self._guide(process, ended, session)
            if not ended.done():
                return ""
        finally:
            await _end(process)
            for task in (logging_it, ended):
                task.cancel()
            self._process = self.told = None
            self._set_state(SessionState(since_s=time.time(), reason=self.state.reason))
        return f"it ended with code {process.returncode}{self.problem}"

    async def _guide(
        self, process: asyncio.subprocess.Process, ended: "asyncio.Task[None]", begun: Session
    ) -> None:
        """Tell it what is wanted, until it has ended or another must begin."""
        began_s, pause_s = time.monotonic(), None
        while not ended.done():
            await self._next(ended, pause_s)
            pause_s = None
            if self._leaving.is_set():
                if await self._tell(process, without_routes(begun)):
                    await asyncio.sleep(_WITHDRAW_S)
                return
            wanted = self._wanted
            has_lost = self._has_lost and self.told != begun
            if has_lost or without_routes(wanted) != without_routes(begun):
                return
            if self.state.is_established:
                if not await self._tell(process, wanted):
                    return
            elif wanted != begun:
                pause_s = began_s + _REPLACE_S - time.monotonic()
                if pause_s <= 0:
                    return

    async def _next(self, ended: "asyncio.Task[None]", pause_s: float | None) -> None:
        """Wait until something is other, or has ended, at most so long."""
        waking = asyncio.create_task(self._woken.wait())
        try:
            waiting = (waking, ended)
            await asyncio.wait(waiting, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        self._woken.clear()

    async def _tell(self, process: asyncio.subprocess.Process, session: Session) -> bool:
        """Have its session be this one, by commands; return whether it has carried them out."""
        assert process.stdin is not None
        if self.told is None or not self.state.is_established:
            return False
        words = commands(self.told, session)
        try:
            async with asyncio.timeout(_COMMANDS_S + len(words) / _COMMANDS_AT_ONCE):
                for begin in range(0, len(words), _COMMANDS_AT_ONCE):
                    some = words[begin : begin + _COMMANDS_AT_ONCE]
                    expected = self._answers + len(some)
                    process.stdin.write("".join(f"{each}\n" for each in some).encode())
                    await process.stdin.drain()
                    while self._answers < expected:
                        self._answered.clear()
                        await self._answered.wait()
        except (TimeoutError, ConnectionError):
            return False
        if self._errors:
            return False
        if words:
            self.told = session
            self._changed()
        return True

    async def _write(self, session: Session) -> None:
        content = render(session).encode()
        await asyncio.to_thread(replace_file, self._path, content, mode=0o600, durable=False)

    async def _take_events(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                if (answer := line.strip()) in (_DONE, _ERROR):
                    self._answers += 1
                    self._errors += answer == _ERROR
                    self._answered.set()
                else:
                    self._set_state(told(self.state, line))
        except ValueError:  # A line without end, of which no event can follow: another begins.
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _take_log(self, process: asyncio.subprocess.Process) -> None:
        """Note what matters of its log; the rest is nobody's, and may quote the configuration."""
        assert process.stderr is not None
        try:
            while line := await process.stderr.readline():
                if _REFUSED in line:
                    self.problem = ": it refuses its configuration, which is a bug of ours"
        except ValueError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _set_state(self, state: SessionState) -> None:
        if state == self.state:
            return
        before, self.state = self.state, state
        if state.is_established != before.is_established:
            self._woken.set()
            self._has_lost |= before.is_established
            told_of = f"{self._name} ({self._wanted.peer_address})"
            if state.is_established:
                _log.info("BGP session of %s is established", told_of)
            elif before.is_established:
                _log.warning(
                    "BGP session of %s has ended: %s", told_of, state.reason or "by this node"
                )
        self._changed()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it at once: its connection closes, which graceful restart covers and a word would not."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            await process.wait()
