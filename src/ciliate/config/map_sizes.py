"""How many connections a node tracks: by what the settings say, or by a share of its memory. Pure.

Cilium sizes its maps of connections and translations by `bpf-map-dynamic-size-ratio`, unless a
setting names a size. Here one table (`connections`, `conntrack`) does what those maps do, so one
number comes out.
"""

from typing import Final

from ciliate.config import values
from ciliate.config.datapath_defaults import MAP_ENTRIES
from ciliate.errors import SettingError

#: However little memory there is, and however much: as many as Cilium's map of translations has at
#: least, at two entries each, and what the kernel's maps hold.
CONNECTIONS_MIN: Final = MAP_ENTRIES["connections"]
CONNECTIONS_MAX: Final = 1 << 24

#: What one connection takes: its element of `connections`, 128 octets; its two of `conntrack`, of 48
#: octets each and as many of the kernel's own; up to four heads of lists, of 16, since a hash has a
#: power of two of them.
CONNECTION_BYTES: Final = 128 + 2 * (48 + 48) + 4 * 16


def read_share(text: str) -> float:
    """Return the share of the memory that `bpf-map-dynamic-size-ratio` names.

    Raises:
        SettingError: It is no share.
    """
    share = values.read_float(text)
    if not 0 <= share <= 1:  # Nor is "nan".
        raise SettingError(
            key="bpf-map-dynamic-size-ratio",
            value=text,
            problem="is no share of the memory",
            remedy='choose between 0 and 1, such as "0.0025"',
        )
    return share


def connections_by_memory(share: float, memory_bytes: int) -> int:
    """Return how many connections a share of the memory has room for, within bounds."""
    by_memory = int(share * memory_bytes) // CONNECTION_BYTES
    return min(max(by_memory, CONNECTIONS_MIN), CONNECTIONS_MAX)


def connections_max(*, nat_entries: int, tracked: int, by_memory: int) -> int:
    """Return the size of the table; a number of 0 is not set, and memory decides for it.

    A translated connection had two entries in Cilium's map, and one in that of connections.
    """
    return max(nat_entries // 2 or by_memory, tracked or by_memory)
