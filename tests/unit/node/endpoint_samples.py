"""Endpoints of this node for tests: number n is pod-n with 10.244.0.n behind lxcn."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.net.address import Mac
from ciliate.netlink.pod_link import ObservedPodLink
from ciliate.node.endpoint import Endpoint

MAC = Mac("ee:0a:00:00:00:01")


def endpoint(number: int, *, ifindex: int = 12, **changes: Any) -> Endpoint:
    """Return a ready endpoint with `changes` applied."""
    made = Endpoint(
        id=number,
        container_id=f"c{number}",
        ifname="eth0",
        netns="/run/netns/x",
        namespace="default",
        pod=f"pod-{number}",
        pod_uid="",
        addresses=(ip_address(f"10.244.0.{number}"),),
        gateways=(ip_address("10.244.0.93"),),
        host_name=f"lxc{number}",
        host_mac=MAC,
        pod_mac=MAC,
        ifindex=ifindex,
        mtu=1500,
        route_mtu=1500,
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
