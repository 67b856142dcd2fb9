"""A pod's interface as its endpoint says that it should be."""

from ciliate.netlink.pod_link import PodLink
from ciliate.node.endpoint import Endpoint


def expected_link(endpoint: Endpoint, *, from_pod_fd: int = -1, to_pod_fd: int = -1) -> PodLink:
    """Return what to make or to compare with; without programs it only serves to compare."""
    return PodLink(
        host_name=endpoint.host_name,
        host_mac=endpoint.host_mac,
        pod_name=endpoint.ifname,
        pod_mac=endpoint.pod_mac,
        netns=endpoint.netns,
        mtu=endpoint.mtu,
        route_mtu=endpoint.route_mtu,
        addresses=endpoint.addresses,
        gateways=endpoint.gateways,
        from_pod_fd=from_pod_fd,
        to_pod_fd=to_pod_fd,
        ipv6=any(address.version == 6 for address in endpoint.addresses),
        route=True,
    )
