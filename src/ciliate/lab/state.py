"""The state of a lab: `lab.json` in its folder, written by the command that has the lab's lock.

The kubelets read it too, to learn of machines that were added or removed.
"""

import enum
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

import ciliate
from ciliate.lab.errors import LabError
from ciliate.lab.paths import ROOT, LabPaths
from ciliate.lab.topology import Machine, Role, cluster_addresses
from ciliate.system.atomic_file import replace_file

#: The variable that names the lab when no option does.
NAME_VARIABLE: Final = "CILIATE_LAB"
_DEFAULT_NAME: Final = "lab"

#: Tries to lock a file that others remove at the same time.
_LOCK_TRIES: Final = 10


class LabAbsentError(LabError):
    """No such lab."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"lab {name!r} is not up: `ciliate lab up --name {name}` starts it")


class LabBusyError(LabError):
    """Another command is changing the lab."""

    def __init__(self, *, name: str, owner_pid: str) -> None:
        self.name = name
        super().__init__(
            f"lab {name!r} is being changed by another command (pid {owner_pid or '?'}): "
            "wait for its end"
        )


class LabBrokenError(LabError):
    """The lab's folder is there, but not what should be in it."""

    def __init__(self, *, name: str, problem: str) -> None:
        self.name = name
        super().__init__(
            f"lab {name!r}: {problem}: `ciliate lab down --name {name}` clears it away"
        )


class ForeignLabError(LabError):
    """The lab belongs to another checkout."""

    def __init__(self, *, name: str, checkout: str) -> None:
        self.name = name
        self.checkout = checkout
        super().__init__(
            f"lab {name!r} was started by {checkout}: run `ciliate lab down` there, or give --force"
        )


class NotRootError(LabError):
    """Namespaces, mounts and links are root's."""

    def __init__(self) -> None:
        super().__init__("labs are made of namespaces and mounts, which only root may make: sudo")


class Phase(enum.Enum):
    """How far a lab has come."""

    STARTING = "starting"
    UP = "up"


class MachineState(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the lab."""

    name: str
    role: Role
    index: int
    pins: str
    node_ips: list[str]

    @property
    def machine(self) -> Machine:
        """The machine as the topology knows it."""
        return Machine(self.name, self.role, self.index)


class LabState(msgspec.Struct, frozen=True, kw_only=True):
    """A lab."""

    name: str
    checkout: str
    phase: Phase
    started_at: float = 0.0
    """Unix time."""
    dual_stack: bool
    dns: bool = True
    """Whether it was started with the cluster's name server."""
    monitoring: bool = False
    """Whether it was started with Prometheus."""
    parts: list[str] = []
    """Hubble's parts that it has (`manifests.PARTS`)."""
    api_port: int
    """The API server's port on the host's loopback address."""
    settings: dict[str, str]
    """What `--set` changed in cilium-config, by its keys."""
    values: list[str] = []
    """The words given with `--set` at the start, to see whether a second `up` asks for the same."""
    machines: list[MachineState]

    @property
    def nodes(self) -> list[MachineState]:
        """The machines that are nodes, control plane first."""
        return [machine for machine in self.machines if machine.role.is_node]


def machine_state(paths: LabPaths, machine: Machine, *, dual_stack: bool) -> MachineState:
    """What `lab.json` says of a machine."""
    node_ips: list[str] = []
    if machine.role.is_node or machine.role is Role.ROUTER:
        addresses = cluster_addresses(machine, dual_stack=dual_stack)
        node_ips = [str(address.ip) for address in addresses]
    return MachineState(
        name=machine.name,
        role=machine.role,
        index=machine.index,
        pins=str(paths.pins(machine.name)),
        node_ips=node_ips,
    )


def read_state(paths: LabPaths) -> LabState:
    """The state of a lab.

    Raises:
        LabAbsentError: There is no such lab.
        LabBrokenError: There is a folder, without a readable `lab.json`.
    """
    try:
        return msgspec.json.decode(paths.state.read_bytes(), type=LabState)
    except FileNotFoundError as error:
        if paths.folder.exists():
            raise LabBrokenError(name=paths.name, problem="it was never finished") from error
        raise LabAbsentError(name=paths.name) from error
    except PermissionError as error:
        raise NotRootError from error
    except msgspec.DecodeError as error:
        raise LabBrokenError(name=paths.name, problem=f"{paths.state}: {error}") from error


def write_state(paths: LabPaths, state: LabState) -> None:
    """Replace `lab.json` in one step."""
    content = msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"
    # No lab outlives a crash of its machine: nothing waits for the disk.
    replace_file(paths.state, content, mode=0o644, durable=False)


def lab_names() -> list[str]:
    """Every lab that has left a folder, of whatever checkout."""
    try:
        return sorted(entry.name for entry in ROOT.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise NotRootError from error


@dataclass(frozen=True, slots=True)
class Checkout:
    """The source tree, or installation, that this program runs from."""

    path: Path
    #: Elsewhere in tests alone.
    labs: Path = ROOT

    @classmethod
    def own(cls) -> "Checkout":
        """The one of the running program."""
        return cls(Path(ciliate.__file__).resolve().parents[2])

    @property
    def own_lab_name(self) -> str:
        """A name that no other checkout comes to."""
        from hashlib import sha256  # noqa: PLC0415 - 4 ms, and seldom needed.

        return f"{_DEFAULT_NAME}-{sha256(str(self.path).encode()).hexdigest()[:4]}"

    def lab_name(self, option: str | None, environment: Mapping[str, str]) -> str:
        """The lab meant by an option, a variable, or nothing.

        Without either it is `lab`, unless another checkout has a lab of that name, or had one
        when this checkout's was started: two checkouts run their labs side by side without any
        option.
        """
        name = option or environment.get(NAME_VARIABLE)
        if name:
            return name
        if self._owner(self.own_lab_name) == str(self.path):
            return self.own_lab_name
        owner = self._owner(_DEFAULT_NAME)
        return _DEFAULT_NAME if owner in (None, str(self.path)) else self.own_lab_name

    def check_owns(self, name: str) -> None:
        """Return if the lab is this checkout's, or nobody's any more.

        Raises:
            ForeignLabError: It is that of a checkout which is still there.
        """
        owner = self._owner(name)
        if owner not in (None, str(self.path)) and Path(owner).exists():
            raise ForeignLabError(name=name, checkout=owner)

    def _owner(self, name: str) -> str | None:
        """The checkout whose lab has this name."""
        try:
            return read_state(LabPaths(name, root=self.labs)).checkout
        except LabError:
            return None


@contextmanager
def locked(paths: LabPaths) -> Iterator[None]:
    """Hold the lab's lock: one command at a time changes a lab.

    The lock is the kernel's (flock(2)): it goes with its process, however that ends. Its file goes
    with the lab.

    Raises:
        LabBusyError: Another command holds it.
        NotRootError: This user may not.
    """
    try:
        paths.lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _open_lock(paths)
    except PermissionError as error:
        raise NotRootError from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        if not paths.folder.exists():
            paths.lock.unlink(missing_ok=True)
        os.close(descriptor)


def _open_lock(paths: LabPaths) -> int:
    """A descriptor that holds the lock of the file that has the name now."""
    owner_pid = ""
    for _ in range(_LOCK_TRIES):
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner_pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise LabBusyError(name=paths.name, owner_pid=owner_pid) from error
        # Between the two calls the file may have been removed, with the lab it belonged to.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(paths.lock)):
                return descriptor
        os.close(descriptor)
    raise LabBusyError(name=paths.name, owner_pid=owner_pid)
