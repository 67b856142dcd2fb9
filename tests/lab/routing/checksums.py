"""Checksums filled in before a packet leaves a machine: on veth nobody else ever does it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.lab.walkthrough.exchange import PYTHON
from tests.lab.walkthrough.place import Place

#: ethtool's "tx on|off" (SIOCETHTOOL, ETHTOOL_STXCSUM), without ethtool.
_SWITCH: Final = """
import ctypes, fcntl, socket, struct, sys
value = ctypes.create_string_buffer(struct.pack("II", 0x17, int(sys.argv[2])))
request = struct.pack("16sP", sys.argv[1].encode(), ctypes.addressof(value))
fcntl.ioctl(socket.socket(), 0x8946, request)
"""


@contextmanager
def checksums_filled_in(place: Place, *machines: str, device: str = "eth1") -> Iterator[None]:
    """Machines whose device offloads no checksums, for as long as this lasts."""
    for machine in machines:
        place.inside(machine, *PYTHON, _SWITCH, device, "0")
    try:
        yield
    finally:
        for machine in machines:
            place.inside(machine, *PYTHON, _SWITCH, device, "1")
