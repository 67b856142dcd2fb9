"""Pods and nodes as controllers' tests need them."""

from typing import Any

from ciliate.api.core import NodeSpec, PodIP, Taint
from ciliate.api.metadata import Condition, ObjectMeta, OwnerReference
from ciliate.lab.objects import Json, Node, Pod, PodMeta, PodSpec, PodStatus


def pod(
    name: str,
    node: str = "",
    *,
    ready: bool = True,
    labels: dict[str, str] | None = None,
    owner: str = "",
    ips: tuple[str, ...] = (),
    phase: str = "Running",
    deleted: bool = False,
    created: str = "2025-07-01T12:00:00Z",
    since: str = "2025-07-01T12:00:00Z",
    **spec: Any,
) -> Pod:
    status = "True" if ready else "False"
    owners = (
        (OwnerReference(api_version="v1", kind="X", name="x", uid=owner, controller=True),)
        if owner
        else ()
    )
    return Pod(
        metadata=PodMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            labels=labels or {},
            owner_references=owners,
            creation_timestamp=created,
            deletion_timestamp="2025-07-01T12:00:00Z" if deleted else None,
        ),
        spec=PodSpec(node_name=node, **spec),
        status=PodStatus(
            phase=phase,
            conditions=(Condition(type="Ready", status=status, last_transition_time=since),),
            pod_ip=ips[0] if ips else "",
            pod_ips=tuple(PodIP(ip) for ip in ips),
        ),
    )


def node(
    name: str,
    *,
    ready: bool = True,
    taints: tuple[Taint, ...] = (),
    cordoned: bool = False,
    pods_max: int = 110,
    labels: dict[str, str] | None = None,
    pod_cidrs: tuple[str, ...] = (),
) -> Node:
    status: Json = {
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "allocatable": {"pods": str(pods_max)},
    }
    return Node(
        metadata=ObjectMeta(
            name=name,
            uid=f"uid-{name}",
            labels={"kubernetes.io/hostname": name, **(labels or {})},
        ),
        spec=NodeSpec(taints=taints, unschedulable=cordoned, pod_cidrs=pod_cidrs),
        status=status,
    )
