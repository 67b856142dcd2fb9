import asyncio
import os
import signal
import subprocess

import pytest

from ciliate.lab.container.running import start_ticks_of
from ciliate.lab.kubelet.process import UNKNOWN_EXIT_CODE, AdoptedProcess


def started(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)


async def test_end_of_an_adopted_process_is_noticed() -> None:
    child = started("sh", "-c", "kill -STOP $$; exit 7")
    adopted = AdoptedProcess.find(child.pid, start_ticks_of(child.pid))
    assert adopted is not None
    waiting = asyncio.ensure_future(adopted.wait())

    await asyncio.to_thread(os.waitid, os.P_PID, child.pid, os.WSTOPPED)
    adopted.kill(signal.SIGCONT)
    await asyncio.to_thread(child.wait)

    # Kernels before 6.15 give the exit code to the parent alone.
    assert await waiting in (7, UNKNOWN_EXIT_CODE)


async def test_process_of_another_start_time_is_not_adopted() -> None:
    """A number that was given away again must not be watched, still less killed."""
    child = started("sleep", "100")
    try:
        assert AdoptedProcess.find(child.pid, start_ticks_of(child.pid) - 1) is None
    finally:
        child.kill()
        child.wait()


async def test_gone_process_is_not_adopted() -> None:
    child = started("true")
    ticks = start_ticks_of(child.pid)
    child.wait()

    assert AdoptedProcess.find(child.pid, ticks) is None
    assert start_ticks_of(child.pid) == 0


async def test_kill_after_the_end_is_a_success() -> None:
    child = started("sleep", "100")
    adopted = AdoptedProcess.find(child.pid, start_ticks_of(child.pid))
    assert adopted is not None

    adopted.kill(signal.SIGKILL)
    await asyncio.to_thread(child.wait)
    adopted.kill(signal.SIGKILL)

    assert await adopted.wait() in (-signal.SIGKILL, UNKNOWN_EXIT_CODE)


@pytest.mark.parametrize("pid", [2**22 + 1])
def test_number_beyond_all_processes_has_no_start(pid: int) -> None:
    assert start_ticks_of(pid) == 0
