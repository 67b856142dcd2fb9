"""The programs in the kernel: taken over from an earlier agent, or loaded.

Verifying them takes a good part of an agent's start, so programs that were made from the same
object files, settings and maps are used again. What they were made from is written, as a digest,
to `<state>/datapath.json` beside the kernel's numbers of programs and maps; the numbers are never
reused, so a pin that was swapped, or a file from before a reboot, is noticed.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ciliate.datapath import libbpf, pins
from ciliate.datapath.device_programs import DevicePrograms, DeviceRole
from ciliate.datapath.errors import LoadError, refused
from ciliate.datapath.map_set import MapSet

PACKET_PROGRAMS: Final = ("from_pod", "to_pod", "from_uplink", "to_uplink")

#: Those of sockets: what a process does with one asks the program of that name.
SOCKET_PROGRAMS: Final = (
    *("connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6"),
    *("getpeername4", "getpeername6", "post_bind4", "post_bind6"),
)

#: Those that the others hand packets of Services to.
SERVE_PROGRAMS: Final = ("serve_pod", "serve_outside")

#: Those that packets and sockets pass, and two that the agent runs.
NAMES: Final = (*PACKET_PROGRAMS, *SERVE_PROGRAMS, "sweep", "tally", *SOCKET_PROGRAMS)
#: Those that can be asked what they would do.
DRY_NAMES: Final = ("from_pod", "to_uplink")
ADOPT_NAMES: Final = ("adopt",)
UPLINK_NAMES: Final = ("from_uplink", "to_uplink")
BARE_NAMES: Final = (*UPLINK_NAMES, "serve_outside")
#: Those that only nodes with a tunnel run.
TUNNEL_NAMES: Final = ("from_tunnel", "from_host")


@dataclass(frozen=True, slots=True)
class Programs:
    """Descriptors of the programs; `Datapath` owns them. `socket_fds`: by name."""

    from_pod_fd: int
    to_pod_fd: int
    from_uplink_fd: int
    to_uplink_fd: int
    serve_pod_fd: int
    serve_outside_fd: int
    sweep_fd: int
    tally_fd: int
    socket_fds: Mapping[str, int]

    @classmethod
    def of(cls, fds: Mapping[str, int]) -> "Programs":
        """Return the programs of a mapping by name."""
        return cls(
            **{f"{name}_fd": fds[name] for name in NAMES if name not in SOCKET_PROGRAMS},
            socket_fds={name: fds[name] for name in SOCKET_PROGRAMS},
        )

    @property
    def uplink(self) -> DevicePrograms:
        """Those for node devices with Ethernet headers."""
        fds = {"from_uplink": self.from_uplink_fd, "to_uplink": self.to_uplink_fd}
        return DevicePrograms(DeviceRole.UPLINK, fds)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What programs are made from; `suffix` tells their pins and record from those of others."""

    objects: Path  # the folder that holds <name>.bpf.o
    constants: Mapping[str, bytes]
    names: tuple[str, ...] = NAMES
    suffix: str = ""

    def bare(self) -> "Recipe":
        """Return what makes the pair for devices whose packets begin with the IP header."""
        constants = {**self.constants, "l2_header_bytes": bytes(4)}
        return Recipe(self.objects, constants, BARE_NAMES, "_bare")

    def dry(self) -> "Recipe":
        """Return what makes the programs that only tell what they would do (lib/decision.h)."""
        constants = {**self.constants, "dry_run": bytes([1])}
        return Recipe(self.objects, constants, DRY_NAMES, "_dry")

    def tunnel(self) -> "Recipe":
        """Return what makes the programs of a tunnel's ends."""
        return Recipe(self.objects, self.constants, TUNNEL_NAMES, "_tunnel")

    def adopting(self) -> "Recipe":
        """Return what makes the program that a change of back ends needs."""
        return Recipe(self.objects, self.constants, ADOPT_NAMES, "_adopt")

    def pin_path(self, bpf_root: Path, name: str) -> Path:
        """Return where program `name` is pinned."""
        return pins.program_path(bpf_root, f"{name}{self.suffix}")

    def record_path(self, state_dir: Path) -> Path:
        """Return the file that says what was loaded."""
        return state_dir / f"datapath{self.suffix}.json"

    @property
    def object_files(self) -> Mapping[Path, list[str]]:
        """The object files, each with the names of its programs."""
        found: dict[Path, list[str]] = {}
        for name in self.names:
            of = "socket" if name in SOCKET_PROGRAMS else name
            found.setdefault(self.objects / f"{of}.bpf.o", []).append(name)
        return found

    def digest(self) -> str:
        """Return a digest of the files' contents and the constants.

        Raises:
            LoadError: A file is missing.
        """
        state = hashlib.sha256()
        for path in self.object_files:
            try:
                state.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise LoadError(
                    function="read", path=path, code=error.errno or 0, log="run `make bpf`"
                ) from error
        for name, octets in sorted(self.constants.items()):
            state.update(f"{name}={octets.hex()};".encode())
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Descriptors of the programs by name; `settled`: every interface runs them already."""

    fds: Mapping[str, int]
    settled: bool


def take_over(*, bpf_root: Path, state_dir: Path, recipe: Recipe, maps: MapSet) -> Loaded | None:
    """Return the pinned programs if they are what `recipe` makes, else None."""
    record = _read_record(recipe.record_path(state_dir))
    if record.get("digest") != recipe.digest() or record.get("maps") != maps.ids():
        return None
    if len(maps.fds) != len(maps.wanted):
        return None
    found = {name: pins.open_pin(recipe.pin_path(bpf_root, name)) for name in recipe.names}
    fds = {name: fd for name, fd in found.items() if fd is not None}
    if len(fds) == len(recipe.names) and record.get("programs") == _ids(fds):
        return Loaded(fds, settled=record.get("settled") is True)
    for fd in fds.values():
        os.close(fd)
    return None


def load(*, bpf_root: Path, state_dir: Path, recipe: Recipe, maps: MapSet) -> Loaded:
    """Load the programs, completing `maps`; pin both and write the record.

    Pins change only when all are loaded: a refusal leaves everything as it was.

    Raises:
        LoadError: An object file is missing or refused.
    """
    fds: dict[str, int] = {}
    try:
        for path, names in recipe.object_files.items():
            fds.update(_load_file(path, names, recipe, maps))
        maps.pin()
        for name, fd in fds.items():
            pins.replace_pin(fd, recipe.pin_path(bpf_root, name))
    except BaseException:
        for fd in fds.values():
            os.close(fd)
        raise
    record = {"digest": recipe.digest(), "maps": maps.ids(), "programs": _ids(fds)}
    _write_record(recipe.record_path(state_dir), record)
    return Loaded(fds, settled=False)


def settle(state_dir: Path, recipe: Recipe) -> None:
    """Note that every interface runs the programs of the record."""
    path = recipe.record_path(state_dir)
    record = _read_record(path)
    if not record.get("settled"):
        _write_record(path, {**record, "settled": True})


def _load_file(
    path: Path, names: Sequence[str], recipe: Recipe, maps: MapSet
) -> Mapping[str, int]:
    from ciliate.datapath.loader import open_object  # noqa: PLC0415 - unused when taken over.

    with open_object(path) as opened:
        opened.set_constants(recipe.constants)
        missing = []
        for map_name, wanted in maps.wanted.items():
            if not opened.has_map(map_name):
                continue
            if map_name in maps.fds:
                opened.share_map(map_name, maps.fds[map_name])
            else:
                opened.set_capacity(map_name, wanted.capacity)
                missing.append(map_name)
        opened.load()
        for map_name in missing:
            maps.add_made(map_name, opened.map_fd(map_name))
        return {name: opened.program_fd(name) for name in names}


def _ids(fds: Mapping[str, int]) -> dict[str, int]:
    return {name: libbpf.program_info(fd).id for name, fd in sorted(fds.items())}


def _read_record(path: Path) -> dict[str, Any]:
    """Return the record; an absent or damaged one only costs a load."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            return found
    return {}


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(record))
        fresh.rename(path)
    except OSError as error:
        raise refused(function="write", subject=str(path), code=error.errno or 0) from error
