"""The work behind `PodLinks`: what one worker thread does to the kernel. Blocking throughout.

A worker keeps a socket and a descriptor of the node's namespace. It visits a pod's namespace only
to open a socket there and to write settings, and is home again before it sends a batch.
"""

import errno
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from ciliate.net.link import Link, Neighbour, RouteKind
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.addresses import list_addresses
from ciliate.netlink.chained_link import ChainedLink, find_chained_link
from ciliate.netlink.channel import BATCH_MESSAGES_MAX, Channel
from ciliate.netlink.errors import NetlinkError, PodLinkMismatchError
from ciliate.netlink.features import require_traffic_control
from ciliate.netlink.links import (
    decode_link,
    delete_link_request,
    get_link,
    get_link_by_index,
    link_body,
    list_links,
    read_request,
    settle_request,
)
from ciliate.netlink.message import Request, number, text
from ciliate.netlink.namespace import (
    enter,
    inside,
    is_same_namespace,
    open_namespace,
    open_own_namespace,
)
from ciliate.netlink.neighbours import list_neighbours
from ciliate.netlink.numbers import (
    IFLA_GROUP,
    IFLA_IFNAME,
    NUD_PERMANENT,
    RTM_DELLINK,
    RTM_NEWLINK,
    RTM_SETLINK,
)
from ciliate.netlink.pod_check import pod_problem, side_problem
from ciliate.netlink.pod_link import HOST_PREFIX, ObservedPodLink, PodLink, PodLinkState
from ciliate.netlink.pod_requests import create_request, host_requests, pod_requests
from ciliate.netlink.pod_settings import host_settings, pod_settings
from ciliate.netlink.programs import filter_request, program_ids, qdisc_request
from ciliate.netlink.removal import Outcomes
from ciliate.netlink.routes import get_route, list_routes, replace_request
from ciliate.netlink.sysctl import has_ipv6, write_sysctl, write_sysctls

#: Links under removal are put into this group, and the group is removed as one. The number is
#: ours by its improbability ("ciad" in hexadecimal); a crash between leaves what must go anyway.
REMOVAL_GROUP: Final = 0xC1AD

#: Each link takes one message of a batch, the group's removal another.
REMOVED_MAX: Final = BATCH_MESSAGES_MAX - 1
#: Each link takes three.
REPLACED_MAX: Final = BATCH_MESSAGES_MAX // 3

#: How long a new IPv6 address may take to be of use; the work queue waits for the RTNL lock.
ADDRESS_WAIT_S: Final = 2.0
_ADDRESS_RETRY_S: Final = 0.0002


class PodWorker:
    """One thread's descriptors and the operations on pod links that need them."""

    def __init__(self, netns: str | None) -> None:
        if netns is not None:
            descriptor = open_namespace(netns)
            try:
                enter(descriptor, subject=netns)
            finally:
                os.close(descriptor)
        self._home = open_own_namespace()
        try:
            self._node = Channel()
        except NetlinkError:  # No descriptor left: the next request makes a worker anew.
            os.close(self._home)
            raise

    def close(self) -> None:
        """Give the descriptors back."""
        self._node.close()
        os.close(self._home)

    def require_traffic_control(self, program_fd: int) -> None:
        """See `features.require_traffic_control`."""
        require_traffic_control(self._home, program_fd)

    def create(self, link: PodLink) -> PodLinkState:
        """Make `link`; an earlier one of the same attachment is replaced.

        Raises:
            NetlinkError: Names the step, the object and errno. Nothing of the link is left.
        """
        netns_fd = open_namespace(link.interface.netns)
        try:
            self._refuse_wrong_namespace(link.interface, netns_fd)
            host = self._create_pair(link.interface, netns_fd)
            try:
                return self._complete(link, host, netns_fd)
            except NetlinkError:
                self._node.batch([delete_link_request(link.interface.host_name)])
                raise
        finally:
            os.close(netns_fd)

    def _refuse_wrong_namespace(self, interface: PodInterface, netns_fd: int) -> None:
        if is_same_namespace(netns_fd, self._home):
            raise NetlinkError(
                step="create pod link in",
                subject=interface.netns,
                errno=errno.EINVAL,
                detail="is the node's own network namespace, not a pod's",
            )

    def _create_pair(self, interface: PodInterface, netns_fd: int) -> Link:
        # Read behind it, in the same datagram: only since Linux 6.2 a new link is echoed when asked.
        requests = [
            create_request(interface, netns_fd=netns_fd),
            read_request(interface.host_name),
        ]
        try:
            return decode_link(self._node.ask(requests, RTM_NEWLINK))
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            self._remove_former(interface, netns_fd)
        return decode_link(self._node.ask(requests, RTM_NEWLINK))

    def _remove_former(self, interface: PodInterface, netns_fd: int) -> None:
        """Remove what has one of the link's two names; deleting one end takes the other.

        In the pod only a veth that leads to an end of ours is ours to remove: a wrong path could be
        some machine's namespace, and eth0 its way to the world; or another plugin made it.
        """
        self._node.batch([delete_link_request(interface.host_name)])
        with inside(netns_fd, home=self._home, subject=interface.netns):
            pod = Channel()
        with pod:
            former = get_link(pod, interface.pod_name)
            if former is None:
                return
            if not self._leads_here(former):
                left = get_link(pod, interface.pod_name)
                if left is None or left.index != former.index:
                    return  # A removal of ours took both ends between the two questions.
                raise NetlinkError(
                    step="create pod link",
                    subject=f"{interface.pod_name} ({interface.netns})",
                    errno=errno.EEXIST,
                    detail=f"a {former.kind or 'device'} of that name is no interface of ours",
                )
            pod.batch([delete_link_request(interface.pod_name)])

    def _leads_here(self, pod_end: Link) -> bool:
        """Whether a pod's veth leads to an end of ours on this node."""
        if pod_end.kind != "veth" or pod_end.peer_netnsid is None or pod_end.peer_index is None:
            return False
        host = get_link_by_index(self._node, pod_end.peer_index)
        return (
            host is not None
            and host.name.startswith(HOST_PREFIX)
            and host.peer_index == pod_end.index
        )

    def _complete(self, link: PodLink, host: Link, netns_fd: int) -> PodLinkState:
        assert host.peer_index is not None, "a veth has a peer"
        ipv6_known = has_ipv6()
        self._node.batch(host_requests(link, index=host.index, ipv6_known=ipv6_known))
        if ipv6_known:
            _write(host_settings(link.interface))
        with ExitStack() as opened:
            with inside(netns_fd, home=self._home, subject=link.interface.netns):
                pod = opened.enter_context(Channel())
                _settle_pod(link.interface)
            requests = pod_requests(
                link.interface, index=host.peer_index, standing=list_routes(pod)
            )
            pod.batch(requests)
            _await_addresses(pod, link.interface)
        # The host side went up before its peer: only now does it have a carrier.
        self._node.batch([settle_request(host.index, subject=link.interface.host_name)])
        return PodLinkState(host_ifindex=host.index, pod_ifindex=host.peer_index)

    def remove(self, names: Sequence[str]) -> Outcomes:
        """Remove links as one group: one grace period for all; an absent one is a success."""
        gone = frozenset({errno.ENODEV})
        requests = [
            Request(
                RTM_SETLINK,
                link_body() + text(IFLA_IFNAME, name) + number(IFLA_GROUP, REMOVAL_GROUP),
                "remove pod link",
                name,
                tolerated=gone,
            )
            for name in names
        ]
        group = link_body() + number(IFLA_GROUP, REMOVAL_GROUP)
        subject = f"group {REMOVAL_GROUP:#x}"
        requests.append(
            Request(RTM_DELLINK, group, "remove pod links of", subject, tolerated=gone)
        )
        *marked, removed = self._node.attempt(requests)
        return {name: mark or removed for name, mark in zip(names, marked, strict=True)}

    def replace_programs(
        self, indexes: Sequence[int], *, from_pod_fd: int, to_pod_fd: int
    ) -> frozenset[int]:
        """Swap the programs of links in place; return the indexes that are gone."""
        gone: set[int] = set()
        for start in range(0, len(indexes), REPLACED_MAX):
            part = indexes[start : start + REPLACED_MAX]
            requests: list[Request] = []
            for index in part:
                subject = f"link {index}"
                requests += (
                    qdisc_request(index, subject=subject),
                    filter_request(index, program_fd=from_pod_fd, from_pod=True, subject=subject),
                    filter_request(index, program_fd=to_pod_fd, from_pod=False, subject=subject),
                )
            failures = self._node.attempt(requests)
            for place, failure in enumerate(failures):
                if failure is None:
                    continue
                if failure.errno != errno.ENODEV:
                    raise failure
                gone.add(part[place // 3])
        return frozenset(gone)

    def find_chained(self, netns: str, ifname: str) -> ChainedLink:
        """Return a pod's interface that another plugin made."""
        return find_chained_link(self._node, self._home, netns=netns, ifname=ifname)

    def observe(self, chained: Collection[int]) -> tuple[ObservedPodLink, ...]:
        """Return every pod link of the node, and the veths `chained`, read from the kernel."""
        links = [
            link
            for link in list_links(self._node, kind="veth")
            if link.name.startswith(HOST_PREFIX) or link.index in chained
        ]
        if not links:
            return ()
        neighbours = _permanent(list_neighbours(self._node))
        routes = [
            route
            for route in list_routes(self._node)
            if route.destination.prefixlen == route.destination.max_prefixlen
        ]
        observed: list[ObservedPodLink] = []
        for link in links:
            routed = [r.destination.network_address for r in routes if r.link_index == link.index]
            known = neighbours.get(link.index, ())
            from_pod, to_pod = program_ids(self._node, link.index)
            assert link.mac is not None, "a veth has a MAC address"
            observed.append(
                ObservedPodLink(
                    name=link.name,
                    ifindex=link.index,
                    host_mac=link.mac,
                    pod_mac=known[0].mac if known else None,
                    mtu=link.mtu,
                    is_up=link.is_up,
                    peer_netnsid=link.peer_netnsid,
                    addresses=tuple(routed) or tuple(entry.address for entry in known),
                    from_pod_program=from_pod,
                    to_pod_program=to_pod,
                )
            )
        return tuple(observed)

    def set_route_mtu(self, interface: PodInterface) -> None:
        """Give the pod's default routes by our gateways the MTU of `interface`; others' stay.

        Raises:
            NetlinkError: The namespace is gone, or a route cannot be replaced.
        """
        netns_fd = open_namespace(interface.netns)
        try:
            with inside(netns_fd, home=self._home, subject=interface.netns):
                channel = Channel()
        finally:
            os.close(netns_fd)
        with channel:
            pod = get_link(channel, interface.pod_name)
            index = pod.index if pod is not None else 0
            ours = (
                route
                for route in list_routes(channel)
                if route.is_default
                and route.link_index == index
                and route.gateway in interface.gateways
            )
            requests = [
                replace_request(replace(route, mtu=interface.route_mtu))
                for route in ours
                if route.mtu != interface.route_mtu
            ]
            if requests:
                channel.batch(requests)

    def check(self, interface: PodInterface) -> None:
        """Compare both ends with `interface`.

        Raises:
            PodLinkMismatchError: Names what differs.
            NetlinkError: The namespace is gone.
        """
        host = get_link(self._node, interface.host_name)
        netns_fd = open_namespace(interface.netns)
        try:
            with inside(netns_fd, home=self._home, subject=interface.netns):
                pod_channel = Channel()
        finally:
            os.close(netns_fd)
        with pod_channel as channel:
            pod = get_link(channel, interface.pod_name)
            addresses = list_addresses(channel)
            routes = list_routes(channel)
        problem = (
            side_problem(host, name=interface.host_name, mac=interface.host_mac)
            or side_problem(pod, name=interface.pod_name, mac=interface.pod_mac)
            or (pod is not None and pod_problem(interface, pod.index, addresses, routes))
            or (host is not None and self._node_problem(interface, host.index))
        )
        if problem:
            raise PodLinkMismatchError(
                host_name=interface.host_name, netns=interface.netns, problem=problem
            )

    def _node_problem(self, interface: PodInterface, host_index: int) -> str:
        """Return what the node lost of an interface: programs, or the way to an address."""
        for direction, program in zip(
            ("from_pod", "to_pod"), program_ids(self._node, host_index), strict=True
        ):
            if program is None:
                return f"{direction} does not run on {interface.host_name}"
        for address in interface.addresses:
            try:
                leads_to = get_route(self._node, address).link_index
            except NetlinkError:
                leads_to = 0
            if leads_to != host_index:
                return f"the node's route to {address} does not lead to {interface.host_name}"
        return ""


def _await_addresses(pod: Channel, interface: PodInterface) -> None:
    """Return when the pod receives what is sent to its IPv6 addresses.

    Also without duplicate address detection the kernel leaves the local route of a new address to
    a work queue, mostly less than a millisecond later, and drops packets until then.
    """
    deadline = time.monotonic() + ADDRESS_WAIT_S
    for address in interface.addresses:
        if address.version == 4:
            continue
        while get_route(pod, address).kind is not RouteKind.LOCAL:
            if time.monotonic() > deadline:
                raise NetlinkError(
                    step="use address",
                    subject=f"{address} on {interface.pod_name} ({interface.netns})",
                    errno=errno.ETIMEDOUT,
                )
            time.sleep(_ADDRESS_RETRY_S)


def _settle_pod(interface: PodInterface) -> None:
    """Write the pod's settings; the calling thread is in the pod's namespace."""
    ipv6_known = has_ipv6()
    if interface.has_ipv6 and ipv6_known:
        # Some runtimes turn IPv6 off for the whole sandbox. `all` would reach interfaces of other
        # plugins, which may be without it on purpose.
        write_sysctls(
            {f"net/ipv6/conf/{name}/disable_ipv6": "0" for name in ("lo", interface.pod_name)}
        )
    _write(pod_settings(interface, ipv6_known=ipv6_known))


def _write(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        write_sysctl(name, value)


def _permanent(neighbours: Iterable[Neighbour]) -> dict[int, tuple[Neighbour, ...]]:
    grouped: dict[int, tuple[Neighbour, ...]] = {}
    for entry in neighbours:
        if entry.state & NUD_PERMANENT:
            grouped[entry.link_index] = (*grouped.get(entry.link_index, ()), entry)
    return grouped
