"""The whole of IPAM as a model: agents' and operator's real parts, an API of dictionaries.

Hypothesis generates sequences of pods that come and go, agents that crash and restart (with and
without their file), CiliumNodes deleted and edited by hand, operators replaced, pools appended.
Whatever the order: no two living pods have one address, and no living pod's address is free.
CILIATE_LONG_TESTS=1 runs about a million steps.
"""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import cilium_endpoint, new_cluster, own_node

from ciliate.api.cilium_node import (
    DRAINING_ANNOTATION,
    CiliumNode,
    CiliumNodeAddress,
    CiliumNodeSpec,
    NodeIPAM,
)
from ciliate.api.metadata import ObjectMeta
from ciliate.config.settings import IPAMSettings
from ciliate.ipam.agent.foreign_pods import ForeignPods
from ciliate.ipam.agent.pod_cidrs import CIDRFile, PodCIDRs
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.errors import IPAMError
from ciliate.ipam.node import DEFAULT_POOL, NodeAddresses
from ciliate.ipam.operator.node_cidrs import fill_pod_cidrs
from ciliate.ipam.operator.settings import CLUSTER_POOL
from ciliate.net.address import IPAddress, host_network, ip_address
from ciliate.node.cluster import Cluster

NODES = ("n0", "n1", "n2")
_RANGES = ("10.0.0.0/28", "10.0.1.0/29", "10.0.2.0/30")  # Blocks of two usable addresses each.
_LONG = "CILIATE_LONG_TESTS" in os.environ


def node_ip(name: str) -> IPAddress:
    return ip_address(f"192.168.10.{100 + NODES.index(name)}")


@dataclass
class Agent:
    """An agent between two restarts: its tables, its blocks."""

    name: str
    cluster: Cluster
    addresses: NodeAddresses
    pod_cidrs: PodCIDRs

    @classmethod
    def start(cls, name: str, state: Path, model: "IPAMModel") -> "Agent":
        cluster = new_cluster(None, own_node(name, node_ip(name)))
        for node in model.nodes.values():
            publish(cluster.nodes, node)
        for pod, (where, address) in model.pods.items():
            publish(
                cluster.endpoints, cilium_endpoint(pod, str(address), node=str(node_ip(where)))
            )
        addresses = NodeAddresses((4,))
        ipam = IPAMSettings(
            "cluster-pool", ipv4=True, ipv6=False, router_ipv4=None, router_ipv6=None
        )
        agent = cls(name, cluster, addresses, PodCIDRs(ipam, cluster, addresses, CIDRFile(state)))
        agent.pod_cidrs.load()
        for pod, (where, address) in model.pods.items():
            if where == name:
                if addresses.find(address) is None:
                    addresses.hold(DEFAULT_POOL, (host_network(address),))
                addresses.take((address,), pod)
        ForeignPods(cluster.known_pods, addresses, cluster.own).follow()
        agent.pod_cidrs.follow()
        return agent

    def published(self, found: CiliumNode | None) -> CiliumNode:
        """The agent's CiliumNode: the operator's field as it is, the rest as the agent says."""
        draining = ",".join(map(str, self.addresses.draining))
        annotations = {DRAINING_ANNOTATION: draining} if draining else {}
        meta = ObjectMeta(name=self.name, uid=self.name, annotations=annotations)
        ipam = found.spec.ipam if found is not None else NodeIPAM()
        addresses = (CiliumNodeAddress("InternalIP", str(node_ip(self.name))),)
        return CiliumNode(metadata=meta, spec=CiliumNodeSpec(addresses=addresses, ipam=ipam))


@dataclass
class Operator:
    """An operator between two restarts."""

    allocator: ClusterAllocator = field(default_factory=ClusterAllocator)

    @classmethod
    def start(cls, model: "IPAMModel") -> "Operator":
        operator = cls()
        operator.allocator.define(CLUSTER_POOL, 4, 30, model.ranges)
        for node in model.nodes.values():
            operator.see(node)
        for where, address in model.pods.values():
            operator.allocator.pod_appeared(str(node_ip(where)), str(address))
        return operator

    def see(self, node: CiliumNode) -> None:
        name = node.metadata.name
        self.allocator.place(name, [a.ip for a in node.spec.addresses])
        self.allocator.learn(name, node.current_cidrs, node.draining_cidrs)

    def forget(self, name: str) -> None:
        self.allocator.forget(name)
        self.allocator.place(name, ())


class IPAMModel(RuleBasedStateMachine):
    """Three nodes, one operator, an API whose changes every running part sees at once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.nodes: dict[str, CiliumNode] = {}
        self.pods: dict[str, tuple[str, IPAddress]] = {}
        self.ranges = [_RANGES[0]]
        self.agents: dict[str, Agent] = {}
        self.operator = Operator.start(self)
        self.count = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    # The API.

    def write(self, node: CiliumNode) -> None:
        self.nodes[node.metadata.name] = node
        self.operator.see(node)
        for agent in tuple(self.agents.values()):
            publish(agent.cluster.nodes, node)

    def settle(self) -> None:
        """Let agents and operator act until nothing is left to do."""
        for _ in range(20):
            before = msgspec.json.encode(self.nodes)
            for name, agent in self.agents.items():
                published = agent.published(self.nodes.get(name))
                if published != self.nodes.get(name):
                    self.write(published)
            for name in tuple(self.nodes):
                node = self.nodes[name]
                decision = fill_pod_cidrs(self.operator.allocator, node, (4,), settled=True)
                if decision.pod_cidrs is not None:
                    ipam = msgspec.structs.replace(node.spec.ipam, pod_cidrs=decision.pod_cidrs)
                    spec = msgspec.structs.replace(node.spec, ipam=ipam)
                    self.write(msgspec.structs.replace(node, spec=spec))
            if msgspec.json.encode(self.nodes) == before:
                return
        raise AssertionError("agents and operator do not come to rest")

    # What happens.

    @initialize()
    def all_agents_start(self) -> None:
        for name in NODES:
            self.agents[name] = Agent.start(name, self.state(name), self)
        self.settle()

    def state(self, name: str) -> Path:
        return Path(self.folder.name) / name

    @rule(name=st.sampled_from(NODES))
    def pod_comes(self, name: str) -> None:
        agent = self.agents.get(name)
        if agent is None:
            return
        self.count += 1
        pod = f"pod-{self.count}"
        try:
            (address,) = agent.addresses.allocate(pod)
        except IPAMError:
            return
        self.pods[pod] = (name, address)
        for other in self.agents.values():
            endpoint = cilium_endpoint(pod, str(address), node=str(node_ip(name)))
            publish(other.cluster.endpoints, endpoint)
        self.operator.allocator.pod_appeared(str(node_ip(name)), str(address))

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def pod_goes(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(sorted(self.pods)))
        name, address = self.pods.pop(pod)
        if name in self.agents:
            self.agents[name].addresses.release((address,))
        for agent in self.agents.values():
            withdraw(agent.cluster.endpoints, pod, "default")
        self.operator.allocator.pod_vanished(str(node_ip(name)), str(address))
        self.settle()

    @rule(name=st.sampled_from(NODES))
    def agent_crashes(self, name: str) -> None:
        self.agents.pop(name, None)

    @rule(name=st.sampled_from(NODES), file_is_lost=st.booleans())
    def agent_starts(self, name: str, *, file_is_lost: bool) -> None:
        if file_is_lost:
            self.state(name).unlink(missing_ok=True)
        self.agents[name] = Agent.start(name, self.state(name), self)
        self.settle()

    @rule(name=st.sampled_from(NODES))
    def cilium_node_is_deleted(self, name: str) -> None:
        if self.nodes.pop(name, None) is None:
            return
        self.operator.forget(name)
        for agent in self.agents.values():
            withdraw(agent.cluster.nodes, name)
        self.settle()

    @rule(name=st.sampled_from(NODES), index=st.integers(0, 3))
    def cilium_node_is_edited(self, name: str, index: int) -> None:
        node = self.nodes.get(name)
        if node is None:
            return
        ipam = msgspec.structs.replace(node.spec.ipam, pod_cidrs=(f"10.0.0.{4 * index}/30",))
        self.write(
            msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, ipam=ipam))
        )
        self.settle()

    @rule()
    def operator_is_replaced(self) -> None:
        self.operator = Operator.start(self)
        self.settle()

    @precondition(lambda self: len(self.ranges) < len(_RANGES))
    @rule()
    def pool_is_appended(self) -> None:
        self.ranges.append(_RANGES[len(self.ranges)])
        self.operator.allocator.define(CLUSTER_POOL, 4, 30, self.ranges)
        self.settle()

    # What always holds.

    @invariant()
    def no_address_is_double(self) -> None:
        addresses = [address for _, address in self.pods.values()]
        assert len(addresses) == len(set(addresses)), sorted(self.pods.items())

    @invariant()
    def no_living_pods_address_is_free(self) -> None:
        for pod, (name, address) in self.pods.items():
            if name in self.agents:
                assert self.agents[name].addresses.owner(address) == pod

    @invariant()
    def nobody_keeps_what_is_not_used(self) -> None:
        for agent in self.agents.values():
            for held in agent.addresses.held:
                assert not held.draining or held.in_use, f"{agent.name}: {held.cidr}"


TestIPAM = IPAMModel.TestCase
TestIPAM.settings = settings(
    max_examples=10_000 if _LONG else 25,
    stateful_step_count=100 if _LONG else 40,
    suppress_health_check=list(HealthCheck),
)
