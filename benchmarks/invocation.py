"""Calls a CNI plugin as a container runtime does and times each call, from exec to exit.

Runs on the node's machine as a process of its own (`python -m benchmarks.invocation`), since a
runtime does: what is timed is posix_spawn and the wait, without any entering of namespaces. The
pods' namespaces are made before. Plugins get them as /proc/PID/fd/N, and they go with this process,
and with them all that a plugin put into them; where an agent in a container opens them, which has
another /proc, they have names in a folder that it sees, as containerd's have.

Standard input is an `Order`, standard output a `Times`, both as JSON. `perform` is the other end.
"""

import contextlib
import ctypes
import json
import os
import selectors
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.machine import run

from ciliate.errors import CiliateError
from ciliate.lab.mounts import MountFlag, bind, unmount

_CHECKOUT: Final = Path(__file__).parents[1]

_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h

#: A call that takes longer than this ends the measurement, in seconds.
_CALL_TIMEOUT_S: Final = 30.0

#: Per sample, in seconds: the calls, and the namespaces' making and going.
_SAMPLE_TIMEOUT_S: Final = 120.0


class CallError(CiliateError):
    """A plugin's call failed; names the verb, the pod's number, and what the plugin said."""

    def __init__(self, verb: str, pod: int, *, code: int, text: str) -> None:
        self.verb = verb
        self.pod = pod
        self.code = code
        self.text = text
        super().__init__(f"CNI {verb} of pod {pod} ended with {code}: {text.strip()}")


@dataclass(frozen=True, slots=True)
class Order:
    """What to call: `pods` pods are added, then deleted, `parallel` of them at a time.

    In values of `environment`, `{pod}` stands for the number of the pod. `names`: the folder where
    namespaces get names; empty: nowhere.
    """

    program: str
    configuration: str
    environment: dict[str, str]
    container_prefix: str
    pods: int
    parallel: int
    names: str = ""


@dataclass(frozen=True, slots=True)
class Times:
    """Durations of all calls in seconds, in the order they ended, and of each verb as a whole."""

    add_s: tuple[float, ...]
    delete_s: tuple[float, ...]
    add_total_s: float
    delete_total_s: float


def perform(order: Order, prefix: list[str]) -> Times:
    """Carry out `order` on the machine that the command `prefix` enters.

    Raises:
        CommandError: A call of the plugin failed, or took too long.
    """
    # On a machine with files of its own the working folder is another one.
    python = ["env", f"PYTHONPATH={_CHECKOUT}", sys.executable]
    command = [*prefix, *python, "-m", "benchmarks.invocation"]
    answer = json.loads(run(command, stdin=json.dumps(asdict(order)), timeout_s=_SAMPLE_TIMEOUT_S))
    return Times(
        add_s=tuple(answer["add_s"]),
        delete_s=tuple(answer["delete_s"]),
        add_total_s=answer["add_total_s"],
        delete_total_s=answer["delete_total_s"],
    )


def _fresh_namespaces(count: int) -> list[int]:
    """Make `count` network namespaces; return their descriptors. Ours is the same afterwards."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    made = []
    for _number in range(count):
        if libc.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare of a network namespace")
        made.append(os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
    if libc.setns(own, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns back")
    os.close(own)
    return made


@contextlib.contextmanager
def _shown(namespaces: list[int], folder: str) -> Iterator[list[str]]:
    """Yield the paths that plugins are given; names in `folder` go at the end."""
    own = Path(f"/proc/{os.getpid()}/fd")
    paths = [own / str(each) for each in namespaces]
    with contextlib.ExitStack() as ended:
        if folder:
            Path(folder).mkdir(exist_ok=True)
            paths = [
                ended.enter_context(_named(path, Path(folder, f"bench-{number}")))
                for number, path in enumerate(paths)
            ]
        yield list(map(str, paths))


@contextlib.contextmanager
def _named(namespace: Path, name: Path) -> Iterator[Path]:
    name.touch()
    try:
        bind(namespace, name)
        yield name
    finally:
        unmount(name, MountFlag.DETACH)
        name.unlink()


@dataclass(frozen=True, slots=True)
class _Call:
    """A call under way; `begin` in seconds of the performance counter, `output` a descriptor."""

    process: int
    pod: int
    begin: float
    output: int


class Caller:
    """Makes the calls of one verb, so many at a time."""

    def __init__(self, order: Order, verb: str, namespaces: list[str]) -> None:
        self._order = order
        self._verb = verb
        self._namespaces = namespaces
        self._stdin = os.memfd_create("configuration")
        os.write(self._stdin, order.configuration.encode())

    def run(self) -> list[float]:
        """Call for every pod and return the durations in seconds.

        Raises:
            CallError: A call ended with another code than 0, or took too long.
        """
        durations = []
        waiting = iter(range(self._order.pods))
        with selectors.DefaultSelector() as selector:
            for pod in islice(waiting, self._order.parallel):
                self._start(selector, pod)
            while selector.get_map():
                ready = selector.select(_CALL_TIMEOUT_S)
                if not ready:
                    raise CallError(self._verb, -1, code=-1, text="no call ended in time")
                for key, _events in ready:
                    durations.append(self._finish(selector, key))
                    for pod in islice(waiting, 1):
                        self._start(selector, pod)
        return durations

    def _start(self, selector: selectors.BaseSelector, pod: int) -> None:
        """Start the plugin for `pod` and have the selector wait for its end."""
        variables = {
            name: value.replace("{pod}", str(pod))
            for name, value in self._order.environment.items()
        }
        variables |= {
            "CNI_COMMAND": self._verb,
            "CNI_CONTAINERID": f"{self._order.container_prefix}{pod}",
            "CNI_NETNS": self._namespaces[pod],
        }
        output = os.memfd_create("output")
        # Opened anew: each call reads from the beginning.
        stdin = os.open(f"/proc/self/fd/{self._stdin}", os.O_RDONLY | os.O_CLOEXEC)
        actions = [
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ]
        begin = time.perf_counter()
        process = os.posix_spawn(
            self._order.program, [self._order.program], variables, file_actions=actions
        )
        watched = os.pidfd_open(process)
        selector.register(watched, selectors.EVENT_READ, _Call(process, pod, begin, output))
        os.close(stdin)

    def _finish(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> float:
        """Reap an ended call; return its duration in seconds."""
        ended = time.perf_counter()
        call: _Call = key.data
        _process, status = os.waitpid(call.process, 0)
        selector.unregister(key.fd)
        os.close(key.fd)
        code = os.waitstatus_to_exitcode(status)
        text = os.pread(call.output, 4096, 0).decode(errors="replace")
        os.close(call.output)
        if code:
            raise CallError(self._verb, call.pod, code=code, text=text)
        return ended - call.begin


def _time(order: Order) -> Times:
    """Add and delete the pods of `order` in namespaces made for them."""
    with _shown(_fresh_namespaces(order.pods), order.names) as namespaces:
        begin = time.perf_counter()
        add_s = Caller(order, "ADD", namespaces).run()
        middle = time.perf_counter()
        delete_s = Caller(order, "DEL", namespaces).run()
        end = time.perf_counter()
    return Times(tuple(add_s), tuple(delete_s), middle - begin, end - middle)


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(_time(Order(**json.load(sys.stdin))))))
    except CiliateError as failure:
        sys.exit(str(failure))
