"""The walk-through's place: the lab, its application, and a user who types.

`Place.typed` runs a line as the user's shell does after `eval "$(ciliate lab env)"`; `Place.inside`
is for what the tests do themselves, and enters namespaces without a detour. What the far end saw
comes from the web servers' answers (`client_of`) and from tcpdump (`capture.py`).
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tests.lab.cluster import BIN, Cluster, ciliate, eventually, run

CONTROL_PLANE: Final = "k8s-ctr"
WORKER: Final = "k8s-w1"
NODE_IPS: Final = {CONTROL_PLANE: "192.168.10.100", WORKER: "192.168.10.101"}
ROUTER_IP: Final = "192.168.10.200"
BEHIND_ROUTER: Final = ("10.10.1.200", "10.10.2.200")
INTERNET_IP: Final = "203.0.113.10"

#: The beginning of `kubectl exec` into the agent, as the walk-through has it.
AGENT: Final = "kubectl exec -n kube-system ds/cilium -c cilium-agent --"

_LABS: Final = Path("/run/ciliate/labs")
_OWN_NAME: Final = re.compile(r"walk-(?P<pid>\d+)(-[a-z0-9]+)?")
_MANIFESTS: Final = ("application.yaml", "node-web-servers.yaml")
#: Not its PID namespace: the command would be a child of nsenter, and outlive it.
_OF_A_CONTAINER: Final = ("--net", "--uts", "--ipc", "--mount")
#: nsenter's word for a namespace, and the file that pins it.
_NAMESPACES: Final = (("net", "net"), ("uts", "uts"), ("mount", "mnt"))
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)  # Not slotted: what does not change is asked for once.
class Place:
    """A lab with the walk-through's application in it."""

    lab: Cluster

    @cached_property
    def environment(self) -> dict[str, str]:
        """What `eval "$(ciliate lab env)"` leaves in the user's shell."""
        exports = json.loads(self.lab.lab("env", "-o", "json").stdout)
        path = f"{exports.pop('PATH')}:{BIN}:{os.environ['PATH']}"
        return {**os.environ, **exports, "PATH": path}

    def typed(self, line: str, *, check: bool = True) -> str:
        """What a line prints; colours are taken out. With `check`, it must succeed."""
        words = ["bash", "-o", "pipefail", "-c", line]
        return _COLORS.sub("", run(words, check=check, env=self.environment).stdout)

    def on(self, machine: str, line: str, *, check: bool = True) -> str:
        """What a line prints on a machine."""
        return self.typed(f"ciliate lab exec {machine} -- {line}", check=check)

    def in_pod(self, line: str, *, pod: str = "curl-pod", check: bool = True) -> str:
        """What a line prints in a pod, by kubectl."""
        return self.typed(f"kubectl exec {pod} -- {line}", check=check)

    def inside(self, where: str, *words: str, check: bool = True) -> str:
        """What a command in a machine, or a pod, prints."""
        return run([*self.entering(where), *words], check=check).stdout

    def background(self, where: str, *words: str) -> "subprocess.Popen[str]":
        """A command in a machine, or a pod, that goes on; the test run's end is its end as well."""
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *self.entering(where), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def entering(self, where: str) -> list[str]:
        """The words before a command that put it into a machine or a pod."""
        if where in self.pods:
            return ["nsenter", f"--target={self._process(where)}", *_OF_A_CONTAINER, "--"]
        pins = self.lab.folder / where / "ns"
        return ["nsenter", *(f"--{kind}={pins}/{file}" for kind, file in _NAMESPACES), "--"]

    def forget_routes(self, pod: str) -> None:
        """Flush what a pod has learned about its routes: from outside, since a pod may not."""
        node = self.pods[pod]["spec"]["nodeName"]
        network = self.lab.folder / node / "pods" / f"default_{pod}" / "ns/net"
        run(["nsenter", f"--net={network}", "ip", "route", "flush", "cache"])

    def _process(self, pod: str) -> int:
        """The first process of the container of a pod, as its kubelet has noted it."""
        node = self.pods[pod]["spec"]["nodeName"]
        file = f"{self.pods[pod]['metadata']['uid']}.json"
        record = json.loads((self.lab.folder / node / "kubelet/pods" / file).read_text())
        (container,) = record["containers"].values()
        return int(container["pid"])

    @cached_property
    def pods(self) -> dict[str, Any]:
        """The application's pods by name, once all are ready."""
        items = self.lab.object("pods")["items"]
        return {pod["metadata"]["name"]: pod for pod in items}

    @cached_property
    def connected(self) -> dict[str, Any]:
        """All pods of the pod network by name, those of the cluster's DNS among them."""
        items = self.lab.object("pods", "-A")["items"]
        return {
            pod["metadata"]["name"]: pod for pod in items if not pod["spec"].get("hostNetwork")
        }

    def connected_to(self, node: str) -> dict[str, str]:
        """Namespace and name, and the address, of a node's pods of the pod network."""
        return {
            f"{pod['metadata']['namespace']}/{name}": pod["status"]["podIP"]
            for name, pod in self.connected.items()
            if pod["spec"]["nodeName"] == node
        }

    @cached_property
    def curl_ip(self) -> str:
        """The address of curl-pod, which is on the control plane."""
        return str(self.pods["curl-pod"]["status"]["podIP"])

    def webpod(self, node: str) -> str:
        """The name of the replica on a node."""
        found = [
            name
            for name, pod in self.pods.items()
            if name.startswith("webpod-") and pod["spec"]["nodeName"] == node
        ]
        assert len(found) == 1, f"replicas on {node}: {found}"
        return found[0]

    def webpod_ip(self, node: str) -> str:
        """The address of the replica on a node."""
        return str(self.pods[self.webpod(node)]["status"]["podIP"])

    def client_of(self, address: str, *, asks: str = "curl-pod") -> str:
        """The client address that a web server saw when a pod or machine asked it."""
        url = f"http://{in_url(address)}/"
        return client_in(self.inside(asks, "curl", "-s", "-m", "3", url))

    def ttl_from(self, address: str, *, asks: str = "curl-pod") -> int:
        """The TTL with which an echo reply came to a pod or a machine."""
        return ttl_of(self.inside(asks, "ping", "-c", "1", "-W", "3", address))

    @contextmanager
    def router_knows_pods(self) -> Iterator[None]:
        """The user's `ip route add` on the router, for as long as this lasts."""
        routes = []
        for node in self.lab.object("nodes")["items"]:
            ips = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
            for cidr in node["spec"]["podCIDRs"]:
                hop = next(ip for ip in ips if (":" in ip) == (":" in cidr))
                routes.append(f"{'-6 ' if ':' in cidr else ''}route replace {cidr} via {hop}")
        for route in routes:
            self.inside("router", "ip", *route.split())
        try:
            yield
        finally:
            for route in routes:
                words = route.replace(" replace ", " del ").split()
                self.inside("router", "ip", *words)


def client_in(answer: str) -> str:
    """The client's address in an answer of the lab's web servers, or of whoami."""
    found = re.search(
        r"^(?:client=|RemoteAddr: )\[?(?P<address>.+?)\]?:\d+$", answer, re.MULTILINE
    )
    assert found, f"no client in {answer!r}"
    return found["address"]


def ttl_of(printed: str) -> int:
    """The TTL, or hop limit, of the first echo reply that ping shows."""
    found = re.search(r"ttl=(\d+)", printed)
    assert found, f"no reply in {printed!r}"
    return int(found[1])


def rows(table: str) -> list[list[str]]:
    """A table's lines, header first, split where two blanks or more are."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if line.strip()]


@contextmanager
def place(suffix: str, *up: str) -> Iterator[Place]:
    """A lab with the application ready in it; gone at the end, whatever happened.

    TEST_LAB names one of the default kind that is up already, and stays: for work on one test.
    """
    remove_abandoned()
    present = None if up else os.environ.get("TEST_LAB")
    lab = Cluster(present or f"walk-{os.getpid()}-{suffix}")
    try:
        if not present:
            ciliate("lab", "up", "--name", lab.name, *up)
        found = Place(lab)
        _apply(found)
        yield found
    finally:
        if not present:
            lab.lab("down", check=False)


def remove_abandoned() -> None:
    """Take down the labs of test runs that were killed."""
    for folder in _LABS.glob("walk-*"):
        name = _OWN_NAME.fullmatch(folder.name)
        if name and not Path("/proc", name["pid"]).exists():
            ciliate("lab", "down", "--name", folder.name, check=False)


def _apply(found: Place) -> None:
    for manifest in _MANIFESTS:
        text = Path(__file__).with_name(manifest).read_text()
        found.lab.kubectl("apply", "-f", "-", text=text)
    found.typed("kubectl rollout status deployment/webpod --timeout=20s")
    found.typed("kubectl wait pod --all --for=condition=Ready --timeout=20s")
    found.typed("kubectl -n kube-system rollout status deployment/coredns --timeout=20s")
    # Endpoints' objects follow the pods; tests read them without waiting.
    eventually(
        lambda: len(found.lab.object("ciliumendpoints", "-A")["items"]) == len(found.connected),
        what="a CiliumEndpoint for each pod",
    )


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
