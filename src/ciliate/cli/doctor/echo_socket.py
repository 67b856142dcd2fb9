"""Echoes sent and received: one raw socket of a family for all targets (icmp(7), raw(7), ipv6(7)).

Sent with "don't fragment" and up to the device's MTU, whatever path MTU the kernel has learned:
IP_PMTUDISC_PROBE. The kernel keeps all but replies and errors away from the socket. A reply counts
when it comes from the target and repeats all that was sent.
"""

import asyncio
import secrets
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from ciliate.cli.doctor.echo_packet import (
    Answer,
    ErrorAnswer,
    Question,
    decode_message,
    ipv4_payload,
    ipv4_pieces,
    ipv6_pieces,
    piece_bytes,
)
from ciliate.cli.doctor.outcome import Outcome, OutcomeKind
from ciliate.cli.doctor.raw_sockets import (
    EchoSocketError,
    find_source,
    open_echoes,
    open_pieces,
    send_to,
)
from ciliate.net.address import IPAddress, IPv4Address
from ciliate.net.icmp import message_name
from ciliate.net.protocol import ICMP, ICMPV6

#: Loss is no black hole: a question is asked so often, with so much time between.
TRIES: Final = 3
_GAP_S: Final = 0.05

#: Pieces of one question; a path that passes so little shows its direction to nobody.
_PIECES_MAX: Final = 64

_READS_AT_ONCE: Final = 256
_PACKET_BYTES: Final = 65536
_TOKEN_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class _Pending:
    question: Question
    target: IPAddress
    ended: asyncio.Future[Outcome]
    began_s: float


class EchoSocket:
    """Asks targets of one family; use it with `async with`."""

    def __init__(self, version: int) -> None:
        """Open the sockets.

        Raises:
            EchoSocketError: They are root's.
        """
        self.version = version
        self._pending: dict[tuple[int, int], _Pending] = {}
        try:
            self._echoes = open_echoes(version)
            self._pieces = open_pieces(version)
        except OSError as error:
            raise EchoSocketError(version, error) from error

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._echoes, self._receive)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._echoes)
        self._echoes.close()
        self._pieces.close()

    async def ask(self, target: IPAddress, size: int, *, patience_s: float) -> Outcome:
        """Return what becomes of an echo of `size` bytes, sent up to three times."""
        question = self._question(size)
        return await self._ask(question, target, [question.octets()], self._echoes, patience_s)

    async def ask_in_pieces(
        self, target: IPAddress, size: int, *, passes: int, patience_s: float
    ) -> Outcome:
        """Return what becomes of one that reaches the target in pieces of `passes` at most."""
        question = self._question(size)
        try:
            packets = self._cut(question, target, piece_bytes(self.version, passes))
        except OSError as error:
            return Outcome(OutcomeKind.UNSENDABLE, problem=str(error.strerror))
        if not packets:
            return Outcome(OutcomeKind.UNSENDABLE, problem="too many pieces")
        return await self._ask(question, target, packets, self._pieces, patience_s)

    def _question(self, size: int) -> Question:
        while True:
            identifier, number = secrets.randbelow(1 << 16), secrets.randbelow(1 << 16)
            if (identifier, number) not in self._pending:
                token = secrets.token_bytes(_TOKEN_BYTES)
                return Question(self.version, identifier, number, size, token)

    def _cut(self, question: Question, target: IPAddress, piece: int) -> list[bytes]:
        source = find_source(target)
        message = question.octets(source, target)
        if piece <= 0 or len(message) > piece * _PIECES_MAX:
            return []
        if isinstance(source, IPv4Address) and isinstance(target, IPv4Address):
            # The kernel gives a number of its own where it finds none.
            identification = 1 + secrets.randbelow((1 << 16) - 1)
            return ipv4_pieces(
                message, source=source, target=target, identification=identification, piece=piece
            )
        return ipv6_pieces(message, identification=secrets.randbits(32), piece=piece)

    async def _ask(
        self,
        question: Question,
        target: IPAddress,
        packets: list[bytes],
        sender: socket.socket,
        patience_s: float,
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Outcome] = loop.create_future()
        key = (question.identifier, question.number)
        self._pending[key] = _Pending(question, target, ended, loop.time())
        try:
            for left in reversed(range(TRIES)):
                if problem := send_to(sender, packets, target):
                    return problem
                await asyncio.wait({ended}, timeout=_GAP_S if left else patience_s)
                if ended.done():
                    return ended.result()
        finally:
            del self._pending[key]
        return Outcome(OutcomeKind.LOST)

    def _receive(self) -> None:
        for _ in range(_READS_AT_ONCE):
            try:
                packet, sender = self._echoes.recvfrom(_PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:  # An error about a packet, told once; the packet's own answer counts.
                continue
            message = ipv4_payload(packet) if self.version == 4 else packet
            # Link-local senders have their device behind a "%".
            self._take(message, sender[0].partition("%")[0])

    def _take(self, message: bytes, sender: str) -> None:
        found = decode_message(self.version, message)
        if found is None:
            return
        pending = self._pending.get((found.identifier, found.number))
        if pending is None or pending.ended.done():
            return
        seconds = asyncio.get_running_loop().time() - pending.began_s
        match found:
            case Answer(content=content):
                if content == pending.question.content and sender == str(pending.target):
                    pending.ended.set_result(Outcome(OutcomeKind.REPLIED, seconds))
            case ErrorAnswer(target=target) if target != pending.target:
                pass
            case ErrorAnswer(mtu=None):
                name = message_name(ICMP if self.version == 4 else ICMPV6, *message[:2])
                problem = f"{sender} answers {name}"
                pending.ended.set_result(Outcome(OutcomeKind.LOST, seconds, problem=problem))
            case ErrorAnswer(mtu=int(mtu)):
                pending.ended.set_result(Outcome(OutcomeKind.TOLD, seconds, mtu=mtu, by=sender))
