"""How containers end: their preStop hook, SIGTERM, then SIGKILL to what is left when no time is.

The hook's time is part of the grace period, and leaves two seconds for SIGTERM in any case.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ciliate.lab.cgroup import CgroupBusyError
from ciliate.lab.kubelet.container import ContainerLife

#: After SIGKILL, how long a container's end is waited for before it is left to the kernel.
_KILLED_S: Final = 15.0
#: What SIGTERM has when a hook took all the time (kubelet's `minimumGracePeriodInSeconds`).
_LEAST_S: Final = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """The time that an end may take: asked again whenever `changed` is set, as it may be cut."""

    began: float
    seconds: Callable[[], float]
    changed: asyncio.Event

    @classmethod
    def from_now(cls, seconds: Callable[[], float], changed: asyncio.Event) -> "Grace":
        """Return a period that begins now."""
        now = asyncio.get_running_loop().time()
        return cls(began=now, seconds=seconds, changed=changed)

    def left_s(self, *, not_before: float = 0) -> float:
        """Return what is left; until `not_before` there is some, unless there is no grace at all."""
        seconds = self.seconds()
        if seconds <= 0:
            return 0.0
        return max(self.began + seconds, not_before) - asyncio.get_running_loop().time()

    async def wait_for(self, future: "asyncio.Future[Any]", *, not_before: float = 0) -> bool:
        """Wait while there is time; whether it is done."""
        while not future.done():
            left_s = self.left_s(not_before=not_before)
            if left_s <= 0:
                return False
            self.changed.clear()
            poke = asyncio.ensure_future(self.changed.wait())
            await asyncio.wait({future, poke}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            poke.cancel()
        return True


async def end_container(
    life: ContainerLife, grace: Grace, hook: "asyncio.Future[Any] | None" = None
) -> None:
    """End a container; back when it has ended, or could not be killed. `hook` runs already."""
    ended = asyncio.ensure_future(life.ended.wait())
    try:
        not_before = 0.0
        if hook is not None:
            both = asyncio.ensure_future(
                asyncio.wait({hook, ended}, return_when=asyncio.FIRST_COMPLETED)
            )
            await grace.wait_for(both)
            both.cancel()
            hook.cancel()  # It had its time.
            not_before = asyncio.get_running_loop().time() + _LEAST_S
        # To the first process alone, as runtimes do: it decides about its children.
        life.process.kill(signal.SIGTERM, group=False)
        if not await grace.wait_for(ended, not_before=not_before):
            await _kill(life)
            await asyncio.wait({ended}, timeout=_KILLED_S)
    finally:
        ended.cancel()
        if hook is not None:
            hook.cancel()


async def _kill(life: ContainerLife) -> None:
    try:
        await life.kill_all()
    except (CgroupBusyError, OSError) as error:
        _log.warning("%s", error)
