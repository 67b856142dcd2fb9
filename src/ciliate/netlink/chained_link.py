"""A pod's interface that another plugin made (`generic-veth`): found from the pod's side.

    pod eth0 ── veth1a2b (node; perhaps a port of a bridge)

It is that plugin's to name, to route and to remove; ours attaches programs to the node's end.
"""

import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ciliate.net.address import Mac
from ciliate.net.link import Link
from ciliate.netlink.channel import Channel
from ciliate.netlink.errors import NetlinkError, NoChainedLinkError
from ciliate.netlink.links import get_link_by_index, list_links
from ciliate.netlink.message import Request, attributes, number
from ciliate.netlink.namespace import inside, is_same_namespace, open_namespace
from ciliate.netlink.numbers import NETNSA_FD, NETNSA_NSID, RTM_GETNSID, RTM_NEWNSID

_RTGENMSG: Final = bytes(4)  # family, padded
_SIGNED: Final = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class ChainedLink:
    """Both ends as the kernel has them.

    `gateway_mac` is the MAC of the pod's gateway: of the bridge that the node's end is a port of,
    or else of that end itself.
    """

    host_name: str
    host_ifindex: int
    gateway_mac: Mac
    pod_name: str
    pod_mac: Mac
    mtu: int


def find_chained_link(node: Channel, home: int, *, netns: str, ifname: str) -> ChainedLink:
    """Return the veth `ifname` of the namespace at `netns`, or its first one. Blocking.

    Raises:
        NoChainedLinkError: There is none, or its other end is not on this node.
        NetlinkError: The namespace is gone.
    """
    netns_fd = open_namespace(netns)
    try:
        if is_same_namespace(netns_fd, home):
            raise NetlinkError(
                step="look for the pod's link in",
                subject=netns,
                errno=errno.ENOENT,
                detail="is the node's own network namespace, not a pod's",
            )
        with inside(netns_fd, home=home, subject=netns):
            pod = Channel()
        with pod:
            links = list_links(pod)
            node_id = _namespace_id(pod, home)  # Assigned, at the latest, by reading the links.
    finally:
        os.close(netns_fd)
    inner = _pods_end(links, ifname)
    if inner is None:
        raise NoChainedLinkError("no link found inside container", netns)
    host = _node_end(node, inner, node_id)
    if host is None:
        raise NoChainedLinkError(
            "unable to determine name of veth pair on the host side", f"{inner.name} of {netns}"
        )
    bridge = get_link_by_index(node, host.master_index) if host.master_index else None
    gateway_mac = (bridge.mac if bridge else None) or host.mac
    assert gateway_mac is not None, "a veth has a MAC address"
    assert inner.mac is not None, "a veth has a MAC address"
    return ChainedLink(
        host_name=host.name,
        host_ifindex=host.index,
        gateway_mac=gateway_mac,
        pod_name=inner.name,
        pod_mac=inner.mac,
        mtu=inner.mtu,
    )


def _pods_end(links: Sequence[Link], ifname: str) -> Link | None:
    """Return the interface of that name if it is a veth; where none has the name, the first veth.

    An interface of the name that is no veth (macvlan, ipvlan) has no end on the node. The first
    veth is another attachment's then: that of the pod's own network.
    """
    named = next((link for link in links if link.name == ifname), None)
    if named is not None:
        return named if named.kind == "veth" else None
    return next((link for link in links if link.kind == "veth"), None)


def _node_end(node: Channel, inner: Link, node_id: int) -> Link | None:
    """Return the node's end: the pod's end names it as its peer, and it names the pod's.

    `node_id` is the node's namespace id in the pod's: a peer of the same ifindex may be in a third
    namespace, and ours another pod's.
    """
    if inner.peer_index is None or inner.peer_netnsid != node_id:
        return None
    host = get_link_by_index(node, inner.peer_index)
    if host is None or host.kind != "veth" or host.peer_index != inner.index:
        return None
    return host


def _namespace_id(channel: Channel, namespace: int) -> int:
    """Return the id, in the channel's namespace, of the namespace behind a descriptor; or -1."""
    body = _RTGENMSG + number(NETNSA_FD, namespace)
    request = Request(RTM_GETNSID, body, "read namespace id of", "the node")
    answer = channel.ask([request], RTM_NEWNSID)
    found: int = _SIGNED.unpack(attributes(answer.body, len(_RTGENMSG))[NETNSA_NSID])[0]
    return found
