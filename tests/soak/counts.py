"""What the node counted: which packets its kernel had no room for, and which its datapath refused.

The two are told apart where they happen. A veth hands a frame to a queue of the receiving processor
(`net.core.netdev_max_backlog`, 1,000 frames); where that is full the kernel drops it before any
program has seen it, and counts it in the second column of /proc/net/softnet_stat, for the whole
machine. What the datapath refuses a pod, and which of a pod's connections it ends to make room, it
counts by owner (`connection_owners`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ciliate.datapath.bpf_map import open_pinned
from ciliate.lab.namespaces import in_namespaces
from ciliate.masquerade.maps import CONNECTION_OWNERS

_BPF_ROOT: Final = Path("/sys/fs/bpf")


def backlog_drops() -> int:
    """Return how many frames found the queue of their processor full, since the machine began."""
    lines = Path("/proc/net/softnet_stat").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


@dataclass(frozen=True, slots=True)
class Owner:
    """What one owner has of a node's table of connections."""

    held: int
    evicted: int
    refused: int


def owners(node: Path) -> dict[int, Owner]:
    """Return the owners of a node's connections, by number; `node` is its folder of pins."""

    def read() -> dict[int, Owner]:
        with open_pinned(_BPF_ROOT, CONNECTION_OWNERS) as opened:
            return {
                number: Owner(each.held, each.evicted, each.refused)
                for number, each in opened.items()
                if each.held or each.evicted or each.refused
            }

    return in_namespaces(node, read, ["mnt"])
