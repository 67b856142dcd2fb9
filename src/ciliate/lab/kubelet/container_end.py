"""How containers end: SIGTERM, then SIGKILL to those that are left when no time is."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from typing import Final

from ciliate.lab.cgroup import CgroupBusyError
from ciliate.lab.kubelet.container import ContainerLife

#: After SIGKILL, how long a container's end is waited for before it is left to the kernel.
_KILLED_S: Final = 15.0

_log = logging.getLogger(__name__)


async def end_together(
    lives: Sequence[ContainerLife], left_s: Callable[[], float], changed: asyncio.Event
) -> None:
    """End containers at once; back when they have ended, or could not be killed.

    `left_s` says how long they may take yet, and is asked again whenever `changed` is set.
    """
    for life in lives:
        # To the first process alone, as runtimes do: it decides about its children.
        life.process.kill(signal.SIGTERM, group=False)
    waiting = {asyncio.ensure_future(life.ended.wait()) for life in lives}
    try:
        while waiting:
            if left_s() <= 0:
                break
            changed.clear()
            poke = asyncio.ensure_future(changed.wait())
            _, waiting_or_poke = await asyncio.wait(
                {*waiting, poke}, timeout=left_s(), return_when=asyncio.FIRST_COMPLETED
            )
            waiting = waiting_or_poke - {poke}
            poke.cancel()
        if waiting:
            await _kill(lives)
            await asyncio.wait(waiting, timeout=_KILLED_S)
    finally:
        for each in waiting:
            each.cancel()


async def _kill(lives: Sequence[ContainerLife]) -> None:
    for life in lives:
        try:
            await life.kill_all()
        except (CgroupBusyError, OSError) as error:
            _log.warning("%s", error)
