"""Asks name servers at a steady rate, as programs do, and tells how long each answer took.

    SERVER[,SERVER...] RATE SECONDS NAME...

Runs in a pod, which is given the text of this file. Each question has a socket of its own, connected to the next server in turn,
as a resolver's look-up has; it is due at its time whether those before are answered or not, and its
delay counts from there, so that a server that stands still is not spared. JSON comes out: delays in
ms, sorted, and how many questions had no answer within a second.
"""

import json
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from dns.message import make_query

#: How long an answer may take before it is lost.
_LOST_S: Final = 1.0
_PORT: Final = 53
_NUMBER_BYTES: Final = 2


@dataclass(slots=True)
class Load:
    """Questions that are under way, and what became of the others."""

    delays_ms: list[float] = field(default_factory=list)
    lost: int = 0
    _poll: select.epoll = field(default_factory=select.epoll)
    #: Sockets by descriptor, the oldest first, with the number and the time of the question.
    _asked: dict[int, tuple[socket.socket, bytes, float]] = field(default_factory=dict)

    def ask(self, server: str, wire: bytes, due: float) -> None:
        """Send a question."""
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        asking = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        asking.connect((server, _PORT))
        asking.send(wire)
        self._asked[asking.fileno()] = (asking, wire[:_NUMBER_BYTES], due)
        self._poll.register(asking, select.EPOLLIN)

    def listen(self, until: float) -> None:
        """Take answers until a moment."""
        while (left := until - time.perf_counter()) > 0:
            for descriptor, _ in self._poll.poll(left):
                self._take(descriptor)

    def _take(self, descriptor: int) -> None:
        asking, number, due = self._asked[descriptor]
        try:
            answer = asking.recv(4096)
        except OSError:
            answer = b""  # Refused.
        if answer[:_NUMBER_BYTES] == number:
            self.delays_ms.append((time.perf_counter() - due) * 1e3)
        else:
            self.lost += 1
        self._forget(descriptor)

    def give_up(self, before: float) -> None:
        """Count questions from before a moment as lost."""
        while self._asked:
            descriptor = next(iter(self._asked))
            if self._asked[descriptor][2] > before:
                return
            self.lost += 1
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._asked.pop(descriptor)[0].close()


def _questions(names: Sequence[str]) -> Iterator[bytes]:
    """Yield questions for the names, A and AAAA of each as resolvers ask, each with a number."""
    wires = [make_query(name, kind).to_wire() for name in names for kind in ("A", "AAAA")]
    for number, wire in enumerate(cycle(wires)):
        yield (number & 0xFFFF).to_bytes(_NUMBER_BYTES) + wire[_NUMBER_BYTES:]


def main() -> None:
    """Ask, and print what came of it."""
    servers, rate, seconds, *names = sys.argv[1:]
    load, turn, questions = Load(), cycle(servers.split(",")), _questions(names)
    start = time.perf_counter()
    for place in range(int(rate) * int(seconds)):
        due = start + place / int(rate)
        load.listen(due)
        load.ask(next(turn), next(questions), due)
        load.give_up(due - _LOST_S)
    load.listen(time.perf_counter() + _LOST_S)
    load.give_up(time.perf_counter())
    print(json.dumps({"delays_ms": sorted(load.delays_ms), "lost": load.lost}))


if __name__ == "__main__":
    main()
