"""A conversation with rtnetlink, or another of the kernel's, over one socket, one thread at a time.

Requests go out as batches in one sendmsg. The kernel handles the messages of a datagram in order
and all before sendmsg returns; it answers a failed message always and a successful one only if
asked. So only the last message of a batch asks: when its answer is read, every failure before it
has been read too. A failure does not stop the messages behind it; the caller undoes.
"""

import errno
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from ciliate.netlink.errors import NetlinkError
from ciliate.netlink.message import Message, Request, acknowledgement, frame, messages
from ciliate.netlink.numbers import (
    NETLINK_CAP_ACK,
    NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    SOL_NETLINK,
)

#: Answers are queued before sendmsg returns; longer than this means a lost one.
RECEIVE_TIMEOUT_S: Final = 10
#: A dump of a million routes takes a few seconds; an answer that goes on for longer never ends.
EXCHANGE_TIMEOUT_S: Final = 60.0
#: Each failed message of a batch queues an answer of some 800 bytes in a buffer of 208 KiB.
BATCH_MESSAGES_MAX: Final = 128
#: A dump during which the table changed is asked again; after this many times it is taken as is.
DUMP_ATTEMPTS_MAX: Final = 5

_BUFFER_BYTES: Final = 65536
_SEQUENCE_MASK: Final = 0x7FFFFFFF


class Channel:
    """One netlink socket in the namespace its opening thread was in."""

    def __init__(self, protocol: int = NETLINK_ROUTE) -> None:
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
            )
        except OSError as error:
            raise _failed("open", "netlink socket", error) from error
        # A kernel too old for one of these only says less, or filters dumps less.
        for option in (NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            try:
                self._socket.setsockopt(SOL_NETLINK, option, 1)
            except OSError as error:
                if error.errno != errno.ENOPROTOOPT:
                    self._socket.close()
                    raise _failed("set up", "netlink socket", error) from error
        timeout = struct.pack("@ll", RECEIVE_TIMEOUT_S, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        self._sequence = 0

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def batch(self, requests: Sequence[Request]) -> list[Message]:
        """Send `requests` in one datagram; return what the kernel said besides success.

        Raises:
            NetlinkError: The first request that failed with an errno it does not tolerate.
        """
        failures, said = self._exchange(requests)
        for failure in failures:
            if failure is not None:
                raise failure
        return said

    def ask(self, requests: Sequence[Request], kind: int) -> Message:
        """Send `requests` in one datagram; return what the kernel answered of `kind`.

        Raises:
            NetlinkError: A request failed, or the kernel called all done and gave no such answer.
        """
        for message in self.batch(requests):
            if message.kind == kind:
                return message
        raise _unanswered(requests[-1], kind)

    def ask_each(self, requests: Sequence[Request], kind: int) -> list[Message | NetlinkError]:
        """Send `requests` in one datagram; return what the kernel answered to each, of `kind`."""
        failures, said = self._exchange(requests)
        first = self._sequence - len(requests) + 1
        answers = {each.sequence - first: each for each in said if each.kind == kind}
        return [
            answers.get(number) or failures[number] or _unanswered(request, kind)
            for number, request in enumerate(requests)
        ]

    def attempt(self, requests: Sequence[Request]) -> list[NetlinkError | None]:
        """Send `requests` in one datagram; return what became of each, None for success."""
        return self._exchange(requests)[0]

    def _exchange(
        self, requests: Sequence[Request]
    ) -> tuple[list[NetlinkError | None], list[Message]]:
        assert 0 < len(requests) <= BATCH_MESSAGES_MAX, f"{len(requests)} messages in a batch"
        first = self._next_sequences(len(requests))
        last = first + len(requests) - 1
        frames = [frame(request, sequence=first + n) for n, request in enumerate(requests[:-1])]
        frames.append(frame(requests[-1], sequence=last, more_flags=NLM_F_ACK))
        self._send(b"".join(frames), requests[-1])
        failures: list[NetlinkError | None] = [None] * len(requests)
        said: list[Message] = []
        for message in self._received(requests[-1], first=first, last=last):
            if message.kind != NLMSG_ERROR:
                said.append(message)
                continue
            failures[message.sequence - first] = _failure(
                requests[message.sequence - first], message
            )
            if message.sequence == last:
                break
        return failures, said

    def dump(self, request: Request) -> list[Message]:
        """Return every entry of the table that `request` asks for."""
        for _ in range(DUMP_ATTEMPTS_MAX):
            entries, interrupted = self._dump_once(request)
            if not interrupted:
                break
        return entries

    def stream(self, request: Request) -> Iterator[Message]:
        """Yield the entries of a table that is too large to keep, and never stands still.

        The channel asks for nothing else until the last one is read.
        """
        return (message for message in self._told(request) if message.kind != NLMSG_DONE)

    def _dump_once(self, request: Request) -> tuple[list[Message], bool]:
        entries: list[Message] = []
        interrupted = False
        for message in self._told(request):
            interrupted = interrupted or bool(message.flags & NLM_F_DUMP_INTR)
            if message.kind != NLMSG_DONE:
                entries.append(message)
        return entries, interrupted

    def _told(self, request: Request) -> Iterator[Message]:
        """Yield every entry, and what says that there are no more."""
        sequence = self._next_sequences(1)
        self._send(frame(request, sequence=sequence, more_flags=NLM_F_DUMP), request)
        for message in self._received(request, first=sequence, last=sequence):
            if message.kind == NLMSG_ERROR:
                failure = _failure(request, message)
                if failure is not None:
                    raise failure
                return
            yield message
            if message.kind == NLMSG_DONE:
                return

    def _next_sequences(self, count: int) -> int:
        if self._sequence + count >= _SEQUENCE_MASK:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    def _send(self, datagram: bytes, request: Request) -> None:
        try:
            self._socket.send(datagram)
        except OSError as error:
            raise _failed(request.step, str(request.subject), error) from error

    def _received(self, request: Request, *, first: int, last: int) -> Iterator[Message]:
        """Yield answers to the sequences asked for; what an earlier failure left is skipped."""
        deadline = time.monotonic() + EXCHANGE_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                datagram = self._socket.recv(_BUFFER_BYTES)
            except OSError as error:
                raise _failed(request.step, str(request.subject), error) from error
            for message in messages(datagram):
                if first <= message.sequence <= last:
                    yield message
        raise NetlinkError(step=request.step, subject=str(request.subject), errno=errno.ETIMEDOUT)


def _failed(step: str, subject: str, error: OSError) -> NetlinkError:
    return NetlinkError(step=step, subject=subject, errno=error.errno or 0)


def _unanswered(request: Request, kind: int) -> NetlinkError:
    return NetlinkError(
        step=request.step,
        subject=str(request.subject),
        errno=errno.ENODATA,
        detail=f"the kernel gave no answer of kind {kind}",
    )


def _failure(request: Request, answer: Message) -> NetlinkError | None:
    code, words = acknowledgement(answer)
    if code == 0 or code in request.tolerated:
        return None
    return NetlinkError(step=request.step, subject=str(request.subject), errno=code, detail=words)
