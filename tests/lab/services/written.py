"""What nodes' maps have of Services, beside what the API says: read and computed each by itself.

Cluster IPs and node ports, with the endpoints behind each, as whoever is inside the cluster has them.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode

from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.layout import (
    Backend,
    Frontend,
    FrontendFlag,
    FrontendKey,
    FrontendScope,
    FrontendType,
    ServiceSlotKey,
)
from ciliate.net.address import from_octets
from ciliate.services.maps import FRONTENDS, SERVICE_SLOTS

_PROTOCOLS = {6: "TCP", 17: "UDP"}
_SHOWN = (FrontendType.FRONTEND_CLUSTER_IP, FrontendType.FRONTEND_NODE_PORT)


class At(NamedTuple):
    """An address and port that is asked for; a node port's address is that of all."""

    address: str
    port: int
    protocol: str


#: Each with its backends, sorted; one that is there twice is so here.
Served = dict[At, tuple[tuple[str, int], ...]]


def held_by(node: FaultyNode) -> Served:
    """Return the frontends in a node's maps with the backends that lie behind."""
    frontends, slots = node.inside(_entries)
    backends: dict[int, list[tuple[str, int]]] = {}
    for slot, backend in slots.items():
        at = (str(from_octets(backend.address)), backend.port)
        backends.setdefault(slot.service, []).append(at)
    found: Served = {}
    for key, frontend in frontends.items():
        found.update(_shown(key, frontend, frontends, backends))
    return found


def _entries() -> tuple[dict[FrontendKey, Frontend], dict[ServiceSlotKey, Backend]]:
    root = Path("/sys/fs/bpf")
    with open_pinned(root, FRONTENDS) as frontends, open_pinned(root, SERVICE_SLOTS) as slots:
        return dict(frontends.items()), dict(slots.items())


def _shown(
    at: FrontendKey,
    frontend: Frontend,
    frontends: dict[FrontendKey, Frontend],
    backends: dict[int, list[tuple[str, int]]],
) -> Iterator[tuple[At, tuple[tuple[str, int], ...]]]:
    address = from_octets(at.address)
    is_shown = frontend.type in _SHOWN and at.scope == FrontendScope.SCOPE_OUTSIDE
    is_node_address = frontend.type == FrontendType.FRONTEND_NODE_PORT and int(address)
    if not is_shown or is_node_address or frontend.flags & FrontendFlag.FRONTEND_UNKNOWN_PORT:
        return
    if frontend.flags & FrontendFlag.FRONTEND_TWO_SCOPES:
        frontend = frontends[at._replace(scope=FrontendScope.SCOPE_INSIDE)]
    name = At(str(address), at.port, _PROTOCOLS[at.protocol])
    yield name, tuple(sorted(backends.get(frontend.service, ())))


def said_by_api(lab: Cluster, node: str) -> Served:
    """Return the frontends that the API's Services should have on a node, with their backends."""
    slices: dict[tuple[str, str], list[Any]] = {}
    for each in lab.object("endpointslices", "-A")["items"]:
        owner = each["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
        slices.setdefault((each["metadata"]["namespace"], owner), []).append(each)
    found: Served = {}
    for service in lab.object("services", "-A")["items"]:
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if service["spec"].get("clusterIP", "None") != "None":
            found.update(_of_service(service["spec"], slices.get(key, []), node))
    return found


def _of_service(spec: Any, slices: list[Any], node: str) -> Served:
    found: Served = {}
    for address in spec["clusterIPs"]:
        version = ip_address(address).version
        for port in spec["ports"]:
            behind = _endpoints(
                spec, port, [s for s in slices if s["addressType"][-1] == str(version)], node
            )
            found[At(address, port["port"], port["protocol"])] = behind
            if "nodePort" in port:
                anywhere = "::" if version == 6 else "0.0.0.0"
                found[At(anywhere, port["nodePort"], port["protocol"])] = behind
    return found


def _endpoints(spec: Any, port: Any, slices: list[Any], node: str) -> tuple[tuple[str, int], ...]:
    ready, ending = set(), set()
    for each in slices:
        for of_slice in each.get("ports") or ():
            if (
                of_slice.get("name", "") != port.get("name", "")
                or of_slice["protocol"] != port["protocol"]
            ):
                continue
            for endpoint in each.get("endpoints") or ():
                if (
                    spec.get("internalTrafficPolicy") == "Local"
                    and endpoint.get("nodeName", node) != node
                ):
                    continue
                conditions = endpoint.get("conditions", {})
                at = (endpoint["addresses"][0], of_slice["port"])
                if conditions.get("ready", True):
                    ready.add(at)
                elif conditions.get("serving"):
                    ending.add(at)
    return tuple(sorted(ready or ending))


def differences(lab: Cluster, node: str) -> dict[At, tuple[Any, Any]]:
    """Return each frontend that a node has otherwise than the API says: held, said."""
    held, said = held_by(FaultyNode(lab, node)), said_by_api(lab, node)
    return {
        name: (held.get(name), said.get(name))
        for name in held.keys() | said.keys()
        if held.get(name) != said.get(name)
    }


def wait_written(lab: Cluster, *nodes: str, within_s: float = 20.0) -> None:
    """Return when the maps of nodes have what the API says."""
    for node in nodes or ("k8s-ctr", "k8s-w1"):
        last: list[Any] = []

        def is_equal(node: str = node, last: list[Any] = last) -> bool:
            last[:] = differences(lab, node).items()
            return not last

        try:
            eventually(is_equal, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{node}: {last[:5]}") from error
