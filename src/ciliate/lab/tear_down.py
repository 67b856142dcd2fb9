"""Taking a lab down: everything that carries its name goes, in whatever state it was left.

Nothing here asks a process of the lab for anything. Killing the control group ends every process;
unmounting the folder frees namespaces, and with them links, programs and maps; what remains is
empty folders.
"""

import errno
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from ciliate.lab.cgroup import LabCgroup, lab_groups
from ciliate.lab.errors import KernelCallError, LabError
from ciliate.lab.mounts import MountFlag, unmount
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import lab_names
from ciliate.system.mount_table import mount_table

#: How long the folder of what has just been killed may go on changing, in seconds.
_REMOVE_DEADLINE_S: Final = 10.0
_REMOVE_RETRY_S: Final = 0.02


def tear_down(paths: LabPaths) -> bool:
    """Remove the lab; whether there was anything. The caller holds its lock.

    Raises:
        LabError: A process or mount does not go.
    """
    cgroup = LabCgroup.of(paths.name)
    found = cgroup.path.exists() or paths.folder.exists()
    cgroup.remove()
    remove_folder(paths.folder)
    return found


def remove_folder(folder: Path) -> None:
    """Unmount what is mounted on a folder and below, and remove it; absent is a success."""
    # The folder of a start that was killed between two calls may be mounted on twice: from the
    # last mount to the first, whatever is there.
    for entry in reversed(mount_table()):
        if Path(entry.target).is_relative_to(folder):
            with suppress(KernelCallError):  # Went with its parent.
                unmount(entry.target, MountFlag.DETACH)
    deadline = time.monotonic() + _REMOVE_DEADLINE_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            # A kubelet that has not noticed yet writes a last line of a log in between.
            if error.errno not in {errno.ENOTEMPTY, errno.ENOENT} or time.monotonic() > deadline:
                raise LabError(f"{folder}: cannot be removed: {error}: who uses it?") from error
            time.sleep(_REMOVE_RETRY_S)


def left_behind() -> list[str]:
    """The names of all labs of which anything is left: a folder, or processes."""
    return sorted({*lab_groups(), *lab_names()})
