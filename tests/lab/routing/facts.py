"""What a node's objects, maps and counters say, for tests to compare with the kernel's."""

import json
from dataclasses import dataclass
from typing import Any

from tests.lab.walkthrough.place import CONTROL_PLANE, WORKER, Place

NODES = (CONTROL_PLANE, WORKER)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as its CiliumNode has it: each pair is IPv4 and IPv6."""

    name: str
    ips: tuple[str, str]
    routers: tuple[str, str]
    cidrs: tuple[str, str]


def node_facts(place: Place, name: str) -> NodeFacts:
    """What the CiliumNode of a node says of it."""
    spec = place.lab.object("ciliumnode", name)["spec"]

    def of(kind: str) -> tuple[str, str]:
        first, second = (a["ip"] for a in spec["addresses"] if a["type"] == kind)
        return first, second

    cidrs = tuple(spec["ipam"]["podCIDRs"])
    assert len(cidrs) == 2
    return NodeFacts(name, of("InternalIP"), of("CiliumInternalIP"), cidrs)


def other(node: str) -> str:
    """The other one of the two nodes."""
    return WORKER if node == CONTROL_PLANE else CONTROL_PLANE


def identity(place: Place, pod: str) -> int:
    """The security identity of a pod, by its CiliumEndpoint."""
    return int(place.lab.object("ciliumendpoint", pod)["status"]["identity"]["id"])


def routes(place: Place, where: str, family: str = "-4") -> list[str]:
    """The routes of a machine or a pod, as `ip route` prints them, lines stripped."""
    return [line.strip() for line in place.inside(where, "ip", family, "route").splitlines()]


def counters(place: Place, node: str) -> list[dict[str, Any]]:
    """The rows of `cilium-dbg bpf metrics list`."""
    words = ("cilium-dbg", "bpf", "metrics", "list", "-o", "json")
    rows: list[dict[str, Any]] = json.loads(place.inside(node, *words))
    return rows


def dropped(place: Place, node: str, reason: str) -> int:
    """Packets that a node dropped for a reason."""
    return sum(row["packets"] for row in counters(place, node) if row["reason"] == reason)


def ipcache(place: Place, node: str) -> dict[str, str]:
    """What a node knows of each prefix, as `cilium-dbg bpf ipcache list` says it."""
    listed = place.inside(node, "cilium-dbg", "bpf", "ipcache", "list", "-o", "json")
    return {prefix: " ".join(values) for prefix, values in json.loads(listed).items()}


def link_index(place: Place, node: str, device: str) -> int:
    """The index of a device; 0: there is none."""
    listed = place.inside(node, "ip", "-j", "link", "show", "dev", device, check=False)
    return int(json.loads(listed)[0]["ifindex"]) if listed.strip() else 0
