"""Policies, Services and a node, for the tests of layer 2 announcements."""

from typing import Any

from ciliate.api.l2_announcement_policy import (
    CiliumL2AnnouncementPolicy,
    L2AnnouncementPolicySpec,
)
from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.l2_announcements.plan import Device, Node
from ciliate.net.address import ip_address
from ciliate.node.announced_services import KnownService

ETH0, ETH1 = Device(2, "eth0", bytes(6)), Device(3, "eth1", bytes(6))
LB4, LB6, EXTERNAL = map(ip_address, ("192.0.2.1", "2001:db8::1", "203.0.113.7"))


def policy(name: str = "lan", **spec: Any) -> CiliumL2AnnouncementPolicy:
    wanted: dict[str, Any] = {"load_balancer_ips": True, **spec}
    return CiliumL2AnnouncementPolicy(ObjectMeta(name=name), L2AnnouncementPolicySpec(**wanted))


def service(name: str = "web", **fields: Any) -> KnownService:
    wanted: dict[str, Any] = {
        "load_balancer_ips": (LB4,),
        "external_ips": (EXTERNAL,),
        **fields,
    }
    return KnownService(namespace="default", name=name, **wanted)


def node(**fields: Any) -> Node:
    wanted: dict[str, Any] = {"labels": {"rack": "a"}, "devices": (ETH0, ETH1), **fields}
    return Node(**wanted)


def labelled(**labels: str) -> LabelSelector:
    return LabelSelector(match_labels=labels)
