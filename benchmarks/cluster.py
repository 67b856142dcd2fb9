"""Our candidate: a real lab, with its agents, its kubelet and pods made through the Kubernetes API.

What is measured is what a user gets: `ciliate lab up`, pods by kubectl, the pods' own namespaces.
A lab outlives its maker, so its name carries our process id: `take_down_left_overs` removes what
a killed run left behind.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.invocation import Order
from benchmarks.machine import CommandError, Machine, run
from benchmarks.topology import ROUTER_ADDRESS, Route

from ciliate.lab.cgroup import LabCgroup

#: Where labs live: ARCHITECTURE.md, "Machines of the lab".
_LABS: Final = Path("/run/ciliate/labs")

#: Our command, from the same virtual environment as this process.
_CILIATE: Final = str(Path(sys.executable).with_name("ciliate"))

#: Budget of 50 nodes several times over: a lab that takes longer is not measured but broken.
_LAB_TIMEOUT_S: Final = 300.0

_POD_TIMEOUT_S: Final = 60.0

_NAMES: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the lab."""

    name: str
    directory: Path

    @property
    def machine(self) -> Machine:
        """The node's network, for traffic of its own."""
        return Machine(str(self.directory / "ns" / "net"), self._group)

    @property
    def _group(self) -> str:
        """The control group of what is run on the node from outside; its pods' own end with them."""
        return str(LabCgroup.of(self.directory.parent.name).make(f"{self.name}/exec"))

    def inside(self) -> list[str]:
        """Return the command that enters the node whole: its network, files and host name."""
        namespaces = self.directory / "ns"
        return [
            *("nsenter", f"--net={namespaces}/net", f"--mount={namespaces}/mnt"),
            f"--uts={namespaces}/uts",
        ]

    def pod(self, name: str) -> Machine:
        """Return the network of the pod `name` of the namespace default."""
        pins = self.directory / "pods" / f"default_{name}" / "ns"
        return Machine(str(pins / "net"), self._group)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running lab and its nodes, in the order of their names."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def directory(self) -> Path:
        """The lab's folder."""
        return _LABS / self.name

    @property
    def router(self) -> Machine:
        """The machine on the nodes' network that is no node."""
        return Machine(netns=str(self.directory / "router" / "ns" / "net"))

    def kubectl(
        self, *words: str, stdin: str | None = None, timeout_s: float = _POD_TIMEOUT_S
    ) -> str:
        """Run kubectl against the lab's API server."""
        kubeconfig = f"--kubeconfig={self.directory / 'kubeconfig'}"
        return run(["kubectl", kubeconfig, *words], stdin=stdin, timeout_s=timeout_s)

    def execute(self, pod: str, words: Sequence[str], *, timeout_s: float) -> str:
        """Run a command in a pod, as one of its processes; return what it printed."""
        return run([*self.lab_exec(pod), *words], timeout_s=timeout_s)

    def lab_exec(self, place: str) -> list[str]:
        """Return what stands before a command that is to run in a pod or on a machine."""
        return [_CILIATE, "lab", "exec", "--name", self.name, place, "--"]

    def create(self, objects: Sequence[dict[str, Any]]) -> None:
        """Create Kubernetes objects, all in one call."""
        self.kubectl("create", "-f", "-", stdin="\n".join(map(json.dumps, objects)))

    def start_pods(
        self, places: Mapping[str, Node], *, host_network: bool = False
    ) -> dict[str, str]:
        """Run a pod that sleeps for each name on the node given; return their addresses."""
        self.create(
            [_pod(name, node.name, host_network=host_network) for name, node in places.items()]
        )
        names = [f"pod/{name}" for name in places]
        timeout = f"--timeout={_POD_TIMEOUT_S - 1:.0f}s"
        self.kubectl("wait", "--for=condition=Ready", timeout, *names)
        pods = json.loads(self.kubectl("get", "pods", "--output=json"))["items"]
        return {
            pod["metadata"]["name"]: pod["status"]["podIP"]
            for pod in pods
            if pod["metadata"]["name"] in places
        }

    def prepare_orders(self, pods: int) -> None:
        """Make the pods that an order's calls are about.

        They are on the host's network, so that the kubelet leaves CNI to us; the agent looks up
        their labels, gives them an identity and publishes their endpoints as it does for any.
        """
        places = {f"bench-{number}": self.nodes[0] for number in range(pods)}
        self.start_pods(places, host_network=True)

    @contextlib.contextmanager
    def restarting_agent(self, node: Node) -> Iterator[None]:
        """Have the agent of `node` replaced meanwhile; at the end it is.

        Raises:
            CommandError: The lab refused, or the new agent did not become ready.
        """
        command = [_CILIATE, "lab", "restart", "--name", self.name, "agent", node.name]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as restart:
            yield
            printed, _nothing = restart.communicate(timeout=_LAB_TIMEOUT_S)
        if restart.returncode:
            raise CommandError(command, printed)

    def withdraw_agents(self) -> None:
        """Have the lab stop its agents for good: their node selector fits no node."""
        template = {"spec": {"nodeSelector": {"bench": "elsewhere"}}}
        patch = json.dumps({"spec": {"template": template}})
        in_system = ("--namespace=kube-system",)
        self.kubectl("patch", "daemonset", "cilium", *in_system, "--patch", patch)
        self.kubectl("wait", "--for=delete", "pod", "--selector=k8s-app=cilium", *in_system)

    def withdraw_operator(self) -> None:
        """Have the lab stop its operator, which deletes objects without a pod or node."""
        in_system = ("--namespace=kube-system",)
        self.kubectl("scale", "deployment", "cilium-operator", *in_system, "--replicas=0")
        selector = "--selector=name=cilium-operator"
        self.kubectl("wait", "--for=delete", "pod", selector, *in_system)

    def order(self, *, container_prefix: str, pods: int, parallel: int) -> Order:
        """Return calls of the plugin as the kubelet of the first node makes them."""
        path = "/etc/cni/net.d/05-cilium.conflist"
        network = json.loads(run([*self.nodes[0].inside(), "cat", path]))
        plugin = network["plugins"][0]
        head = {"name": network["name"], "cniVersion": network["cniVersion"]}
        arguments = (
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=bench-{pod};"
            "K8S_POD_INFRA_CONTAINER_ID=" + container_prefix + "{pod}"
        )
        return Order(
            program=f"/opt/cni/bin/{plugin['type']}",
            configuration=json.dumps(plugin | head),
            environment={
                "CNI_IFNAME": "eth0",
                "CNI_PATH": "/opt/cni/bin",
                "CNI_ARGS": arguments,
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            },
            container_prefix=container_prefix,
            pods=pods,
            parallel=parallel,
            names="/var/run/netns",
        )


@dataclass(frozen=True, slots=True)
class PodPair:
    """A pod on each of the lab's first two nodes."""

    lab: Cluster
    client: Machine
    server: Machine
    server_address: str

    @property
    def between_pods(self) -> Route:
        """From the first node's pod to the second's."""
        return Route(client=self.client, server=self.server, address=self.server_address)

    @property
    def to_world(self) -> Route:
        """From the first node's pod to the lab's router, which knows no way to pods."""
        return Route(client=self.client, server=self.lab.router, address=ROUTER_ADDRESS)

    def asking(self, address: str, port: int, *, by_socket: bool = True) -> Route:
        """From the first node's pod to what is served at `address`, which leads to the second's.

        Without `by_socket` no program sees the client's socket: its packets are translated.
        """
        client = self.client if by_socket else replace(self.client, cgroup="")
        return Route(client, self.server, self.server_address, asked=(address, port))


def _pod(name: str, node: str, *, host_network: bool) -> dict[str, Any]:
    """Return a pod that does nothing on `node`."""
    container = {"name": "main", "image": "nicolaka/netshoot", "command": ["sleep", "infinity"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {
            "nodeName": node,
            "hostNetwork": host_network,
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
        },
    }


def fresh_name() -> str:
    """Return a name for a lab that has our process id in it."""
    return f"bench-{os.getpid()}-{next(_NAMES)}"


def up(name: str, *, nodes: int, settings: Sequence[str] = (), dns: bool = False) -> Cluster:
    """Bring up a lab with `settings`, each NAME=VALUE, and return it.

    Without the cluster's DNS, unless it is asked for: what else runs takes from what is measured.
    """
    words = [word for setting in settings for word in ("--set", setting)]
    lab(["up", "--name", name, "--nodes", str(nodes), "--dns" if dns else "--no-dns", *words])
    pods = ["kubectl", f"--kubeconfig={_LABS / name / 'kubeconfig'}", "get", "nodes"]
    names = run([*pods, "--output=jsonpath={.items[*].metadata.name}"]).split()
    return Cluster(
        name=name, nodes=tuple(Node(node, _LABS / name / node) for node in sorted(names))
    )


def down(name: str) -> None:
    """Take a lab down with all that is its."""
    lab(["down", "--name", name])


def lab(words: Sequence[str]) -> None:
    """Run `ciliate lab` with `words`."""
    run([_CILIATE, "lab", *words], timeout_s=_LAB_TIMEOUT_S)


@contextlib.contextmanager
def cluster(*, nodes: int, settings: Sequence[str] = (), dns: bool = False) -> Iterator[Cluster]:
    """Bring up a lab of `nodes` nodes with `settings`; it goes at the end."""
    take_down_left_overs()
    name = fresh_name()
    try:
        yield up(name, nodes=nodes, settings=settings, dns=dns)
    finally:
        down(name)


def pods_on_two_nodes(lab: Cluster) -> PodPair:
    """Run a pod on each of the first two nodes of `lab`."""
    client, server = lab.nodes[:2]
    addresses = lab.start_pods({"client": client, "server": server})
    return PodPair(
        lab=lab,
        client=client.pod("client"),
        server=server.pod("server"),
        server_address=addresses["server"],
    )


def take_down_left_overs() -> None:
    """Take down the labs of benchmark runs that are no more."""
    if not _LABS.is_dir():
        return
    for folder in filter(Path.is_dir, _LABS.glob("bench-*-*")):
        owner = folder.name.split("-")[1]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            down(folder.name)
