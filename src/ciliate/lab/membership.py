"""`lab add-node` and `lab remove-node`: the cluster's size changed while it runs."""

import asyncio
from functools import partial

import msgspec

from ciliate.api.core import NODES
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.lab import links
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.errors import LabError
from ciliate.lab.namespaces import in_namespaces
from ciliate.lab.paths import LabPaths
from ciliate.lab.readiness import deadline_s, watched_cluster
from ciliate.lab.restart import UnknownNodeError
from ciliate.lab.start import machine_maker, route_pods_on_router, write_hosts
from ciliate.lab.state import LabState, MachineState, machine_state, write_state
from ciliate.lab.tear_down import remove_folder
from ciliate.lab.topology import INTERNET, SWITCH, Machine, Role, node


class ControlPlaneStaysError(LabError):
    """The control plane's machine holds the API server's address."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is the control plane, which stays: `ciliate lab down` ends it")


def add_node(paths: LabPaths, state: LabState) -> str:
    """Make a machine with the lowest free number, wait until its node is Ready; its name.

    Raises:
        NodeCountError: There is no address left.
        NotReadyError: The node does not become Ready.
    """
    taken = {machine.index for machine in state.nodes}
    added = node(next(number for number in range(len(taken) + 1) if number not in taken))
    # What a former attempt may have left.
    _remove_machine(paths, added)
    machine_maker(paths, state).add(added)
    entry = machine_state(paths, added, dual_stack=state.dual_stack)
    state = msgspec.structs.replace(state, machines=[*state.machines, entry])
    write_hosts(paths, state)
    write_state(paths, state)
    asyncio.run(_wait_for(paths, state, added.name))
    return added.name


async def _wait_for(paths: LabPaths, state: LabState, name: str) -> None:
    async with (
        ApiClient.from_kubeconfig(paths.kubeconfig) as client,
        watched_cluster(client) as view,
    ):
        await view.wait(
            partial(view.missing_nodes, [name]),
            deadline_s(1),
            concerns=lambda pod: pod.spec.node_name == name,
        )
        if state.dual_stack:
            await route_pods_on_router(client, paths, state)


def remove_node(paths: LabPaths, state: LabState, name: str) -> None:
    """Take a node's machine away, and its Node object.

    Raises:
        UnknownNodeError: There is no such node.
        ControlPlaneStaysError: It is the control plane.
        KubeError: The API server refuses or does not answer; the machine is gone all the same.
    """
    found = next((machine for machine in state.nodes if machine.name == name), None)
    if found is None:
        raise UnknownNodeError(name=name, nodes=[machine.name for machine in state.nodes])
    if found.role is Role.CONTROL_PLANE:
        raise ControlPlaneStaysError(name=name)
    state = msgspec.structs.replace(
        state, machines=[machine for machine in state.machines if machine.name != name]
    )
    # First: the kubelet of a machine that is not in the list lets go of its pods.
    write_state(paths, state)
    write_hosts(paths, state)
    LabCgroup.of(paths.name).remove(name)
    _unplug(paths, state, found)
    asyncio.run(_delete_node(paths, name))


def _remove_machine(paths: LabPaths, machine: Machine) -> None:
    """Remove a machine's namespaces, and the far ends of its links; absent is a success.

    The links are not left to go with the namespace: the kubelets' process watches it until it has
    read the list of machines, and the kernel frees it some time later. Until then others would see
    a link that leads nowhere, and a machine of that name could not be plugged in.
    """
    words = links.unplugging_words(machine)
    for other in (INTERNET, SWITCH):
        unplug = partial(links.run_ip_leniently, other, words)
        in_namespaces(paths.pins(other), unplug, ("net",))
    remove_folder(paths.machine(machine.name))


def _unplug(paths: LabPaths, state: LabState, gone: MachineState) -> None:
    _remove_machine(paths, gone.machine)
    rules = links.internet_rules(gone.machine, add=False)

    def on_internet() -> None:
        links.run_ip(INTERNET, rules)
        if state.dual_stack:
            links.run_ip(INTERNET, rules, family=6)
        links.run_nft(INTERNET, links.internet_marks([gone.machine], verb="delete"))

    in_namespaces(paths.pins(INTERNET), on_internet, ("net",))


async def _delete_node(paths: LabPaths, name: str) -> None:
    async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
        try:
            await client.delete(NODES, name)
        except NotFoundError:
            return
