"""A cluster whose IPAM mode changes while pods talk: what the tests of live migration do to it.

Pods come in generations, one pod on each node. What a migration finds are the old ones; it makes
new ones, and in the end removes the old: the new are the next migration's old.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import TOOLS, FaultyNode
from tests.lab.traffic import Speaker, Traffic, watched_endpoints

CONTROL_PLANE: Final = "k8s-ctr"
WORKER: Final = "k8s-w1"
NODES: Final = (CONTROL_PLANE, WORKER)
DRAINING: Final = "ipam.ciliate.io/draining-cidrs"

_ROUTER: Final = {4: "192.168.10.200", 6: "fd00:192:168:10::200"}
_INTERNET: Final = {4: "203.0.113.10", 6: "2001:db8:113::10"}


@dataclass(frozen=True, slots=True)
class Mode:
    """An IPAM mode with its ranges: what the user sets, and where addresses come from then."""

    name: str
    ranges: tuple[str, str]  # IPv4, IPv6.
    ipv6_mask_size: int = 122

    def settings(self, *, dual_stack: bool) -> list[str]:
        """The words after `--set`."""
        v4, v6 = self.ranges
        words = [f"ipam.mode={self.name}", f"ipv4NativeRoutingCIDR={v4}"]
        pool = f"default=ipv4-cidrs:{v4};ipv4-mask-size:26"
        if dual_stack:
            words.append(f"ipv6NativeRoutingCIDR={v6}")
            pool += f";ipv6-cidrs:{v6};ipv6-mask-size:{self.ipv6_mask_size}"
        if self.name == "cluster-pool":
            words.append(f"ipam.operator.clusterPoolIPv4PodCIDRList={{{v4}}}")
            if dual_stack:
                words.append(f"ipam.operator.clusterPoolIPv6PodCIDRList={{{v6}}}")
                words.append(f"ipam.operator.clusterPoolIPv6MaskSize={self.ipv6_mask_size}")
        if self.name == "multi-pool":
            words.append(f"ipam.operator.autoCreateCiliumPodIPPools={pool}")
        return [word for setting in words for word in ("--set", setting)]

    def has(self, address: str) -> bool:
        """Whether an address is of the mode's ranges."""
        return any(_in(address, cidr) for cidr in self.ranges)


@dataclass(slots=True)
class Migrating:
    """The lab, its traffic, and how far its chain of migrations is."""

    lab: Cluster
    dual_stack: bool
    mode: str = "kubernetes"
    generation: int = 0
    traffic: Traffic = field(default_factory=Traffic)

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions of the lab."""
        return (4, 6) if self.dual_stack else (4,)

    # Pods, and which pairs of them talk.

    def start(self) -> None:
        """Let the nodes speak, and make the first generation of pods."""
        for node in NODES:
            self._speak(node, node, self._node_ips(node))
        self.make_pods()

    def pods(self, generation: int = 0) -> list[str]:
        """The names of a generation's pods, the control plane's first; 0 is the newest."""
        return [f"g{generation or self.generation}-{node}" for node in NODES]

    def make_pods(self) -> list[str]:
        """Make the next generation; it talks to nodes and servers at once."""
        self.generation += 1
        made = self.pods()
        items = [_pod(name, node) for name, node in zip(made, NODES, strict=True)]
        self.lab.kubectl("apply", "-f", "-", text=json.dumps(_list(items)))
        self.lab.kubectl("wait", *(f"pod/{name}" for name in made), _READY, "--timeout=30s")
        for pod in self.lab.object("pods", *made)["items"]:
            name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
            addresses = [entry["ip"] for entry in pod["status"]["podIPs"]]
            assert len(addresses) == len(self.versions), pod["status"]["podIPs"]
            self._speak(f"{node}/pods/default_{name}", name, addresses)
        self._talk_to_the_rest(made)
        return made

    def _speak(self, folder: str, name: str, addresses: Sequence[str]) -> None:
        self.traffic.speakers[name] = Speaker(self.lab, folder, name, addresses)

    def _talk_to_the_rest(self, pods: Sequence[str]) -> None:
        """Between the pods of a generation, with both nodes, and with the world."""
        here, there = pods
        self.traffic.pair(here, there)
        self.traffic.pair(there, here)
        self.traffic.pair(here, WORKER)
        self.traffic.pair(there, CONTROL_PLANE)
        self.traffic.pair(CONTROL_PLANE, there)
        self.traffic.pair(WORKER, here)
        self.traffic.pair(WORKER, there, seen_as=None)  # Of its own node: any of its addresses.
        for pod in pods:
            for version in self.versions:
                self.traffic.to_server(pod, "internet", _INTERNET[version])
                self.traffic.to_server(pod, "router", _ROUTER[version])

    def talk(self, some: Sequence[str], others: Sequence[str]) -> None:
        """Every pod of two generations with every other, from both sides."""
        for one in some:
            for other in others:
                self.traffic.pair(one, other)
                self.traffic.pair(other, one)

    def end_pods(self, generation: int) -> list[str]:
        """Remove a generation; what was wrong with any of its streams."""
        names = self.pods(generation)
        problems = self.traffic.end(*names)
        problems += self._masqueraded_as_one(names)
        self.traffic.close(*names)
        self.lab.kubectl("delete", "pod", *names)
        return problems

    def _masqueraded_as_one(self, pods: Sequence[str]) -> list[str]:
        """Each stream to a server must have been one client there, from first to last."""
        problems = []
        for server, addresses in (("internet", _INTERNET), ("router", _ROUTER)):
            url = f"http://{addresses[4]}/udp?format=json"
            node = FaultyNode(self.lab, CONTROL_PLANE)
            clients = json.loads(node.run("curl", "-s", "-m", "5", url).stdout)
            for pod in pods:
                for version in self.versions:
                    sent = self.traffic.reports[f"{pod} > {server} IPv{version} UDP"]["sent"]
                    if sent not in clients.values():
                        problems.append(f"{pod} > {server}: no client sent {sent}: {clients}")
        return problems

    # What a user does.

    def upgrade(self, mode: Mode) -> None:
        """The `helm upgrade` of the walk-through."""
        self.lab.lab("upgrade", *mode.settings(dual_stack=self.dual_stack))
        self.mode = mode.name

    def restart(self, what: str, *node: str) -> None:
        """`ciliate lab restart`, which waits."""
        self.lab.lab("restart", what, *node)

    def renew_cilium_node(self, node: str) -> None:
        """Delete the CiliumNode and restart the agents, as the walk-through does."""
        self.lab.kubectl("delete", "ciliumnode", node)
        self.restart("agent")

    def kill_agent(self, node: str) -> None:
        """Kill -9; returns when its successor is ready."""
        faulty = FaultyNode(self.lab, node)
        faulty.wait_agent(other_than=faulty.kill_agent())

    # What must be so.

    def view(self) -> "View":
        """The cluster and its nodes' kernels, as they are now."""
        kinds = "nodes,ciliumnodes,ciliumendpoints"
        items = self.lab.object(kinds, "--all-namespaces")["items"]
        kernels = {}
        for node in NODES:
            done = FaultyNode(self.lab, node).run("sh", "-c", _KERNEL)
            kernels[node] = [json.loads(line) for line in done.stdout.splitlines() if line]
        return View(items, kernels)

    def wait_cidrs(self, mode: Mode) -> "View":
        """Wait until every node has a CIDR of the mode for each family, and no other."""
        views: list[View] = []

        def is_so() -> bool:
            views[:] = [self.view()]
            return all(
                {ip_network(cidr).version for cidr in cidrs} == set(self.versions)
                and all(mode.has(cidr.partition("/")[0]) for cidr in cidrs)
                for cidrs in map(views[0].cidrs, NODES)
            )

        try:
            eventually(is_so, within_s=15, what=f"CIDRs of {mode.ranges}")
        except AssertionError as error:
            nodes = self.lab.kubectl("get", "ciliumnode", "-o", "yaml")
            raise AssertionError(f"{error}\n{nodes}") from None
        return views[0]

    def assert_of(self, mode: Mode, pods: Sequence[str]) -> None:
        """Pods have addresses of the mode's ranges, and of their own node's CIDRs."""
        view = self.view()
        for pod, node in zip(pods, NODES, strict=True):
            cidrs = view.cidrs(node)
            for address in self.traffic.speakers[pod].addresses.values():
                assert mode.has(address), f"{pod}: {address} is not of {mode}"
                assert any(_in(address, cidr) for cidr in cidrs), f"{pod}: {address}, {cidrs}"

    def wait_routes(self) -> None:
        """Wait until every node routes to the other's CIDRs, current and draining."""
        self._wait_for_none(lambda: self.view().route_problems())

    def wait_drained(self) -> None:
        """Wait until nothing is left of any CIDR but the current ones."""
        self._wait_for_none(lambda: self.view().leftovers())

    @staticmethod
    def _wait_for_none(problems: Callable[[], list[str]]) -> None:
        last: list[str] = []

        def are_none() -> bool:
            last[:] = problems()
            return not last

        with contextlib.suppress(AssertionError):
            eventually(are_none, within_s=10)
        assert not last, "\n".join(last)

    def _node_ips(self, node: str) -> list[str]:
        addresses = self.lab.object("node", node)["status"]["addresses"]
        return [a["address"] for a in addresses if a["type"] == "InternalIP"]


#: What a node's kernel holds, one JSON text a line: routes, addresses, the ipcache.
_KERNEL: Final = """
ip -j -4 route; echo; ip -j -6 route; echo; ip -j addr show scope global; echo
cilium-dbg bpf ipcache list -o json | tr -d '\n'
"""


class View:
    """One look at the cluster: objects of the API, and what the nodes' kernels hold."""

    def __init__(self, items: Sequence[Any], kernels: Mapping[str, Sequence[Any]]) -> None:
        kinds: dict[str, dict[str, Any]] = {}
        for item in items:
            kinds.setdefault(item["kind"], {})[item["metadata"]["name"]] = item
        self._nodes, self._cilium_nodes = kinds["Node"], kinds["CiliumNode"]
        self._endpoints = kinds.get("CiliumEndpoint", {})
        self._kernels = kernels  # By node: routes of each family, addresses, the ipcache.

    def cidrs(self, node: str) -> set[str]:
        """The CIDRs that new addresses of the node come out of."""
        ipam = self._cilium_nodes[node]["spec"]["ipam"]
        pools = ipam.get("pools", {}).get("allocated") or []
        listed = {cidr for pool in pools for cidr in pool["cidrs"]}
        return listed | set(ipam.get("podCIDRs") or [])

    def draining(self, node: str) -> set[str]:
        """The CIDRs that the node has pods in but gives nothing out of any more."""
        annotations = self._cilium_nodes[node]["metadata"].get("annotations") or {}
        return set(filter(None, annotations.get(DRAINING, "").split(",")))

    def route_problems(self) -> list[str]:
        """What is wrong with the routes to the other node: each CIDR of its has one, drained too.

        A pod whose address is in no CIDR of its node has a route of its own.
        """
        problems = []
        for node, other in (NODES, NODES[::-1]):
            hops = self._routes_via_nodes(node)
            ips = self._node_ips(other)
            wanted = (self.cidrs(other) | self.draining(other)) - self.cidrs(node)
            missing = {cidr for cidr in wanted if hops.get(cidr) not in ips}
            extra = {
                cidr
                for cidr in hops.keys() - wanted
                if not self._is_displaced_pod(cidr, other, wanted)
            }
            if missing or extra:
                problems.append(f"{node}: no route to {missing}, needless ones to {extra}: {hops}")
        return problems

    def leftovers(self) -> list[str]:
        """What of former CIDRs is still there: annotations, routes, ipcache, router addresses."""
        found = self.route_problems()
        current = set().union(*map(self.cidrs, NODES))
        known = set().union(*map(self._pod_addresses, NODES), *map(self._own_addresses, NODES))
        for node in NODES:
            if self.draining(node):
                found.append(f"{node} drains {self.draining(node)}")
            router, link = self._router(node), self._on_cilium_host(node)
            if router != link:
                found.append(f"{node}: the router is {router}, cilium_host has {link}")
            for prefix in self._kernels[node][3]:
                address, _, length = prefix.partition("/")
                is_host = int(length) == ip_address(address).max_prefixlen
                if prefix not in current and not (is_host and address in known):
                    found.append(f"{node}: {prefix} in the ipcache")
        return found

    def _is_displaced_pod(self, destination: str, node: str, covered: set[str]) -> bool:
        """Whether this is a pod of the node that its routed CIDRs do not cover."""
        address = destination.partition("/")[0]
        return address in self._pod_addresses(node) and not any(_in(address, c) for c in covered)

    def _pod_addresses(self, node: str) -> set[str]:
        """The addresses of the node's pods."""
        ips = self._node_ips(node)
        return {
            address
            for endpoint in self._endpoints.values()
            if endpoint["status"]["networking"]["node"] in ips
            for pair in endpoint["status"]["networking"]["addressing"]
            for address in pair.values()
        }

    def _routes_via_nodes(self, node: str) -> dict[str, str]:
        """Destination -> next hop, of the routes that the agent made to other nodes."""
        found = {}
        for routes, width in zip(self._kernels[node][:2], (32, 128), strict=True):
            for route in routes:
                if route.get("protocol") == "kernel" and "gateway" in route:
                    destination = route["dst"]
                    whole = destination if "/" in destination else f"{destination}/{width}"
                    found[whole] = route["gateway"]
        return found

    def _router(self, node: str) -> set[str]:
        addresses = self._cilium_nodes[node]["spec"]["addresses"]
        return {a["ip"] for a in addresses if a["type"] == "CiliumInternalIP"}

    def _own_addresses(self, node: str) -> set[str]:
        """The node's, by its kernel but for `cilium_host`, and by its CiliumNode."""
        on_links = {
            address["local"]
            for link in self._kernels[node][2]
            if link.get("ifname") != "cilium_host"
            for address in link.get("addr_info", [])
            if address  # An empty one stands for each that the filter leaves out.
        }
        return on_links | {a["ip"] for a in self._cilium_nodes[node]["spec"]["addresses"]}

    def _on_cilium_host(self, node: str) -> set[str]:
        links = [k for k in self._kernels[node][2] if k.get("ifname") == "cilium_host"]
        return {a["local"] for link in links for a in link["addr_info"] if a}

    def _node_ips(self, node: str) -> set[str]:
        addresses = self._nodes[node]["status"]["addresses"]
        return {a["address"] for a in addresses if a["type"] == "InternalIP"}


_READY: Final = "--for=condition=Ready"


@contextlib.contextmanager
def migrating(lab: Cluster, *, dual_stack: bool) -> Iterator[Migrating]:
    """A lab with the first generation of pods talking."""
    rig = Migrating(lab, dual_stack)
    try:
        rig.start()
        yield rig
    finally:
        rig.traffic.close()


@contextlib.contextmanager
def never_double(lab: Cluster) -> Iterator[None]:
    """No address may be two pods' at any moment of the block."""
    with watched_endpoints(lab) as problems:
        yield
    assert not problems


def _in(address: str, cidr: str) -> bool:
    return ip_address(address) in ip_network(cidr)


def _pod(name: str, node: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "talker"}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [TOOLS],
        },
    }


def _list(items: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": items}
