"""Which programs a device of the node runs: by its role, what it receives and what it sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ciliate.datapath import libbpf


class Direction(Enum):
    """Which packets of a device a program sees: what it receives, or what it sends."""

    INGRESS = "ingress"
    EGRESS = "egress"


class DeviceRole(Enum):
    """What a device is to the node."""

    UPLINK = "uplink"  #: Leads out of the node.
    BARE_UPLINK = "bare uplink"  #: One whose packets begin with the IP header.
    TUNNEL = "tunnel"  #: Carries pods' packets to other nodes inside of others.
    ROUTER = "router"  #: Leads from the node's stack to pods of other nodes.


FROM_UPLINK: Final = "from_uplink"
TO_UPLINK: Final = "to_uplink"
FROM_TUNNEL: Final = "from_tunnel"
FROM_HOST: Final = "from_host"

#: The way in first: an answer must not meet a device that masquerades one way only.
DIRECTIONS: Final = {
    FROM_UPLINK: Direction.INGRESS,
    FROM_TUNNEL: Direction.INGRESS,
    TO_UPLINK: Direction.EGRESS,
    FROM_HOST: Direction.EGRESS,
}


@dataclass(frozen=True, slots=True)
class DevicePrograms:
    """Descriptors of the programs for devices of a role, by name."""

    role: DeviceRole
    fds: Mapping[str, int]

    @property
    def ids(self) -> dict[Direction, int]:
        """The kernel's numbers of the programs."""
        return {DIRECTIONS[name]: libbpf.program_info(fd).id for name, fd in self.fds.items()}
