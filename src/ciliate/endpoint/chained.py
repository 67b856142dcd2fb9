"""Pods behind another plugin (`generic-veth`): its interface and addresses, our datapath.

The plugin before ours made the veth pair, gave the address and routes it. We find the pair, put
our programs on the node's end and enter the endpoint. Our DEL, which comes first, removes the
endpoint from the maps; the interface goes with that plugin's DEL.
"""

from dataclasses import dataclass, replace

from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.plugin_result import addresses_of
from ciliate.cni.request import Add
from ciliate.datapath.programs import Programs
from ciliate.net.address import IPAddress
from ciliate.netlink.chained_link import ChainedLink
from ciliate.netlink.errors import NoChainedLinkError, PodLinkMismatchError
from ciliate.netlink.pod import PodLinks
from ciliate.node.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class ChainedPod:
    """What the plugin before ours made for a pod; addresses IPv6 first."""

    link: ChainedLink
    addresses: tuple[IPAddress, ...]
    gateways: tuple[IPAddress, ...]

    def complete(self, draft: Endpoint) -> Endpoint:
        """Return the endpoint with the other plugin's interface and addresses."""
        interface = replace(
            draft.interface,
            host_name=self.link.host_name,
            host_mac=self.link.gateway_mac,
            pod_mac=self.link.pod_mac,
            mtu=self.link.mtu,
            route_mtu=self.link.mtu,
            addresses=self.addresses,
            gateways=self.gateways,
        )
        return replace(
            draft,
            interface=interface,
            ifindex=self.link.host_ifindex,
            external_ipam=True,
            chained=True,
        )


class ChainedPods:
    """Finds, attaches to and checks interfaces of other plugins."""

    def __init__(self, links: PodLinks, programs: Programs, versions: tuple[int, ...]) -> None:
        """Take addresses of the IP `versions` in use."""
        self._links = links
        self._programs = programs
        self._versions = versions

    async def find(self, request: Add) -> ChainedPod:
        """Return the interface and the addresses that the other plugin made for the request.

        Raises:
            CniError: The result before ours has no address of a family in use, or there is no
                veth pair between the pod and this node.
            NetlinkError: The pod's namespace is gone.
        """
        assert request.prev_result is not None, "the caller has checked"
        found = addresses_of(
            request.prev_result.document, versions=self._versions, source="prevResult"
        )
        if not found.addresses:
            families = " or ".join(f"IPv{version}" for version in self._versions)
            raise CniError(
                CniCode.INVALID_CONFIG,
                "unable to determine IP address of the container",
                f"prevResult holds no {families} address",
            )
        try:
            link = await self._links.find_chained(request.netns, request.attachment.ifname)
        except NoChainedLinkError as error:
            raise CniError(CniCode.INVALID_CONFIG, error.problem, error.subject) from error
        return ChainedPod(link, found.addresses, found.gateways)

    async def attach(self, endpoint: Endpoint) -> None:
        """Run our programs on the node's end, in place of earlier ones of ours.

        Raises:
            NetlinkError: The kernel refused.
            PodLinkMismatchError: The interface is gone.
        """
        gone = await self._links.replace_programs(
            [endpoint.ifindex],
            from_pod_fd=self._programs.from_pod_fd,
            to_pod_fd=self._programs.to_pod_fd,
        )
        if gone:
            raise _mismatch(endpoint, f"{endpoint.interface.host_name} is missing")

    async def check(self, endpoint: Endpoint) -> None:
        """Verify that the interface is the endpoint's and runs our programs (CNI CHECK).

        Addresses and routes are the other plugin's to check.

        Raises:
            PodLinkMismatchError: Names what differs.
        """
        links = await self._links.observe(chained=(endpoint.ifindex,))
        found = next((link for link in links if link.ifindex == endpoint.ifindex), None)
        if found is None or found.name != endpoint.interface.host_name:
            raise _mismatch(endpoint, f"{endpoint.interface.host_name} is missing")
        for program, direction in (
            (found.from_pod_program, "from_pod"),
            (found.to_pod_program, "to_pod"),
        ):
            if program is None:
                raise _mismatch(
                    endpoint, f"{direction} does not run on {endpoint.interface.host_name}"
                )


def _mismatch(endpoint: Endpoint, problem: str) -> PodLinkMismatchError:
    return PodLinkMismatchError(
        host_name=endpoint.interface.host_name, netns=endpoint.interface.netns, problem=problem
    )
