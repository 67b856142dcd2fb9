"""The datapath of one node, as the agent holds it: maps, programs, devices.

All calls are synchronous and some take tens of milliseconds (loading, attaching): the agent makes
them in a thread. Everything they make is pinned, so closing or dying changes nothing for traffic.

An agent's order: `open`; fill the maps; give pod interfaces the programs, when `changed`;
`attach` for each device; `settle`. Replaced programs run until then, with their maps.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from ciliate.datapath import probes, programs
from ciliate.datapath.bpf_map import BpfMap, OpenMap
from ciliate.datapath.clsact import ClsactAttacher
from ciliate.datapath.codec import U32
from ciliate.datapath.device import Attachment, AttachMode, DeviceAttacher, TcxAttacher
from ciliate.datapath.device_programs import (
    FROM_HOST,
    FROM_TUNNEL,
    FROM_UPLINK,
    TO_UPLINK,
    DevicePrograms,
    DeviceRole,
)
from ciliate.datapath.errors import LoadError
from ciliate.datapath.features import explained
from ciliate.datapath.layout import ServiceProgram
from ciliate.datapath.map_set import MapSet, wanted_shapes
from ciliate.datapath.probes import Support
from ciliate.datapath.programs import Loaded, Programs, Recipe
from ciliate.datapath.settings import DatapathSettings

K = TypeVar("K")
V = TypeVar("V")

#: Number of a program -> its descriptor; read, it is the kernel's number of the program.
SERVICE_PROGRAMS: Final = BpfMap("service_programs", key=U32, value=U32)

#: Where `make bpf` puts the programs.
OBJECTS: Final = Path(__file__).parent / "objects"


class Datapath:
    """Programs and maps of a node; owns their descriptors.

    `changed` is False when every program was taken over from an earlier agent that had called
    `settle`: then what is attached already runs them.
    """

    def __init__(
        self, *, maps: MapSet, source: "_Source", loaded: Loaded, attacher: DeviceAttacher
    ) -> None:
        self._maps = maps
        self._source = source
        self._attacher = attacher
        #: What devices of each role run, as far as there were any.
        self._of_devices: dict[DeviceRole, DevicePrograms] = {}
        self._seldom: dict[str, Mapping[str, int]] = {}  # By the suffix of their pins.
        self._own = tuple(loaded.fds.values())
        self.programs: Final = Programs.of(loaded.fds)
        self._of_devices[DeviceRole.UPLINK] = self.programs.uplink
        # What hands packets over may run already: it must find whom it hands them to.
        self._hand_over(ServiceProgram.SERVE_POD, self.programs.serve_pod_fd)
        self._hand_over(ServiceProgram.SERVE_OUTSIDE, self.programs.serve_outside_fd)
        self.changed: Final = not loaded.settled
        self.attach_mode: Final = (
            AttachMode.TCX if isinstance(attacher, TcxAttacher) else AttachMode.CLSACT
        )

    @classmethod
    def open(
        cls,
        *,
        bpf_root: Path,
        state_dir: Path,
        settings: DatapathSettings,
        capacities: Mapping[str, int] = MappingProxyType({}),
        objects: Path = OBJECTS,
        attach_mode: AttachMode | None = None,
    ) -> Self:
        """Take over or make maps and programs for `settings`.

        Args:
            bpf_root: A mounted bpf file system; pins go below it.
            state_dir: The agent's own folder, where the record of what was loaded is kept.
            settings: The programs' constants.
            capacities: Entries per map, by name, where not the default of bpf/maps.h.
            objects: The folder with the compiled programs.
            attach_mode: How to attach to devices; None: TCX where the kernel has it.

        Raises:
            LoadError: An object file is missing, or the verifier refused it; where the kernel
                lacks what the programs need, that is said.
            AccessDeniedError: The process may not use BPF.
            DatapathError: `bpf_root` is no bpf file system; a map could not be made.
        """
        recipe = Recipe(objects, _constants(settings))
        maps = MapSet(bpf_root, wanted_shapes({**settings.capacities, **capacities}))
        try:
            maps.adopt_pinned()
            source = _Source(recipe, bpf_root, state_dir)
            loaded = source.programs(maps)
        except BaseException:
            maps.close()
            raise
        attacher = _attacher(bpf_root, attach_mode)
        return cls(maps=maps, source=source, loaded=loaded, attacher=attacher)

    def settle(self) -> None:
        """Say that every interface runs the programs; until then each start sees `changed`."""
        programs.settle(self._source.state_dir, self._source.recipe)

    def opened(self, which: BpfMap[K, V]) -> OpenMap[K, V]:
        """Return map `which`, with a descriptor of its own that the caller closes."""
        return OpenMap(which, os.dup(self._maps.fds[which.name]))

    def map_fd(self, which: BpfMap[Any, Any]) -> int:
        """Return the descriptor of map `which`, the datapath's own."""
        return self._maps.fds[which.name]

    def attach(self, *, ifindex: int, device: str, role: DeviceRole = DeviceRole.UPLINK) -> None:
        """Make a device of the node run its programs; one that runs older ones is switched.

        Most nodes have devices of one role: programs for others are loaded when the first comes.

        Raises:
            AttachError: The device is gone, or the kernel refused.
            LoadError: The verifier refused programs of that role.
        """
        if role not in self._of_devices:
            self._load_for(role)
        self._attacher.attach(ifindex=ifindex, device=device, programs=self._of_devices[role])

    def _load_for(self, role: DeviceRole) -> None:
        if role is DeviceRole.BARE_UPLINK:
            fds = dict(self._loaded(self._source.recipe.bare()))
            self._hand_over(ServiceProgram.SERVE_OUTSIDE_BARE, fds["serve_outside"])
            names: Mapping[DeviceRole, tuple[str, ...]] = {role: (FROM_UPLINK, TO_UPLINK)}
        else:
            fds = dict(self._loaded(self._source.recipe.tunnel()))
            names = {DeviceRole.TUNNEL: (FROM_TUNNEL,), DeviceRole.ROUTER: (FROM_HOST,)}
        for each, programs_of_role in names.items():
            of_role = {name: fds[name] for name in programs_of_role}
            self._of_devices[each] = DevicePrograms(each, of_role)

    def _hand_over(self, number: ServiceProgram, program_fd: int) -> None:
        """Have packets of Services handed over to a program."""
        with self.opened(SERVICE_PROGRAMS) as numbers:
            numbers.put(number, program_fd)

    def dry_run_fd(self, name: str) -> int:
        """Return program `name` in the form that only notes what it would do, in `decisions`.

        Loaded when it is first asked for, from then on the datapath's.

        Raises:
            LoadError: The verifier refused it.
        """
        return self._loaded(self._source.recipe.dry())[name]

    def adopt_fd(self) -> int:
        """Return the program that enters connections which the host's stack translates.

        Loaded when it is first asked for, from then on the datapath's.

        Raises:
            LoadError: The verifier refused it.
        """
        return self._loaded(self._source.recipe.adopting())["adopt"]

    def _loaded(self, recipe: Recipe) -> Mapping[str, int]:
        """Return programs that are seldom needed."""
        if recipe.suffix not in self._seldom:
            source = replace(self._source, recipe=recipe)
            self._seldom[recipe.suffix] = source.programs(self._maps).fds
        return self._seldom[recipe.suffix]

    def detach(self, device: str) -> None:
        """Make a device run no program; an absent one is a success."""
        self._attacher.detach(device)

    def attached(self) -> Mapping[str, Attachment]:
        """Return the devices that run programs of ours, as the kernel reports."""
        return self._attacher.attached(tuple(self._of_devices.values()))

    def close(self) -> None:
        """Close the descriptors; pins and links stay, and with them all traffic."""
        for fd in self._own:
            os.close(fd)
        for fds in self._seldom.values():
            for fd in fds.values():
                os.close(fd)
        self._maps.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Source:
    """Where programs come from and where they are kept."""

    recipe: Recipe
    bpf_root: Path
    state_dir: Path

    def programs(self, maps: MapSet) -> Loaded:
        """Take over what an earlier agent loaded, or load it."""
        places = {"bpf_root": self.bpf_root, "state_dir": self.state_dir}
        known = programs.take_over(**places, recipe=self.recipe, maps=maps)
        try:
            return known or programs.load(**places, recipe=self.recipe, maps=maps)
        except LoadError as refusal:
            raise explained(refusal) from refusal


def _constants(settings: DatapathSettings) -> Mapping[str, bytes]:
    skip_neigh = probes.fib_skip_neigh() is Support.SUPPORTED
    return settings.constants(
        fib_flags=probes.FIB_SKIP_NEIGH if skip_neigh else 0,
        coarse_clock=probes.coarse_clock() is Support.SUPPORTED,
        has_loop=probes.loop() is Support.SUPPORTED,
        has_set_retval=probes.set_retval() is Support.SUPPORTED,
    )


def _attacher(bpf_root: Path, mode: AttachMode | None) -> DeviceAttacher:
    """Return the asked or best attacher; an inconclusive probe means the one all kernels have."""
    if mode is None:
        mode = AttachMode.TCX if probes.tcx() is Support.SUPPORTED else AttachMode.CLSACT
    if mode is AttachMode.TCX:
        return TcxAttacher(bpf_root)
    return ClsactAttacher(bpf_root)
