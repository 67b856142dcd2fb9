"""A node whose parts are killed, frozen and asked: what the fault tests do to a lab of their own.

Processes are found by the lab's control groups, never by name: a test ends what its own lab
started and nothing else.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from tests.lab.cluster import Cluster, Done, ciliate, eventually, joining, run

from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.namespaces import in_namespaces

T = TypeVar("T")

_PREFIX: Final = "flt"
_LABS: Final = Path("/run/ciliate/labs")

#: What the long variants of the tests ask for: minutes instead of seconds.
LONG: Final = bool(os.environ.get("CILIATE_LONG_TESTS"))

#: Beside what another form of the same test shows in CI.
only_long: Final = pytest.mark.skipif(not LONG, reason="takes minutes: set CILIATE_LONG_TESTS=1")


@contextlib.contextmanager
def fault_lab(theme: str, *words: str, dns: bool = False) -> Iterator[Cluster]:
    """A lab for one file of tests; what killed runs left behind goes first.

    With `dns` it has the cluster's name servers, which take a moment more.
    """
    _remove_leftovers()
    lab = Cluster(f"{_PREFIX}-{os.getpid()}-{theme}")
    try:
        # What a fault leaves is counted: every pod and address is a test's own.
        names = ("--set", "hubble.relay.enabled=false") if dns else ("--no-dns",)
        ciliate("lab", "up", "--name", lab.name, *names, *words)
        yield lab
    finally:
        if "CILIATE_KEEP_LABS" not in os.environ:  # To inspect what a failed test left.
            lab.lab("down", check=False)


def _remove_leftovers() -> None:
    if not _LABS.is_dir():
        return
    for entry in _LABS.glob(f"{_PREFIX}-*-*"):
        pid = entry.name.split("-")[1]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and entry.is_dir():
            ciliate("lab", "down", "--name", entry.name, check=False)


@contextlib.contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Processes that stand still meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


#: What the agent starts, by the beginning of its title; a speaker's events go through a `cat`.
_HELPERS: Final = (
    b"ciliate fork server",
    b"ciliate.flows.server",
    b"ciliate.bgp.speaker",
    b"/bin/sh",
    b"cat",
)


def _is_agent(pid: str) -> bool:
    """Whether a process of an agent's container is the agent, and not one of its helpers."""
    title = Path("/proc", pid, "cmdline").read_bytes()
    return not title.startswith(_HELPERS)


def process(lab: Cluster, name: str) -> int:
    """The process `apiserver` or `kube` of the lab."""
    text = (LabCgroup.of(lab.name).path / name / "cgroup.procs").read_text()
    return int(text.split()[0])


#: A container with the host's tools, whose buffers may be larger than net.core.rmem_max.
TOOLS: Final = {
    "name": "tools",
    "image": "nicolaka/netshoot",
    "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
}


def apply_pod(lab: Cluster, name: str, node: str, **labels: str) -> None:
    """A pod with the host's tools on `node`; returns when it is ready."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [TOOLS],
        },
    }
    lab.kubectl("apply", "-f", "-", text=json.dumps(pod))
    lab.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=30s")


def pod_ip(lab: Cluster, name: str) -> str:
    """A pod's address."""
    return str(lab.object("pod", name)["status"]["podIP"])


@dataclass(frozen=True, slots=True)
class FaultyNode:
    """One node of a lab, from outside: its agent, its kernel, its files."""

    lab: Cluster
    name: str

    @property
    def pins(self) -> Path:
        """The machine's namespaces."""
        return self.lab.folder / self.name / "ns"

    def inside(self, action: Callable[[], T]) -> T:
        """Do something in the machine's namespaces."""
        return in_namespaces(self.pins, action)

    def run(self, *words: str, check: bool = True, text: str | None = None) -> Done:
        """Run a command on the machine: in its namespaces and its control group."""
        LabCgroup.of(self.lab.name).make(f"{self.name}/exec")
        started = [*joining(Path("/sys/fs/cgroup/exec")), *words]
        return self.inside(lambda: run(started, check=check, text=text))

    def json(self, *words: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run(*words).stdout or "null")

    def read(self, path: str) -> str:
        """A file of the machine."""
        return self.inside(lambda: Path(path).read_text())

    # The agent.

    @property
    def agent_pids(self) -> list[int]:
        """The agent's process, or none while it is away."""
        return list(self._agents().values())

    @property
    def agent_pid(self) -> int:
        """The agent's process."""
        return self.agent_pids[0]

    def kill_agent(self) -> int:
        """Kill -9; returns the pid it had, once it is gone and its sockets are closed."""
        pid = self.agent_pid
        os.kill(pid, signal.SIGKILL)
        # A dying process leaves its control group's list before it closes its sockets.
        eventually(lambda: _is_dead(pid), what="the agent's end")
        return pid

    def replace_agent(self) -> None:
        """A new pod for the agent, which starts at once: a new pod has no restart pause.

        Returns when the new pod's agent runs, and no other.
        """
        on_node = ("-l", "k8s-app=cilium", "--field-selector", f"spec.nodeName={self.name}")
        pods = self.lab.kubectl("-n", "kube-system", "get", "pods", "-o", "name", *on_node)
        old = set(pods.split())
        self.lab.kubectl("-n", "kube-system", "delete", "--wait=false", *old)

        def is_replaced() -> bool:
            running = self._agents()
            return bool(running) and old.isdisjoint(running)

        eventually(is_replaced, within_s=20, what=f"a new agent on {self.name}")

    def _agents(self) -> dict[str, int]:
        """The agents' processes by pod, as kubectl names it."""
        found = {}
        for file in LabCgroup.of(self.lab.name).path.glob(
            f"{self.name}/kube-system_cilium-*/cilium-agent/cgroup.procs"
        ):
            with contextlib.suppress(OSError):  # The group went between listing and reading.
                _namespace, pod, _uid = file.parts[-3].split("_")
                for pid in filter(_is_agent, file.read_text().split()):
                    found["pod/" + pod] = int(pid)
        return found

    def wait_agent(self, *, other_than: int = 0, within_s: float = 20.0) -> None:
        """Wait until an agent other than that process says it is ready."""

        def is_ready() -> bool:
            pids = self.agent_pids
            return bool(pids) and pids[0] != other_than and self.asked("healthz") is not None

        eventually(is_ready, within_s=within_s, what=f"agent of {self.name} ready")

    def asked(self, path: str) -> Any:
        """What the agent's API answers for /v1/PATH; None while it is away or starting."""
        return self.inside(lambda: api_answer("/var/run/cilium/cilium.sock", path))

    # What it keeps, and what the kernel has.

    def endpoint_addresses(self) -> dict[str, str]:
        """Pods' addresses by attachment, as the agent lists its endpoints."""
        found = {}
        for endpoint in self.asked("endpoint") or []:
            status = endpoint["status"]
            names = status.get("external-identifiers")  # The host has none.
            if names:
                found[names["container-id"]] = status["networking"]["addressing"][0]["ipv4"]
        return found

    def allocations(self) -> dict[str, str]:
        """Every address in use with its owner, as `dbg status --verbose` shows them."""
        found = self.asked("healthz")["ipam"].get("allocations", {})
        return {_address(key): owner for key, owner in found.items()}

    def pod_links(self) -> set[str]:
        """The names of pods' host-side interfaces."""
        links = self.json("ip", "-j", "link")
        return {link["ifname"] for link in links if link["ifname"].startswith("lxc")}

    def state_files(self) -> list[str]:
        """Names in the agent's folder of endpoints."""
        return self.inside(lambda: sorted(os.listdir("/var/run/cilium/state/endpoints")))

    def map_size(self, name: str) -> int:
        """How many entries a pinned map has."""
        path = f"/sys/fs/bpf/tc/globals/{name}"
        return len(self.json("bpftool", "-j", "map", "dump", "pinned", path))

    def endpoint_records(self) -> "EndpointRecords":
        """Everything that must agree about this node's pods."""
        endpoints = self.endpoint_addresses()
        owned = (self.asked("healthz") or {"ipam": {"allocations": {}}})["ipam"]["allocations"]
        return EndpointRecords(
            endpoints=endpoints,
            allocated={_address(key) for key, owner in owned.items() if owner != "router"},
            links=len(self.pod_links()),
            files=self.state_files(),
            interfaces=self.map_size("interfaces"),
            routes={
                route["dst"]
                for route in self.json("ip", "-j", "-4", "route")
                if route.get("dev", "").startswith("lxc")
            },
        )

    def wait_settled(
        self, *, endpoints: int | None = None, within_s: float = 15.0
    ) -> "EndpointRecords":
        """Wait until all records agree, on `endpoints` endpoints if given; return them."""
        last: list[EndpointRecords] = []

        def agree() -> bool:
            last[:] = [self.endpoint_records()]
            count = endpoints in (None, len(last[0].endpoints))
            return count and not last[0].disagreement()

        try:
            eventually(agree, within_s=within_s)
        except AssertionError as error:
            shown = last[0].disagreement() or f"{len(last[0].endpoints)} endpoints"
            raise AssertionError(f"{self.name}: {shown}") from error
        return last[0]


@dataclass(frozen=True, slots=True)
class EndpointRecords:
    """What agent, kernel and disk have of a node's pods."""

    endpoints: dict[str, str]  # Container -> IPv4 address.
    allocated: set[str]
    links: int
    files: list[str]
    interfaces: int  # Entries of the map.
    routes: set[str]

    def disagreement(self) -> str:
        """What does not fit, in words; empty when all agree."""
        addresses = list(self.endpoints.values())
        distinct = set(addresses)
        found = []
        if len(distinct) != len(addresses):
            found.append(f"an address was given twice: {sorted(addresses)}")
        if self.allocated != distinct:
            found.append(f"allocated {self.allocated - distinct}, not {distinct - self.allocated}")
        if self.links != len(distinct):
            found.append(f"{self.links} interfaces for {len(distinct)} endpoints")
        if len(self.files) != len(distinct) or any(not f.endswith(".json") for f in self.files):
            found.append(f"files {self.files} for {len(distinct)} endpoints")
        if self.interfaces != len(distinct):
            found.append(f"{self.interfaces} map entries for {len(distinct)} endpoints")
        if self.routes != distinct:
            found.append(f"routes {sorted(self.routes)}")
        return "; ".join(found)


def _address(key: str) -> str:
    """The address of an allocation, whose key begins with its pool, but for the default one."""
    return key.rpartition("/")[2]


def _is_dead(pid: int) -> bool:
    """Whether a process has ended with all its threads; its parent may not have noticed yet.

    Until the last thread is gone, what the process had open stays open.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return text.rpartition(")")[2].split()[0] in "ZX" and len(threads) == 1


def api_answer(socket_path: str, what: str) -> Any:
    """What the API at a socket answers for /v1/WHAT; None while nobody answers well."""
    try:
        status, body = _ask(socket_path, what)
    except OSError:
        return None
    return json.loads(body) if status == 200 else None


def _ask(path: str, what: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(5)
    try:
        connection.sock.connect(path)
        connection.request("GET", f"/v1/{what}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
