"""What arrives at pods that is not theirs: each pod's device is listened to, by a filter for ours.

A socket hears of a connection only what its kernel takes for its own. The device hears all that the
node gave to the pod.
"""

import ctypes
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.soak.conversations import MAGIC, Pod

from ciliate.lab.namespaces import in_namespaces

_ETH_P_ALL: Final = 3
_SOL_PACKET: Final = 263
_PACKET_IGNORE_OUTGOING: Final = 23
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 4 << 20
_ETHERNET: Final = 14

_LDH, _LDB, _LD_X, _JEQ = 0x28, 0x30, 0x40, 0x15  # linux/bpf_common.h
_AND, _RSH, _TAX, _RETURN = 0x54, 0x74, 0x07, 0x06
_MAGIC: Final = int.from_bytes(MAGIC)


def _family(protocol_at: int, tcp_at: int, *, past: int) -> list[tuple[int, int, int, int]]:
    """Take TCP whose data begin with the magic; `past`: instructions from here to the refusal."""
    return [
        (_LDB, 0, 0, protocol_at),
        (_JEQ, 0, past - 2, socket.IPPROTO_TCP),
        (_LDB, 0, 0, tcp_at + 12),
        (_AND, 0, 0, 0xF0),
        (_RSH, 0, 0, 2),
        (_TAX, 0, 0, 0),
        (_LD_X, 0, 0, tcp_at),
        (_JEQ, past - 7, past - 8, _MAGIC),
    ]


#: IPv4 without options and IPv6 without extension headers, as these connections' packets are.
_FILTER: Final = (
    (_LDH, 0, 0, 12),
    (_JEQ, 0, 8, 0x0800),
    *_family(_ETHERNET + 9, _ETHERNET + 20, past=17),
    (_JEQ, 0, 8, 0x86DD),
    *_family(_ETHERNET + 6, _ETHERNET + 40, past=8),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFF),
)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


class Eavesdropper:
    """Listens at the devices of pods, from when it is made."""

    def __init__(self, pods: Sequence[Pod]) -> None:
        self._sockets = {each: _listening(each.pins) for each in pods}

    def heard(self) -> tuple[int, list[str]]:
        """Return how many messages came to their own pod, and which came to another's."""
        own, strangers = 0, []
        for pod, listening in self._sockets.items():
            for text in _messages(listening):
                if int.from_bytes(text[4:6]) == pod.number:
                    own += 1
                else:
                    strangers.append(f"{pod.name} was given {text!r}")
        return own, strangers

    def close(self) -> None:
        """Stop listening."""
        for each in self._sockets.values():
            each.close()


def _listening(pins: Path) -> socket.socket:
    listening = in_namespaces(
        pins, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), ["net"]
    )
    octets = b"".join(struct.pack("=HBBI", *each) for each in _FILTER)
    kept = ctypes.create_string_buffer(octets, len(octets))
    program = _Program(len(_FILTER), ctypes.addressof(kept))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    listening.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    in_namespaces(pins, lambda: listening.bind(("eth0", _ETH_P_ALL)), ["net"])
    listening.setblocking(False)
    return listening


def _messages(listening: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            frame = listening.recv(65536)
        except BlockingIOError:
            return found
        ip = _ETHERNET + (20 if frame[12:14] == b"\x08\x00" else 40)
        found.append(frame[ip + (frame[ip + 12] >> 4) * 4 :][:16])
