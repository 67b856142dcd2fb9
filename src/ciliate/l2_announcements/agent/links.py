"""What is said on the links unasked, and the groups at which IPv6 addresses are asked for."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Final

from ciliate.l2_announcements.frames import solicited_group, unasked
from ciliate.net.address import IPAddress

_log = logging.getLogger(__name__)

#: An address and the index of a device.
Target = tuple[IPAddress, int]

#: How often an address is announced unasked, and the pause in between: a frame may be lost.
_TIMES: Final = 3
_PAUSE_S: Final = 1.0
#: Frames without a pause.
_BURST: Final = 64
_BURST_PAUSE_S: Final = 0.01


class Links:
    """Speaks out of devices, whose names `name_of` knows by index."""

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self._name_of = name_of
        self._groups: dict[Target, socket.socket] = {}

    async def speak(
        self, targets: Mapping[Target, bytes], holds: Callable[[Target], bool]
    ) -> None:
        """Announce addresses with their MACs, each while it is still held."""
        for turn in range(_TIMES):
            if turn:
                await asyncio.sleep(_PAUSE_S)
            for sent, (target, mac) in enumerate(targets.items()):
                if holds(target):
                    self._send(target[1], unasked(target[0], mac))
                if sent % _BURST == _BURST - 1:
                    await asyncio.sleep(_BURST_PAUSE_S)

    def _send(self, index: int, frame: bytes) -> None:
        name = self._name_of(index)
        if not name:
            return
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as opened:
                opened.bind((name, 0))
                opened.send(frame)
        except OSError as error:
            _log.warning("layer 2 announcement out of %s: %s", name, error.strerror)

    def listen(self, targets: Mapping[Target, bytes]) -> None:
        """Have devices take questions for exactly these addresses.

        A network card passes on only groups that somebody joined; switches learn of it, too.
        """
        wanted = {(solicited_group(a), i) for a, i in targets if a.version == 6}
        for gone in self._groups.keys() - wanted:
            self._groups.pop(gone).close()
        for target in wanted - self._groups.keys():
            opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            request = target[0].packed + struct.pack("=I", target[1])
            try:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
            except OSError as error:
                opened.close()
                name = self._name_of(target[1])
                _log.warning("group %s at %s: %s", target[0], name, error.strerror)
            else:
                self._groups[target] = opened

    def close(self) -> None:
        """Leave all groups."""
        for opened in self._groups.values():
            with contextlib.suppress(OSError):
                opened.close()
        self._groups.clear()
