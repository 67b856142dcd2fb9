"""Terminals: the size that a client gives one, and who keeps a container's.

A container with `tty: true` has a pseudo-terminal. A process of its own holds the other side and
carries it to and from the container's FIFOs, so that the terminal does not hang up when the kubelet
is killed; it ends when the container's last process has closed its side.
"""

import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import termios
from collections.abc import Sequence
from typing import Final

#: What `relay` is in a SpawnRequest.
RELAY: Final = "ciliate.lab.kubelet.terminal:relay"
#: Descriptors of the relay's process: the container's input and output FIFO, and the socket by
#: which the container sends the other side of its terminal.
_INPUT: Final = 0
_OUTPUT: Final = 1
_CONSOLE: Final = 3
_READ_BYTES: Final = 32 * 1024


def set_size(terminal: int, text: bytes) -> None:
    """Give a terminal the size that a client sends; the programs on it are told (SIGWINCH)."""
    try:
        size = json.loads(text)
        packed = struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0)
    except (ValueError, KeyError, TypeError, struct.error):
        return  # No size we understand: the terminal keeps the one it has.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def set_size_of_process(pid: int, text: bytes) -> None:
    """Do so with the terminal that is a process' standard input; there may be none."""
    with contextlib.suppress(OSError):
        terminal = os.open(f"/proc/{pid}/fd/0", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            if os.isatty(terminal):
                set_size(terminal, text)
        finally:
            os.close(terminal)


def relay(_words: Sequence[str]) -> int:
    """Carry a container's terminal to and from its FIFOs until nobody has it open any more."""
    with socket.socket(fileno=_CONSOLE) as console:
        _, descriptors, _, _ = socket.recv_fds(console, 16, 1)
    if not descriptors:
        return 0  # The container could not be started.
    [terminal] = descriptors
    os.set_blocking(terminal, False)
    poll = select.poll()
    has_input, untaken = True, b""
    while True:
        # A program that does not read must not keep us from what it prints.
        poll.register(terminal, select.POLLIN | (select.POLLOUT if untaken else 0))
        poll.register(_INPUT, select.POLLIN if has_input and not untaken else 0)
        ready = dict(poll.poll())
        try:
            if ready.get(_INPUT, 0) & select.POLLIN:
                untaken = os.read(_INPUT, _READ_BYTES)
                has_input = bool(untaken)  # It is /dev/null without `stdin: true`.
            if untaken:
                untaken = untaken[_written(terminal, untaken) :]
            if ready.get(terminal, 0) & ~select.POLLOUT:
                _print(os.read(terminal, _READ_BYTES))
        except OSError:
            return 0  # EIO: what was printed has come, and the last process has closed its side.


def _written(terminal: int, data: bytes) -> int:
    try:
        return os.write(terminal, data)
    except BlockingIOError:
        return 0


def _print(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(_OUTPUT, left) :]
