"""Values of a migration: the cluster's state, the plan, the record. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from msgspec import Struct

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.config.installation import Installation
from ciliate.net.address import IPNetwork

#: Modes that a cluster may be moved between; in other modes another plugin gives addresses.
MODES: Final = ("kubernetes", "cluster-pool", "multi-pool")

#: What stands for the UID of an agent or operator that has no pod begins so.
PROCESS: Final = "process:"

#: A pod, as NAMESPACE/NAME, and its addresses.
Endpoints = Mapping[str, tuple[str, ...]]


class MigrationPhase(Enum):
    """How far a migration is."""

    SETTINGS = "settings"  # The ConfigMap is being written.
    OPERATOR = "operator"
    NODES = "nodes"
    DONE = "done"


class Record(Struct, frozen=True, kw_only=True):
    """The record of the migration under way, or of the last one.

    `former` are the texts of the keys it changed, None for one that was not set. `agents` are the
    UIDs of the agents' pods that may have read only the former settings, by node: a node with
    another one has restarted its agent. Of an agent or operator without a pod it is what tells its
    runs apart, behind PROCESS. Everything else is read from the cluster.
    """

    source: str
    target: str
    changes: dict[str, str | None]
    former: dict[str, str | None]
    phase: str = MigrationPhase.SETTINGS.value
    agents: dict[str, str] = {}
    operators: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()  # In the order in which they are, or were, taken.
    taking_back: bool = False
    failure: str = ""

    @property
    def is_under_way(self) -> bool:
        """Whether it was begun and has not ended."""
        return self.phase != MigrationPhase.DONE.value


@dataclass(frozen=True, slots=True)
class MigratingAgent:
    """The agent on a node, by its pod; `trouble` is the kubelet's reason why it is not ready.

    Without a pod it is a process that nobody but the node's administrator restarts.
    """

    pod: str
    uid: str
    ready: bool
    trouble: str = ""

    @property
    def is_process(self) -> bool:
        """Whether it has no pod."""
        return not self.pod


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node as it is now."""

    name: str
    node: Node
    cilium_node: CiliumNode | None
    agent: MigratingAgent | None
    endpoints: Endpoints  # By the CiliumEndpoints of pods that exist.

    @property
    def cidrs(self) -> tuple[str, ...]:
        """The CIDRs that new addresses come out of."""
        return self.cilium_node.current_cidrs if self.cilium_node is not None else ()


@dataclass(frozen=True, slots=True)
class ClusterState:
    """The cluster as it is now."""

    config: Mapping[str, str]
    nodes: tuple[NodeState, ...]
    pools: Mapping[str, CiliumPodIPPool] = field(default_factory=dict)
    service_cidrs: tuple[IPNetwork, ...] = ()
    installation: Installation = field(default_factory=Installation)

    @property
    def mode(self) -> str:
        """The IPAM mode that the ConfigMap says."""
        return self.config.get("ipam") or "cluster-pool"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key of `cilium-config`; None is not set."""

    key: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class NodeStep:
    """What happens on one node."""

    node: str
    before: tuple[str, ...]  # The CIDRs it gives addresses out of.
    after: str  # Where its CIDRs will come from.
    empties: tuple[str, ...]  # CIDRs of its CiliumNode that must go for that.
    drains: tuple[str, ...]  # CIDRs that are left with pods in them.
    keeps: Endpoints  # Pods in these: they keep their addresses.


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that would stop the migration, or, when not `fatal`, that may surprise."""

    about: str
    text: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.about}: {self.text}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What a migration would do, in order: the keys, the operator, then each node."""

    source: str
    target: str
    keys: tuple[KeyChange, ...]
    steps: tuple[NodeStep, ...]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> tuple[Problem, ...]:
        """The problems for which it must not begin."""
        return tuple(problem for problem in self.problems if problem.fatal)
