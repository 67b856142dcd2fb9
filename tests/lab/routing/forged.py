"""VXLAN packets of a test's own making, sent as they are (raw(7), IP_HDRINCL)."""

from typing import Final

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from tests.lab.walkthrough.exchange import PYTHON
from tests.lab.walkthrough.place import Place

TUNNEL_PORT: Final = 8472

#: Where what is inside goes; nobody listens, tcpdump sees it.
INNER_PORT: Final = 9999

#: Marked as the tunnel's device marks what it sends (0x400): else its own node drops a node's.
_SEND: Final = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x400)
s.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], 0))
"""

#: One datagram from an ordinary socket.
_DATAGRAM: Final = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
socket.socket(family, socket.SOCK_DGRAM).sendto(b"x" * 60, (sys.argv[1], int(sys.argv[2])))
"""


def send_vxlan(
    place: Place, machine: str, *, outer: tuple[str, str], inner: tuple[str, str], vni: int
) -> None:
    """Send a UDP packet inside VXLAN from a machine; each pair is source and destination."""
    inside = Ether() / IP(src=inner[0], dst=inner[1]) / UDP(sport=7777, dport=INNER_PORT) / b"x"
    packet = (
        IP(src=outer[0], dst=outer[1])
        / UDP(sport=40000, dport=TUNNEL_PORT)
        / VXLAN(vni=vni, flags="Instance")
        / inside
    )
    place.inside(machine, *PYTHON, _SEND, outer[1], bytes(packet).hex())


def send_datagram(place: Place, source: str, address: str, port: int = TUNNEL_PORT) -> None:
    """Send one datagram that asks for no answer."""
    place.inside(source, *PYTHON, _DATAGRAM, address, str(port))
