"""What `lab graph` draws: a lab's machines between their two networks, and the pods in them.

Facts are gathered here; `picture_text` and `picture_svg` draw them. Without an API server there are
machines alone.
"""

from dataclasses import dataclass, field

from ciliate.lab import topology
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, MachineState
from ciliate.lab.topology import Role


@dataclass(frozen=True, slots=True)
class PodBox:
    """A pod with an address of its own, or its node's."""

    name: str  # NAMESPACE/NAME
    addresses: tuple[str, ...]
    phase: str


@dataclass(frozen=True, slots=True)
class MachineBox:
    """A machine between the internet (eth0) and the switch (eth1)."""

    name: str
    role: Role
    eth0: tuple[str, ...]
    eth1: tuple[str, ...]
    #: Of a node its pod CIDRs, of the router what is behind it.
    networks: tuple[str, ...] = ()
    pods: tuple[PodBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A lab."""

    name: str
    internet: tuple[str, ...]
    gateway: tuple[str, ...]
    machines: tuple[MachineBox, ...] = field(default=())


async def observe(paths: LabPaths, state: LabState) -> Picture:
    """Return what there is to draw."""
    cidrs, pods = await _cluster(paths)
    machines = sorted(
        (each for each in state.machines if each.role not in (Role.SWITCH, Role.INTERNET)),
        key=lambda each: (each.role is not Role.ROUTER, each.index),
    )
    return Picture(
        name=state.name,
        internet=_texts(topology.internet_addresses(dual_stack=state.dual_stack)),
        gateway=_texts(topology.gateway_addresses(dual_stack=state.dual_stack)),
        machines=tuple(_box(each, state, cidrs, pods) for each in machines),
    )


def _box(
    machine: MachineState,
    state: LabState,
    cidrs: dict[str, tuple[str, ...]],
    pods: dict[str, list[PodBox]],
) -> MachineBox:
    networks = cidrs.get(machine.name, ())
    if machine.role is Role.ROUTER:
        networks = tuple(
            str(address.network)
            for number in (1, 2)
            for address in topology.loop_addresses(number, dual_stack=state.dual_stack)
        )
    return MachineBox(
        name=machine.name,
        role=machine.role,
        eth0=_texts(topology.uplink_addresses(dual_stack=state.dual_stack)),
        eth1=tuple(machine.node_ips),
        networks=networks,
        pods=tuple(sorted(pods.get(machine.name, ()), key=lambda pod: pod.name)),
    )


def _texts(addresses: tuple[topology.Interface, ...]) -> tuple[str, ...]:
    return tuple(str(address.ip) for address in addresses)


async def _cluster(paths: LabPaths) -> tuple[dict[str, tuple[str, ...]], dict[str, list[PodBox]]]:
    """Return pod CIDRs and pods by node; nothing when the API server does not answer."""
    from ciliate.api.cilium_node import CILIUM_NODES  # noqa: PLC0415 - slow imports, from here on.
    from ciliate.api.core import PODS  # noqa: PLC0415
    from ciliate.kube.client import ApiClient  # noqa: PLC0415
    from ciliate.kube.errors import KubeError  # noqa: PLC0415

    pods: dict[str, list[PodBox]] = {}
    try:
        async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
            nodes = (await client.list(CILIUM_NODES)).items
            listed = (await client.list(PODS)).items
    except KubeError:
        return {}, {}
    for pod in listed:
        addresses = tuple(each.ip for each in pod.status.pod_ips)
        name = f"{pod.metadata.namespace}/{pod.metadata.name}"
        pods.setdefault(pod.spec.node_name, []).append(PodBox(name, addresses, pod.status.phase))
    return {node.metadata.name: node.current_cidrs for node in nodes}, pods
