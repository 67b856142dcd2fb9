"""One guest: qemu with a kernel, and what it says on its console."""

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tools.kernels.boot_files import BootFiles

#: How much of the console an error shows.
_TAIL_LINES: Final = 60
_MEMORY_MIB: Final = 2048
_LINE_BYTES_MAX: Final = 1 << 20

_EXIT: Final = re.compile(r"guest: exit (\d+)")


class GuestError(Exception):
    """A guest did not do what it was started for; the text ends with its console's tail."""

    def __init__(self, name: str, problem: str, tail: Sequence[str]) -> None:
        self.problem = problem
        super().__init__(f"kernel {name}: {problem}; its console:\n" + "\n".join(tail))


def command(files: BootFiles, *, checkout: Path, suite: Sequence[str], cpus: int) -> list[str]:
    """Return qemu's command line.

    Emulated throughout: a virtual machine often has a /dev/kvm behind which a guest never runs. The
    processor is an old one: what newer ones have for vectors, qemu emulates element by element.
    """
    words = f"checkout={checkout} modules={files.modules} suite={','.join(suite)}"
    kernel_words = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr"
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-serial", "stdio"),
        *("-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", str(cpus)),
        *("-m", str(_MEMORY_MIB)),
        *("-kernel", str(files.kernel), "-initrd", str(files.initramfs)),
        *("-append", f"{kernel_words} {words}"),
        # remap: what the machine has mounted elsewhere may have the inode numbers of its root.
        "-virtfs",
        "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
    ]


async def run(
    name: str,
    line: Sequence[str],
    *,
    log: Path,
    deadline_s: float,
    say: Callable[[str], None],
) -> None:
    """Run a guest to its end; what it says goes to `log`, line by line to `say`.

    Raises:
        GuestError: It was not done in time, ended by itself, or its tests failed.
    """
    process = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=_LINE_BYTES_MAX,
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        async with asyncio.timeout(deadline_s):
            code = await _listen(process, log, tail, say)
    except TimeoutError:
        raise GuestError(name, f"not done within {deadline_s:.0f} s", tail) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if code is None:
        raise GuestError(name, "it ended without a result", tail)
    if code != 0:
        raise GuestError(name, f"its tests failed (pytest's exit code {code})", tail)


async def _listen(
    process: asyncio.subprocess.Process, log: Path, tail: deque[str], say: Callable[[str], None]
) -> int | None:
    """Return the exit code that the guest's session told, None when it ended without."""
    assert process.stdout is not None, "asked for"
    begun = time.monotonic()
    with log.open("w") as file:
        while octets := await process.stdout.readline():
            text = octets.decode(errors="replace").rstrip()
            tail.append(text)
            print(f"{time.monotonic() - begun:6.1f} {text}", file=file, flush=True)
            if ended := _EXIT.search(text):
                return int(ended[1])
            if text:
                say(text)
    return None
