"""One session's process: what it was told, how the session goes, and when it must begin anew.

Its configuration is a file of root's alone. Routes that change are written there and taken up by a
signal; ExaBGP says so in its log, or drops the signal while routes wait to be sent: then it is told
again. What else changes needs another process. As long as no session is there, nothing is lost by that.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ciliate.bgp.model import Session
from ciliate.bgp.session_state import SessionState, told
from ciliate.bgp.speaker_config import render, without_routes
from ciliate.reconcile.backoff import Backoff
from ciliate.system.atomic_file import replace_file

_log = logging.getLogger(__name__)

_MODULE: Final = "ciliate.bgp.speaker.launch"

#: What ExaBGP says when it has taken up its configuration.
_RELOADED: Final = b"loaded new configuration successfully"
_REFUSED: Final = b"error message:"

#: How long it may take to do so before it is told again.
_RELOAD_S: Final = 2.0
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
        self._reloaded = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._is_leaving = False

    @property
    def wanted(self) -> Session:
        """The session as it should be."""
        return self._wanted

    def want(self, session: Session) -> None:
        """Have the speaker do this session from now on."""
        if session != self._wanted:
            self._wanted = session
            self._woken.set()

    async def run(self) -> None:
        """Keep it running until cancelled, or until it has left."""
        pause = Backoff(first_s=_PAUSE_S, limit_s=_PAUSE_MAX_S)
        try:
            while not self._is_leaving:
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
                        await self._woken.wait()
        finally:
            await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def leave(self) -> None:
        """Take back every route, then end: a router with graceful restart would keep them."""
        self._is_leaving = True
        self._woken.set()

    @property
    def _name(self) -> str:
        return f"instance {self._wanted.instance}, peer {self._wanted.peer}"

    async def _once(self) -> str:
        """Run it once; return why it ended, or nothing where another is to begin."""
        self._woken.clear()
        self._reloaded.clear()
        session = self._wanted
        try:
            await self._write(session)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MODULE, str(self._path), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_PATH,
                cwd="/",
            )
        except OSError as error:
            return f"it cannot be started: {error}"
        self._process, self.told, self.problem = process, session, ""
        self._set_state(SessionState(name="active", since_s=time.time()))
        listening = [
            asyncio.create_task(self._take_events(process)),
            asyncio.create_task(self._take_log(process)),
        ]
        ended = asyncio.create_task(process.wait())
        try:
            await self._guide(process, ended, began_s=time.monotonic())
            return "" if not ended.done() else f"it ended with code {ended.result()}{self.problem}"
        finally:
            await _end(process)
            for task in (*listening, ended):
                task.cancel()
            self._process = self.told = None
            self._set_state(SessionState(since_s=time.time(), reason=self.state.reason))

    async def _guide(
        self,
        process: asyncio.subprocess.Process,
        ended: "asyncio.Task[int]",
        *,
        began_s: float,
    ) -> None:
        """Tell it what is wanted, until it has ended or another must begin."""
        while not ended.done():
            waking = asyncio.create_task(self._woken.wait())
            try:
                await asyncio.wait((waking, ended), return_when=asyncio.FIRST_COMPLETED)
            finally:
                waking.cancel()
            self._woken.clear()
            while not ended.done() and (self._is_leaving or self._wanted != self.told):
                if self._is_leaving:
                    await self._withdraw(process)
                    return
                session = self._wanted
                if self.told is None or without_routes(session) != without_routes(self.told):
                    return
                if await self._reload(process, session):
                    continue
                if not self.state.is_established:
                    await asyncio.sleep(max(began_s + _REPLACE_S - time.monotonic(), 0.0))
                    if not self.state.is_established:
                        return

    async def _reload(self, process: asyncio.subprocess.Process, session: Session) -> bool:
        """Have it take up the session's routes; return whether it says that it did."""
        await self._write(session)
        self._reloaded.clear()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGUSR1)
        try:
            async with asyncio.timeout(_RELOAD_S):
                await self._reloaded.wait()
        except TimeoutError:
            return False
        self.told = session
        self._changed()
        return True

    async def _withdraw(self, process: asyncio.subprocess.Process) -> None:
        if self.state.is_established and self.told is not None and self.told.routes:
            await self._reload(process, without_routes(self.told))
            await asyncio.sleep(_WITHDRAW_S)

    async def _write(self, session: Session) -> None:
        content = render(session).encode()
        await asyncio.to_thread(replace_file, self._path, content, mode=0o600, durable=False)

    async def _take_events(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._set_state(told(self.state, line))
        except ValueError:  # A line without end, of which no event can follow: another begins.
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _take_log(self, process: asyncio.subprocess.Process) -> None:
        """Note what matters of its log; the rest is nobody's, and may quote the configuration."""
        assert process.stderr is not None
        try:
            while line := await process.stderr.readline():
                if _RELOADED in line:
                    self._reloaded.set()
                elif _REFUSED in line:
                    self.problem = ": it refuses its configuration, which is a bug of ours"
        except ValueError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _set_state(self, state: SessionState) -> None:
        if state == self.state:
            return
        before, self.state = self.state, state
        if state.is_established != before.is_established:
            told_of = f"{self._name} ({self._wanted.peer_address})"
            if state.is_established:
                _log.info("BGP session of %s is established", told_of)
            elif before.is_established:
                _log.warning("BGP session of %s has ended: %s", told_of, state.reason)
        self._changed()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it at once: its connection closes, which graceful restart covers and a word would not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    async with asyncio.timeout(_END_S):
        await process.wait()
