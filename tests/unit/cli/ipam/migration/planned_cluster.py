"""Clusters as a migration finds them, for its plans: values alone."""

from ipaddress import ip_network

from ciliate.api.cilium_node import (
    DRAINING_ANNOTATION,
    AllocatedPool,
    CiliumNode,
    CiliumNodeSpec,
    IPAMPools,
    NodeIPAM,
)
from ciliate.api.core import Node, NodeAddress, NodeSpec, NodeStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs
from ciliate.cli.ipam.migration.model import ClusterState, MigratingAgent, MigrationPlan, NodeState
from ciliate.cli.ipam.migration.plan import plan_migration

CONFIG = {
    "ipam": "kubernetes",
    "routing-mode": "native",
    "enable-ipv4": "true",
    "enable-ipv6": "false",
    "ipv4-native-routing-cidr": "10.0.0.0/8",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
}
DUAL = {"enable-ipv6": "true", "ipv6-native-routing-cidr": "fd00::/16"}
POOL = {"cluster-pool-ipv4-cidr": "10.20.0.0/16"}
AUTO = {"auto-create-cilium-pod-ip-pools": "default=ipv4-cidrs:10.50.0.0/16;ipv4-mask-size:26"}


def node(
    number: int,
    *pod_cidrs: str,
    kubernetes: tuple[str, ...] | None = None,
    allocated: tuple[str, ...] = (),
    draining: str = "",
    pods: dict[str, tuple[str, ...]] | None = None,
    ready: bool = True,
    annotations: dict[str, str] | None = None,
) -> NodeState:
    name = f"n{number}"
    pools = IPAMPools(allocated=(AllocatedPool("default", allocated),) if allocated else ())
    return NodeState(
        name=name,
        node=Node(
            metadata=ObjectMeta(name=name, annotations=annotations or {}),
            spec=NodeSpec(pod_cidrs=pod_cidrs if kubernetes is None else kubernetes),
            status=NodeStatus(addresses=(NodeAddress("InternalIP", f"192.168.10.{number}"),)),
        ),
        cilium_node=CiliumNode(
            metadata=ObjectMeta(
                name=name, annotations={DRAINING_ANNOTATION: draining} if draining else {}
            ),
            spec=CiliumNodeSpec(ipam=NodeIPAM(pod_cidrs=pod_cidrs, pools=pools)),
        ),
        agent=MigratingAgent(
            f"cilium-{number}", f"uid-{number}", ready, "" if ready else "CrashLoop"
        ),
        endpoints=pods or {},
    )


def state(
    *nodes: NodeState, pools: tuple[CiliumPodIPPool, ...] = (), **config: str
) -> ClusterState:
    return ClusterState(
        {**CONFIG, **{key.replace("_", "-"): value for key, value in config.items()}},
        nodes,
        {pool.metadata.name: pool for pool in pools},
        (ip_network("10.96.0.0/16"),),
    )


def plan(cluster: ClusterState, target: str, **changes: str) -> MigrationPlan:
    words = {key.replace("_", "-"): value for key, value in changes.items()}
    return plan_migration(cluster, target, {**words, "ipam": target})


def pool(name: str, *cidrs: str, mask_size: int = 26) -> CiliumPodIPPool:
    spec = PodIPPoolSpec(ipv4=PoolCIDRs(cidrs=cidrs, mask_size=mask_size))
    return CiliumPodIPPool(ObjectMeta(name=name), spec)


def refusals(found: MigrationPlan) -> list[str]:
    return [str(problem) for problem in found.refused]
