"""Running a command in a machine or a pod: what `lab exec` and `lab shell` do.

Needs neither API server nor zygote, only a machine's pinned namespaces, or a pod's running
container; the terminal stays the user's. In a pod the command is in its first container that runs,
with that one's privileges and control group, as `kubectl exec` would have it.
"""

import itertools
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ciliate.console.nearest import meant
from ciliate.console.short_names import split_kind
from ciliate.errors import CiliateError
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.container.privileges import end_with_parent, hide_from_container, take_on
from ciliate.lab.container.running import enter_container, fork_into, open_process
from ciliate.lab.container.spec import RunningProcess
from ciliate.lab.errors import LabError
from ciliate.lab.kubelet.pod_state import ContainerRecord, PodRecord, PodStore
from ciliate.lab.namespaces import enter
from ciliate.lab.paths import LabPaths
from ciliate.lab.spawn import ENVIRONMENT
from ciliate.lab.state import LabState

#: What the names of a workload's pods have behind the workload's, by kubectl's short name of its kind.
_SUFFIXES: Final = {
    "deploy": "-[a-z0-9]{1,10}-[a-z0-9]{5}",
    "rs": "-[a-z0-9]{5}",
    "ds": "-[a-z0-9]{5}",
    "sts": "-[0-9]+",
}

#: What users of kubectl write before or behind the name; here it is so anyway.
_NEEDLESS: Final = frozenset({"-i", "-t", "-it", "-ti", "--stdin", "--tty"})


#: Exit codes of shells for a command that cannot be run, or is not there.
_CANNOT_RUN: Final = 126
_NOT_FOUND: Final = 127


class UnknownPlaceError(LabError):
    """Neither a machine nor a pod of the lab."""

    def __init__(self, *, name: str, machines: Sequence[str], pods: Sequence[str]) -> None:
        self.name = name
        bare = [pod.partition("/")[2] for pod in pods]
        hint = meant(name, [*machines, *pods, *bare])
        shown = ", ".join(machines)
        shown += f"; pods: {', '.join(pods)}" if pods else "; no pods run"
        super().__init__(f"{name!r} is no machine or pod of this lab{hint}: machines: {shown}")


class AmbiguousPodError(LabError):
    """Pods of several namespaces have the name."""

    def __init__(self, *, name: str, pods: Sequence[str]) -> None:
        self.name = name
        super().__init__(f"pod {name!r} is in several namespaces: say one of {', '.join(pods)}")


class CommandMissingError(LabError):
    """The command is not in the machine."""

    def __init__(self, *, command: str, place: str, error: OSError) -> None:
        self.command = command
        super().__init__(f"{command}: {error.strerror} on {place}")


class NotRunningError(LabError):
    """No container of the pod runs."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"no container of pod {name} runs: `kubectl describe pod` says why")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command can run."""

    name: str
    pins: Path
    #: That of what runs in a machine; a pod's are below that of its node.
    cgroup: str
    #: A node's way to the API server, for a kubectl that is run on it.
    kubeconfig: Path | None = None
    #: A pod's: where its node's kubelet keeps what it knows of its pods.
    records: Path | None = None


def split_words(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the place and the command out of `[-it] PLACE [-it] [--] COMMAND...`."""
    place, *command = [*itertools.dropwhile(_NEEDLESS.__contains__, words), ""]
    command = list(itertools.dropwhile(_NEEDLESS.__contains__, command[:-1]))
    return place, command[1:] if command[:1] == ["--"] else command


def find_place(paths: LabPaths, state: LabState, name: str) -> Place:
    """The machine or pod of that name: `POD`, `NAMESPACE/POD`, or by its kind as kubectl has it.

    `no/NAME` is a node, `po/NAME` a pod, `deploy/NAME` and other workloads any pod of theirs.

    Raises:
        UnknownPlaceError: There is none.
        AmbiguousPodError: There are several.
    """
    kind, bare = split_kind(name)
    machines = [machine.name for machine in state.machines]
    nodes = {machine.name for machine in state.nodes}
    if name in machines or (kind == "no" and bare in nodes):
        kubeconfig = paths.machine_kubeconfig if bare in nodes else None
        return Place(bare, paths.pins(bare), f"{bare}/exec", kubeconfig)
    pods = _pods(paths, state)
    wanted = {name, bare} if kind == "po" else {name}
    found = [pod for pod in pods if not wanted.isdisjoint((pod.name, _bare(pod)))]
    if not found and (members := [pod for pod in pods if _workload(pod, kind) == bare]):
        return members[0]  # As kubectl does: any of them.
    if not found:
        raise UnknownPlaceError(name=name, machines=machines, pods=[pod.name for pod in pods])
    if len(found) > 1:
        raise AmbiguousPodError(name=name, pods=[pod.name for pod in found])
    return found[0]


def _bare(pod: Place) -> str:
    return pod.name.partition("/")[2]


def _workload(pod: Place, kind: str) -> str:
    """The name of a pod's workload of a kind, as far as the pod's own name tells it."""
    suffix = _SUFFIXES.get(kind)
    found = re.fullmatch(f"(.+){suffix}", _bare(pod)) if suffix else None
    return found[1] if found else ""


def place_names(paths: LabPaths, state: LabState, kind: str = "") -> list[str]:
    """The names that `find_place` takes, of one kind or, without any, of machines and pods."""
    if kind == "no":
        return [machine.name for machine in state.nodes]
    pods = _pods(paths, state)
    if kind in _SUFFIXES:
        # A Deployment's pods look like those of a DaemonSet too.
        likely = [pod for pod in pods if kind != "ds" or not _workload(pod, "deploy")]
        return sorted({_workload(pod, kind) for pod in likely} - {""})
    counts = Counter(map(_bare, pods))
    names = [name for name, count in counts.items() if count == 1]
    if kind == "po":
        return names
    return [*(machine.name for machine in state.machines), *names, *(pod.name for pod in pods)]


def _pods(paths: LabPaths, state: LabState) -> list[Place]:
    """The pods, as their kubelets keep them."""
    places = []
    for machine in state.nodes:
        folder = paths.pods(machine.name)
        if not folder.is_dir():
            continue
        for entry in sorted(folder.iterdir()):
            if (entry / "ns").is_dir():
                # Neither a namespace's nor a pod's name has an underscore in it.
                name = entry.name.replace("_", "/", 1)
                records = paths.machine(machine.name) / "kubelet" / "pods"
                places.append(Place(name, entry / "ns", machine.name, records=records))
    return places


def run_in(lab: str, place: Place, argv: Sequence[str]) -> NoReturn:
    """Become `argv` in a machine, or its exit code in a pod.

    Raises:
        KernelCallError: Its namespaces are gone, or this user may not enter them.
        CommandMissingError: It has no such command.
        NotRunningError: No container of the pod runs.
    """
    if place.records is not None:
        sys.exit(_run_in_pod(lab, place, argv))
    LabCgroup.of(lab).join(place.cgroup)
    enter(place.pins)
    _become(lab, place, argv)


def _become(lab: str, place: Place, argv: Sequence[str]) -> NoReturn:
    environment = dict(ENVIRONMENT)
    if place.kubeconfig is not None:
        environment["KUBECONFIG"] = str(place.kubeconfig)
    # Where one is, and that it is no place of the real network.
    environment["PS1"] = rf"{place.name} ({lab}) \w\$ "
    for variable in ("TERM", "COLORTERM", "NO_COLOR"):
        if variable in os.environ:
            environment[variable] = os.environ[variable]
    # The look-up of a command uses this process's own PATH.
    os.environ["PATH"] = environment["PATH"]
    try:
        os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - no shell is wanted.
    except OSError as error:
        raise CommandMissingError(command=argv[0], place=place.name, error=error) from error


def _run_in_pod(lab: str, place: Place, argv: Sequence[str]) -> int:
    """Run `argv` in the pod's first running container and wait; its exit code, or 128 + signal."""
    pod, container = _running_container(place)
    first = open_process(RunningProcess(container.pid, container.start_ticks))
    pid = fork_into(first)
    if pid == 0:
        with _ending_in_failure():
            LabCgroup.of(lab).join(f"{place.cgroup}/{pod.cgroup_name}/{container.name}")
            hide_from_container()
            enter_container(first)
            os.close(first)
            os.chdir("/")
            take_on(container.privileges)
            end_with_parent()
            _become(lab, place, argv)
    os.close(first)
    # The terminal's keys are for the command; it says what becomes of them.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: os.kill(pid, got))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def _running_container(place: Place) -> tuple[PodRecord, ContainerRecord]:
    assert place.records is not None
    for record in PodStore(place.records).load():
        if f"{record.namespace}/{record.name}" == place.name:
            for container in record.containers.values():
                if container.running:
                    return record, container
    raise NotRunningError(name=place.name)


@contextmanager
def _ending_in_failure() -> Iterator[None]:
    """End the process where its work fails: a forked child has nobody to raise to."""
    try:
        yield
    except (CiliateError, OSError) as error:
        os.write(2, f"Error: {error}\n".encode())
        os._exit(_NOT_FOUND if isinstance(error, CommandMissingError) else _CANNOT_RUN)
