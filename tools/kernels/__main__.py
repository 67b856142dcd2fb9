"""The command behind `make kernels`.

python -m tools.kernels                      # 6.1 and 6.12, the smoke of each feature
python -m tools.kernels --kernel 6.1         # one
python -m tools.kernels tests/netlink -x     # other tests; words are pytest's
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.kernels import boot_files, guest, packages
from tools.kernels.guest import GuestError
from tools.kernels.packages import KERNELS, Kernel, PackageError

ROOT: Final = Path(__file__).resolve().parents[2]
_CACHE: Final = ROOT / "build" / "kernels"
_SUITE: Final = (
    "tests/kernels",
    *(
        f"tests/netlink/test_{each}.py"
        for each in ("pod_link", "pod_check", "programs", "removal")
    ),
)

#: What must be installed -> Debian's package.
_TOOLS: Final = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static"}

#: How long one guest may take, in seconds: four times what it takes on two idle cores, of which some
#: emulate half as fast as others.
_DEADLINE_S: Final = 1200.0


async def _check(kernel: Kernel, suite: Sequence[str], *, cpus: int, deadline_s: float) -> bool:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{kernel.name:>5} {time.monotonic() - begun:6.1f} s  {text}", flush=True)

    try:
        package = await asyncio.to_thread(packages.fetch, kernel, _CACHE / kernel.name)
        files = await asyncio.to_thread(boot_files.make, package, _CACHE / kernel.name / "files")
        say(f"boots {package.name}")
        line = guest.command(files, checkout=ROOT, suite=suite, cpus=cpus)
        log = _CACHE / kernel.name / "console.log"
        await guest.run(kernel.name, line, log=log, deadline_s=deadline_s, say=say)
    except (PackageError, GuestError) as error:
        say(f"failed: {error}")
        return False
    say("passed")
    return True


async def _check_all(kernels: Sequence[Kernel], suite: Sequence[str], deadline_s: float) -> bool:
    """Check kernels side by side, each with its share of the processors."""
    cpus = max(1, (os.cpu_count() or 1) // len(kernels))
    checks = (_check(kernel, suite, cpus=cpus, deadline_s=deadline_s) for kernel in kernels)
    return all(await asyncio.gather(*checks))


def main() -> int:
    """Parse, look for tools, run; return the exit code."""
    parser = argparse.ArgumentParser(description="Run tests on kernels of Debian's, under qemu.")
    names = [kernel.name for kernel in KERNELS]
    parser.add_argument("--kernel", action="append", choices=names, help="only this; repeatable")
    parser.add_argument("--deadline", type=float, default=_DEADLINE_S, help="seconds a guest")
    options, suite = parser.parse_known_args()
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        print(f"missing: apt-get install --no-install-recommends {' '.join(missing)}")
        return 2
    asked = options.kernel or [kernel.name for kernel in KERNELS if kernel.by_default]
    chosen = [kernel for kernel in KERNELS if kernel.name in asked]
    passed = asyncio.run(_check_all(chosen, suite or _SUITE, options.deadline))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
