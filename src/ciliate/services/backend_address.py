"""Where a backend of Services is reached, and which ones a socket was sent to. Pure."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ciliate.datapath.layout import SocketPeerBound, SocketPeers
from ciliate.net.address import IPAddress, from_octets, socket_text

_PEERS_MAX: Final = SocketPeerBound.SOCKET_PEERS_MAX
_PORTS: Final = struct.Struct(f"!{_PEERS_MAX}H")
_PROTOCOLS: Final = {6: "TCP", 17: "UDP"}


class BackendAddress(NamedTuple):
    """An address, a port and a protocol number."""

    address: IPAddress
    port: int
    protocol: int

    def __str__(self) -> str:
        protocol = _PROTOCOLS.get(self.protocol, str(self.protocol))
        return f"{socket_text(str(self.address), self.port)}/{protocol}"


def sent_to(note: bytes) -> Iterator[tuple[IPAddress, int]]:
    """Yield address and port of each backend that a socket was sent to instead of a Service.

    `note` is the value of `socket_peers`.
    """
    peers = SocketPeers.unpack(note)
    for place, port in enumerate(_PORTS.unpack(peers.backend_port)):
        if port:
            yield from_octets(peers.backend[place * 16 : place * 16 + 16]), port
