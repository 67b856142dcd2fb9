"""What a pod's interface is: a veth pair, `lxc...` on the node and `eth0` in the pod.

Values only; `pod.py` makes, checks and removes the real thing.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from ciliate.net.address import IPAddress, Mac, mac_from_octets
from ciliate.net.pod_interface import PodInterface

#: Every host side's name begins so; Cilium's users know it.
HOST_PREFIX: Final = "lxc"


@dataclass(frozen=True, slots=True)
class PodLink:
    """A pod's interface to be made, with the programs that it runs.

    The descriptors are of loaded SCHED_CLS programs, open for the call only. `route` asks for a
    route per address on the node (enable-endpoint-routes).
    """

    interface: PodInterface
    from_pod_fd: int
    to_pod_fd: int
    route: bool = True


@dataclass(frozen=True, slots=True)
class PodLinkState:
    """What the kernel chose for a link just made; each index counts in its own namespace."""

    host_ifindex: int
    pod_ifindex: int


@dataclass(frozen=True, slots=True)
class ObservedPodLink:
    """The host side of a pod's interface as the kernel has it.

    `addresses` are those of /32 and /128 routes on it, or, without endpoint routes, of its
    permanent neighbours. The programs are the kernel's ids; None: that direction has none.
    """

    name: str
    ifindex: int
    host_mac: Mac
    pod_mac: Mac | None
    mtu: int
    is_up: bool
    peer_netnsid: int | None
    addresses: tuple[IPAddress, ...]
    from_pod_program: int | None
    to_pod_program: int | None


def host_name(container_id: str, ifname: str) -> str:
    """Return the host side's name: the same for the same attachment, so a repeated ADD finds it.

    Twelve hexadecimal digits fill the 15 characters a name may have; two of 10,000 attachments
    of one node share a name with a chance of 2 in 10 million.
    """
    digest = hashlib.sha256(f"{container_id}:{ifname}".encode()).hexdigest()
    return HOST_PREFIX + digest[:12]


def new_mac() -> Mac:
    """Return a random, locally administered unicast MAC address (IEEE 802, bits 0 and 1)."""
    octets = bytearray(secrets.token_bytes(6))
    octets[0] = (octets[0] & 0xFC) | 0x02
    return mac_from_octets(bytes(octets))
