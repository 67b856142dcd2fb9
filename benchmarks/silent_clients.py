"""Opens connections that say nothing, as a process on a node: `COUNT ADDRESS…`.

An address is HOST:PORT or the path of a Unix socket; each gets COUNT connections. Those that the
server ends are closed, the others held until standard input ends. When all have been opened, a line
says how many are held.
"""

import resource
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Final

#: How long one connection may wait for a server that does not accept, in seconds.
_CONNECT_S: Final = 10.0
#: Connections between two pauses in which the server takes them, and one pause in seconds: a queue
#: that overflows costs a SYN, and so a second, and would measure that.
_STEP: Final = 32
_PAUSE_S: Final = 0.005


class Clients:
    """The connections that are held."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}
        self._poll = select.epoll()

    def __len__(self) -> int:
        return len(self._held)

    def open(self, address: str) -> None:
        """Open one more connection; one that is refused is none."""
        host, colon, port = address.rpartition(":")
        made = socket.socket(socket.AF_INET if colon else socket.AF_UNIX)
        made.settimeout(_CONNECT_S)
        deadline = time.monotonic() + _CONNECT_S
        while True:
            try:
                made.connect((host, int(port)) if colon else address)
            except BlockingIOError:  # A Unix socket's queue is full.
                if time.monotonic() > deadline:
                    raise
                self.pause()
            except ConnectionError:
                made.close()
                return
            else:
                break
        self._held[made.fileno()] = made
        self._poll.register(made, select.EPOLLIN | select.EPOLLHUP)

    def pause(self) -> None:
        """Let the server work, and close what it has ended."""
        for descriptor, _event in self._poll.poll(_PAUSE_S):
            self._poll.unregister(descriptor)
            self._held.pop(descriptor).close()


def main(words: list[str]) -> None:
    """Open, tell, and hold until standard input ends."""
    count, addresses = int(words[0]), words[1:]
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = Clients()
    for number in range(count):
        for address in addresses:
            clients.open(address)
        if number % _STEP == 0:
            clients.pause()
    print(len(clients), flush=True)
    with suppress(KeyboardInterrupt):
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
