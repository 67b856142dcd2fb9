"""What the kubelet remembers of a pod, on disk: enough to adopt or to remove it after a kill -9.

One JSON file per pod, named by uid, replaced atomically before each step that could leave
something behind (a network namespace, a CNI attachment, a process).
"""

import contextlib
import logging
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from ciliate.lab.container.spec import Privileges
from ciliate.system.atomic_file import replace_file

#: Characters of a file's name on Linux (NAME_MAX), less "_" and a UID, which logs and control groups have too. A pod's
#: and its namespace's name together may have 317.
_FOLDER_NAME_MAX: Final = 255 - 37
_DIGEST_CHARACTERS: Final = 16

_log = logging.getLogger(__name__)


class ExitRecord(msgspec.Struct):
    """How one life of a container ended; times as the API writes them."""

    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    container_id: str
    signal: int = 0
    message: str = ""


class ContainerRecord(msgspec.Struct):
    """A container; `pid` with `start_ticks` (proc_pid_stat(5), field 22) names its process."""

    name: str
    restart_count: int = 0
    container_id: str = ""
    pid: int = 0
    start_ticks: int = 0
    started_at: str = ""
    environment: dict[str, str] = {}
    privileges: Privileges = Privileges()
    shows_log: bool = False
    """Its policy for its last words is to take the end of its log."""
    ready: bool = False
    started: bool = False
    """Its postStart hook and its startup probe, where it has them, have succeeded in this life."""
    passed: bool = False
    """They have in some life: of a sidecar, the containers behind it may start."""
    started_once: bool = False
    """It ran in some life, with its postStart hook behind it."""
    restart_wanted: bool = False
    """A probe has it end to be started again, whatever its exit code."""
    exit: ExitRecord | None = None
    last_exit: ExitRecord | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self.pid != 0


class SandboxRecord(msgspec.Struct):
    """A sandbox and the CNI attachment in it; no `result` yet: the ADD has not succeeded."""

    container_id: str
    netns_name: str
    network: str
    result: dict[str, Any] | None = None
    ips: list[str] = []
    capabilities: dict[str, Any] = {}


class PodRecord(msgspec.Struct):
    """A pod on this node."""

    uid: str
    namespace: str
    name: str
    host_network: bool = False
    start_time: str = ""
    sandbox: SandboxRecord | None = None
    containers: dict[str, ContainerRecord] = {}
    phase: str = "Pending"

    @property
    def folder_name(self) -> str:
        """What the pod's folders are called; short enough for a file's name."""
        name = f"{self.namespace}_{self.name}"
        if len(name) <= _FOLDER_NAME_MAX:
            return name
        digest = sha256(name.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return f"{name[: _FOLDER_NAME_MAX - _DIGEST_CHARACTERS - 1]}-{digest}"

    @property
    def cgroup_name(self) -> str:
        """What the pod's control group is called: with its UID, as a kubelet's."""
        return f"{self.folder_name}_{self.uid}"

    def container(self, name: str) -> ContainerRecord:
        """Return the record of a container, a new one when there is none."""
        return self.containers.setdefault(name, ContainerRecord(name))


class PodStore:
    """The records of one node's pods."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> list[PodRecord]:
        """Return every record; one that cannot be read is logged and left out."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=PodRecord))
            except (OSError, msgspec.MsgspecError) as error:
                _log.warning("pod record %s is unreadable and left out: %s", path, error)
        return found

    def save(self, record: PodRecord) -> None:
        """Write a record; the file is whole or the old one, never half."""
        content = msgspec.json.encode(record)
        # No sandbox outlives a crash of its machine: nothing waits for the disk.
        replace_file(self._path(record), content, mode=0o644, durable=False)

    def remove(self, record: PodRecord) -> None:
        """Forget a pod; an unknown one is a success."""
        with contextlib.suppress(FileNotFoundError):
            self._path(record).unlink()

    def _path(self, record: PodRecord) -> Path:
        return self._folder / f"{record.uid}.json"
