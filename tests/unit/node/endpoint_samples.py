"""Endpoints of this node for tests: number n is pod-n with 10.244.0.n behind lxcn."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import Mac
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.pod_link import ObservedPodLink
from ciliate.node.endpoint import Endpoint

MAC = Mac("ee:0a:00:00:00:01")


_INTERFACE_FIELDS = frozenset(field.name for field in fields(PodInterface))


def endpoint(number: int, *, ifindex: int = 12, **changes: Any) -> Endpoint:
    """Return a ready endpoint with `changes` applied, those of its interface among them."""
    interface = PodInterface(
        host_name=f"lxc{number}",
        host_mac=MAC,
        pod_name="eth0",
        pod_mac=MAC,
        netns="/run/netns/x",
        mtu=1500,
        route_mtu=1500,
        addresses=(ip_address(f"10.244.0.{number}"),),
        gateways=(ip_address("10.244.0.93"),),
    )
    of_interface = {name: changes.pop(name) for name in _INTERFACE_FIELDS & changes.keys()}
    made = Endpoint(
        id=number,
        container_id=f"c{number}",
        namespace="default",
        pod=f"pod-{number}",
        pod_uid="",
        interface=replace(interface, **of_interface),
        ifindex=ifindex,
        created=datetime(2026, 11, 21, tzinfo=UTC),
        state=EndpointState.READY,
    )
    return replace(made, **changes)


def link(name: str, ifindex: int) -> ObservedPodLink:
    """Return the host side of a pod's interface."""
    return ObservedPodLink(
        name=name,
        ifindex=ifindex,
        host_mac=MAC,
        pod_mac=MAC,
        mtu=1500,
        is_up=True,
        peer_netnsid=1,
        addresses=(),
        from_pod_program=None,
        to_pod_program=None,
    )
