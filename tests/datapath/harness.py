"""What the packet tests stand on: private bpf file systems and network namespaces of their own.

Namespaces made here have no name: the kernel removes them when the last descriptor goes, however
the test run ends.
"""

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

_CLONE_NEWNET = 0x40000000
_MNT_DETACH = 2
_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
IP_VERSION = 4
_LIBC = ctypes.CDLL(None, use_errno=True)

#: How long a packet may take through veths and programs before it counts as lost.
DEADLINE_S = 3.0

#: How long a packet that must not come is waited for; a packet that was sent later and did come
#: proves more, so tests prefer that.
SILENCE_S = 0.2


def _checked(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


@contextmanager
def mounted_bpffs(folder: Path) -> Iterator[Path]:
    """Mount a bpf file system of its own at `folder` while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = os.fsencode(folder)
    _checked(_LIBC.mount(b"bpf", path, b"bpf", 0, None), f"mount {folder}")
    try:
        yield folder
    finally:
        _checked(_LIBC.umount2(path, _MNT_DETACH), f"umount {folder}")


def _has_frame(fd: int, within_s: float) -> bool:
    """Whether there is something to read, or will be; select() knows no descriptor beyond 1,023."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


class Namespace:
    """A network namespace without a name, held by a descriptor."""

    def __init__(self) -> None:
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _checked(_LIBC.unshare(_CLONE_NEWNET), "unshare")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        finally:
            _checked(_LIBC.setns(before, _CLONE_NEWNET), "setns")
            os.close(before)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread, and what it starts, run inside while the block runs."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _checked(_LIBC.setns(self.fd, _CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _checked(_LIBC.setns(before, _CLONE_NEWNET), "setns")
            os.close(before)

    def close(self) -> None:
        """Let the kernel remove it."""
        os.close(self.fd)

    @property
    def path(self) -> str:
        """A path that other processes of this run can open."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def ip(self, *lines: str) -> None:
        """Run lines of `ip`, such as "link add …", in one batch."""
        with self.entered():
            subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)

    def sysctl(self, name: str, value: str) -> None:
        """Write a setting below /proc/sys."""
        with self.entered():
            Path("/proc/sys", name.replace(".", "/")).write_text(value)

    def ifindex(self, device: str) -> int:
        """Return the index of a device."""
        with self.entered():
            return socket.if_nametoindex(device)

    def port(self, device: str) -> "Port":
        """Open `device` for sending and receiving whole frames."""
        with self.entered():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            opened.bind((device, 0))
        return Port(opened)


class Port:
    """The frames of one device, as a machine at its end sees them."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def send(self, frame: Any) -> None:
        """Send a frame, given as bytes or as a packet of scapy's."""
        self._socket.send(bytes(frame))

    def mark(self, mark: int) -> None:
        """Let everything sent from here on carry `mark` (SO_MARK)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)

    def receive(self, wanted: Callable[[Any], bool], *, deadline_s: float = DEADLINE_S) -> Any:
        """Return the first frame that is `wanted`, None when none comes in time.

        Frames that this machine sent itself, and what the kernel says on its own (router
        solicitations and the like), are passed over by `wanted`.
        """
        end = time.monotonic() + deadline_s
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                octets, address = self._socket.recvfrom(65536)
            except TimeoutError:
                return None
            if address[2] == _PACKET_OUTGOING:
                continue
            frame = Ether(octets)
            if wanted(frame):
                return frame
        return None

    def lengths_received(self) -> list[int]:
        """Return the length of each frame that has arrived by now, as far as the queue held them."""
        self._socket.setblocking(False)
        lengths = []
        with suppress(BlockingIOError):
            while True:
                octets, address = self._socket.recvfrom(65536)
                if address[2] != _PACKET_OUTGOING:
                    lengths.append(len(octets))
        return lengths

    def drain(self) -> None:
        """Forget what has arrived so far."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Tun:
    """A tun device of the calling thread's namespace, and its far end: packets without Ethernet.

    See Documentation/networking/tuntap.rst of the kernel. The device goes with the descriptor.
    """

    def __init__(self, name: str) -> None:
        self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
        fcntl.ioctl(self._fd, _TUNSETIFF, request)

    def send(self, packet: Any) -> None:
        """Let an IP packet come in by the device."""
        os.write(self._fd, bytes(packet))

    def receive(self, wanted: Callable[[Any], bool], *, deadline_s: float = DEADLINE_S) -> Any:
        """Return the first IP packet sent out that is `wanted`, None when none comes in time."""
        end = time.monotonic() + deadline_s
        while (left := end - time.monotonic()) > 0 and _has_frame(self._fd, left):
            octets = os.read(self._fd, 65536)
            packet = IP(octets) if octets[0] >> 4 == IP_VERSION else IPv6(octets)
            if wanted(packet):
                return packet
        return None

    def drain(self) -> None:
        """Forget what was sent out so far."""
        with suppress(BlockingIOError):
            while os.read(self._fd, 65536):
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Compiler:
    """clang as the Makefile calls it, for programs that only tests load."""

    root: Path

    def compile(self, source: Path, target: Path, *defines: str) -> None:
        """Compile one C file."""
        subprocess.run(
            [
                *("clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3"),
                *("-Wall", "-Wextra", "-Werror"),
                f"-I/usr/include/{os.uname().machine}-linux-gnu",
                *(f"-D{define}" for define in defines),
                *("-c", str(source), "-o", str(target)),
            ],
            check=True,
            cwd=self.root,
        )


def as_root() -> bool:
    """Whether this process can do what these tests need."""
    return os.geteuid() == 0
