"""The plugins to be measured against: Debian's `ptp` with `host-local`, nodes that route.

The plainest pod network there is: a veth pair a pod, a route a pod, a route a node, the kernel's
forwarding in between, and iptables' MASQUERADE where `ipMasq` asks for it. With `ipMasq` all nodes
share the prefix 10.201.0.0/16 in their configuration, so that pods of other nodes are not
masqueraded (the plugin exempts its own subnet); what remains is what connection tracking costs.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import Machine, fresh_machine, run
from benchmarks.topology import NODE_ADDRESSES, ROUTER_ADDRESS, Ground, Route, fresh_ground

#: Where Debian's containernetworking-plugins puts its programs.
PLUGIN_DIRECTORY: Final = "/usr/lib/cni"

#: All pods of both nodes.
POD_CIDR: Final = "10.201.0.0/16"

#: The pods of the first and of the second node.
POD_PREFIXES: Final = ("10.201.0", "10.201.1")

#: The tunnel's device on a node, and the nodes' addresses on it; what fits into it.
_TUNNEL: Final = "tunnel0"
_TUNNEL_ADDRESSES: Final = ("10.202.0.1", "10.202.0.2")
_TUNNEL_MTU: Final = 1450


def configuration(node: int, *, ip_masq: bool, state_directory: str, mtu: int = 1500) -> str:
    """Return the network configuration of node number `node` as JSON; `mtu` of its pods, in bytes."""
    prefix = POD_PREFIXES[node]
    document: dict[str, Any] = {
        "cniVersion": "1.0.0",
        "name": f"bench{node}",
        "type": "ptp",
        "ipMasq": ip_masq,
        "mtu": mtu,
        "ipam": {
            "type": "host-local",
            "ranges": [
                [
                    {
                        "subnet": POD_CIDR,
                        "rangeStart": f"{prefix}.2",
                        "rangeEnd": f"{prefix}.254",
                        "gateway": f"{prefix}.1",
                    }
                ]
            ],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": state_directory,
        },
    }
    return json.dumps(document)


def environment(verb: str, *, container: str, netns: str) -> dict[str, str]:
    """Return the variables of a plugin's call (CNI specification 1.0, section 2)."""
    return {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container,
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": PLUGIN_DIRECTORY,
        # ptp finds iptables and sysctl there.
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    }


def add_pod(node: Machine, pod: Machine, *, config: str, container: str) -> str:
    """Have the plugin connect `pod` to `node`; return the pod's address."""
    variables = environment("ADD", container=container, netns=pod.netns)
    assignments = [f"{name}={value}" for name, value in variables.items()]
    command = node.command(
        ["env", "--ignore-environment", *assignments, f"{PLUGIN_DIRECTORY}/ptp"]
    )
    result = json.loads(run(command, stdin=config))
    return str(result["ips"][0]["address"].partition("/")[0])


@dataclass(frozen=True, slots=True)
class ReferencePods:
    """A ground with a pod on each node, by `ptp`."""

    ground: Ground
    pods: tuple[Machine, Machine]
    addresses: tuple[str, str]

    @property
    def between_pods(self) -> Route:
        """From the first node's pod to the second's."""
        return Route(client=self.pods[0], server=self.pods[1], address=self.addresses[1])

    @property
    def to_world(self) -> Route:
        """From the first node's pod to the router."""
        return Route(client=self.pods[0], server=self.ground.router, address=ROUTER_ADDRESS)


def state_directory() -> tempfile.TemporaryDirectory[str]:
    """Make a place for host-local's files, which goes at the end.

    What a killed run left goes now: its process id is in the name.
    """
    for path in Path(tempfile.gettempdir()).glob("ciliate-bench-*-*"):
        owner = path.name.split("-")[2]
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"ciliate-bench-{os.getpid()}-")


def _add_tunnel(ground: Ground) -> None:
    """Give each node a vxlan device of the kernel's that leads to the other."""
    for number, node in enumerate(ground.nodes):
        local, remote = NODE_ADDRESSES[number], NODE_ADDRESSES[1 - number]
        ends = ("local", local, "remote", remote, "dstport", "4789")
        node.run("ip", "link", "add", _TUNNEL, "type", "vxlan", "id", "7", *ends)
        node.run("ip", "address", "add", f"{_TUNNEL_ADDRESSES[number]}/24", "dev", _TUNNEL)
        node.run("ip", "link", "set", _TUNNEL, "mtu", str(_TUNNEL_MTU), "up")


@contextlib.contextmanager
def reference_pods(*, ip_masq: bool, tunnel: bool = False) -> Iterator[ReferencePods]:
    """Make a ground of its own with two pods on it; with `tunnel` nodes route through one.

    Without `ip_masq` the router learns the way back to the pods, since nothing hides them.
    """
    with contextlib.ExitStack() as stack:
        ground = stack.enter_context(fresh_ground())
        state = stack.enter_context(state_directory())
        pods = (stack.enter_context(fresh_machine()), stack.enter_context(fresh_machine()))
        if tunnel:
            _add_tunnel(ground)
        hops, mtu = (_TUNNEL_ADDRESSES, _TUNNEL_MTU) if tunnel else (NODE_ADDRESSES, 1500)
        addresses = []
        for number, (node, pod) in enumerate(zip(ground.nodes, pods, strict=True)):
            directory = f"{state}/{number}"
            config = configuration(number, ip_masq=ip_masq, state_directory=directory, mtu=mtu)
            addresses.append(add_pod(node, pod, config=config, container=f"pod{number}"))
            prefix = f"{POD_PREFIXES[number]}.0/24"
            ground.nodes[1 - number].run("ip", "route", "add", prefix, "via", hops[number])
            if not ip_masq:
                ground.router.run("ip", "route", "add", prefix, "via", NODE_ADDRESSES[number])
        yield ReferencePods(ground=ground, pods=pods, addresses=(addresses[0], addresses[1]))
