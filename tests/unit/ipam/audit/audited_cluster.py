"""A cluster whose nodes, pods and pools agree, and what its audit finds when they do not."""

from datetime import UTC, datetime
from typing import Any

from ciliate.api import cilium_node as cn
from ciliate.api.agent_ipam import HeldCIDRModel
from ciliate.api.cilium_endpoint import (
    AddressPair,
    CiliumEndpoint,
    EndpointNetworking,
    EndpointStatus,
)
from ciliate.api.core import Node, NodeSpec, Pod, PodIP, PodSpec, PodStatus
from ciliate.api.ipam_audit import CheckReport, Finding
from ciliate.api.metadata import ObjectMeta
from ciliate.ipam.audit.cluster import audit_cluster
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot, PoolRange, ServiceRange
from ciliate.ipam.cidr_set import Cidr

IPS = {"a": "192.168.0.1", "b": "192.168.0.2"}


def meta(name: str, **more: Any) -> ObjectMeta:
    return ObjectMeta(name=name, **more)


def cilium_node(
    name: str,
    *cidrs: str,
    draining: str = "",
    error: str = "",
    pools: dict[str, tuple[str, ...]] | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> cn.CiliumNode:
    annotations = {cn.DRAINING_ANNOTATION: draining} if draining else {}
    allocated = tuple(cn.AllocatedPool(pool, of) for pool, of in (pools or {}).items())
    return cn.CiliumNode(
        metadata=meta(name, annotations=annotations, creation_timestamp=created),
        spec=cn.CiliumNodeSpec(
            addresses=(cn.CiliumNodeAddress("InternalIP", IPS.get(name, "192.168.0.9")),),
            ipam=cn.NodeIPAM(pod_cidrs=cidrs, pools=cn.IPAMPools(allocated=allocated)),
        ),
        status=cn.CiliumNodeStatus(
            ipam=cn.NodeIPAMStatus(operator_status=cn.OperatorStatus(error))
        ),
    )


def node(name: str, *cidrs: str, annotations: dict[str, str] | None = None) -> Node:
    return Node(metadata=meta(name, annotations=annotations or {}), spec=NodeSpec(pod_cidrs=cidrs))


def pod(name: str, on: str, *ips: str, phase: str = "Running", host: bool = False) -> Pod:
    return Pod(
        metadata=meta(name, namespace="default"),
        spec=PodSpec(node_name=on, host_network=host),
        status=PodStatus(phase=phase, pod_ips=tuple(map(PodIP, ips))),
    )


def endpoint(name: str, on: str, ip: str) -> CiliumEndpoint:
    networking = EndpointNetworking((AddressPair(ipv4=ip),), IPS.get(on, on))
    return CiliumEndpoint(
        metadata=meta(name, namespace="default"), status=EndpointStatus(networking=networking)
    )


def report(name: str, **cidrs: Any) -> CheckReport:
    return CheckReport(
        node=name,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        cidrs=tuple(
            HeldCIDRModel(
                cidr=cidr.replace("_", "."),
                pool="default",
                family="ipv4",
                state=state,
                used=used,
                in_use=used,
                usable=254,
            )
            for cidr, (state, used) in cidrs["held"].items()
        ),
    )


GOOD: dict[str, Any] = {
    "mode": "cluster-pool",
    "nodes": (node("a"), node("b")),
    "cilium_nodes": (cilium_node("a", "10.0.0.0/24"), cilium_node("b", "10.0.1.0/24")),
    "pods": (
        pod("p", "a", "10.0.0.5"),
        pod("q", "b", "10.0.1.5"),
        pod("agent", "a", IPS["a"], host=True),
        pod("job", "b", "10.0.1.5", phase="Succeeded"),  # Its address went on to q.
    ),
    "endpoints": (endpoint("p", "a", "10.0.0.5"), endpoint("q", "b", "10.0.1.5")),
    "ranges": (PoolRange("cluster-pool", Cidr.parse("10.0.0.0/16")),),
    "services": (ServiceRange("ServiceCIDR kubernetes", Cidr.parse("10.96.0.0/16")),),
}

NOBODY: dict[str, Any] = {"pods": (), "endpoints": ()}


def audit(**changes: Any) -> list[Finding]:
    return list(audit_cluster(ClusterSnapshot(**(GOOD | changes))))


def kinds(**changes: Any) -> list[str]:
    return [finding.kind for finding in audit(**changes)]


def with_node(*, other: cn.CiliumNode) -> tuple[cn.CiliumNode, ...]:
    return (GOOD["cilium_nodes"][0], other)
