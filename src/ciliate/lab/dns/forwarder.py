"""Questions for names that are not ours, asked of the servers of /etc/resolv.conf.

One socket and one random number a question, so that nobody answers in a server's place. The same
question of several clients is asked once. An answer is remembered for as long as it says, and no
longer than an own one; a failure is not.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dns.exception import DNSException
from dns.flags import TC
from dns.message import Message, from_wire, make_query
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset, from_rdata_list

from ciliate.lab.dns.answer import NEGATIVE_TTL_S, SERVER_FAILURE, TTL_S, Answer
from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.wire import DATAGRAM_BYTES_MAX

#: Questions under way; CoreDNS's `max_concurrent` in kubeadm's configuration.
UNDER_WAY_MAX: Final = 1000
#: Clients that wait for them: many may ask the same.
WAITING_MAX: Final = 4096
#: Answers remembered.
REMEMBERED_MAX: Final = 1024
#: How long a server may take, and all tries together: resolvers of programs wait 5 s.
_SERVER_S: Final = 1.5
_TOTAL_S: Final = 4.0
_TRIES: Final = 2
_PORT: Final = 53
_LENGTH_BYTES: Final = 2

Key = tuple[Name, RdataType]


@dataclass(frozen=True, slots=True)
class _Remembered:
    answer: Answer
    since: float
    until: float


class Forwarder:
    """Asks other servers, the first one first."""

    def __init__(
        self,
        servers: Sequence[str],
        counts: Counts,
        tasks: asyncio.TaskGroup,
        *,
        port: int = _PORT,
    ) -> None:
        self._servers = tuple(servers)
        self._counts = counts
        self._tasks = tasks
        self._port = port
        self._under_way: dict[Key, asyncio.Task[Answer]] = {}
        self._waiting = 0
        self._answers: dict[Key, _Remembered] = {}

    def remembered(self, name: Name, rdtype: RdataType) -> Answer | None:
        """Return an answer that is still good, as old as it is."""
        key = (name, rdtype)
        found = self._answers.get(key)
        if found is None:
            return None
        now = asyncio.get_running_loop().time()
        if now >= found.until:
            del self._answers[key]
            return None
        self._counts.remembered["forward"] += 1
        return _aged(found.answer, int(now - found.since))

    async def ask(self, name: Name, rdtype: RdataType) -> Answer:
        """Return the answer of the first server that has one, or that there is none."""
        key = (name, rdtype)
        asking = self._under_way.get(key)
        is_full = asking is None and len(self._under_way) >= UNDER_WAY_MAX
        if is_full or self._waiting >= WAITING_MAX:
            self._counts.forward_rejects += 1
            return SERVER_FAILURE
        if asking is None:
            asking = self._tasks.create_task(self._ask(key), name=f"forward {name}")
            self._under_way[key] = asking
            asking.add_done_callback(lambda _: self._under_way.pop(key))
        # Whoever asked first may leave: the others wait for the same answer.
        self._waiting += 1
        try:
            return await asyncio.shield(asking)
        finally:
            self._waiting -= 1

    async def _ask(self, key: Key) -> Answer:
        query = make_query(*key, use_edns=0, payload=DATAGRAM_BYTES_MAX)
        try:
            async with asyncio.timeout(_TOTAL_S):
                for server in self._servers * _TRIES:
                    reply = await self._exchange(server, query)
                    if reply is not None and reply.rcode() is not Rcode.SERVFAIL:
                        answer = _answer(reply)
                        self._remember(key, answer)
                        return answer
        except TimeoutError:
            pass
        return SERVER_FAILURE

    async def _exchange(self, server: str, query: Message) -> Message | None:
        """Return a server's answer; None: it has none, or not in time."""
        self._counts.forwarded[server] += 1
        try:
            async with asyncio.timeout(_SERVER_S):
                reply = await _by_datagram(server, self._port, query)
                if reply.flags & TC:
                    reply = await _by_stream(server, self._port, query)
                return reply
        except (OSError, EOFError, DNSException, ValueError):
            self._counts.forward_failures[server] += 1
            return None

    def _remember(self, key: Key, answer: Answer) -> None:
        records = (*answer.answer, *answer.authority)
        ttl_s = min((each.ttl for each in records), default=0)
        if ttl_s <= 0:
            return
        while len(self._answers) >= REMEMBERED_MAX:
            del self._answers[next(iter(self._answers))]
        now = asyncio.get_running_loop().time()
        self._answers[key] = _Remembered(answer, now, now + ttl_s)


class _Asked(asyncio.DatagramProtocol):
    """Waits for the answer to one question; whatever else comes is not looked at."""

    def __init__(self, query: Message) -> None:
        self._query = query
        self.reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        del addr  # The socket is connected.
        try:
            message = from_wire(data, ignore_trailing=True)
        except (DNSException, ValueError):
            return
        if self._query.is_response(message) and not self.reply.done():
            self.reply.set_result(message)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _by_datagram(server: str, port: int, query: Message) -> Message:
    loop = asyncio.get_running_loop()
    transport, asked = await loop.create_datagram_endpoint(
        lambda: _Asked(query), remote_addr=(server, port)
    )
    try:
        transport.sendto(query.to_wire())
        return await asked.reply
    finally:
        transport.close()


async def _by_stream(server: str, port: int, query: Message) -> Message:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(_LENGTH_BYTES) + wire)
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
        reply = from_wire(await reader.readexactly(length), ignore_trailing=True)
    finally:
        writer.close()
    if not query.is_response(reply):
        raise ValueError("an answer to another question")
    return reply


def _answer(reply: Message) -> Answer:
    """Return what a server said, to be remembered no longer than an answer of ours."""
    return Answer(
        rcode=reply.rcode(),
        answer=tuple(_bounded(reply.answer, TTL_S)),
        authority=tuple(
            _bounded(
                (each for each in reply.authority if each.rdtype is RdataType.SOA), NEGATIVE_TTL_S
            )
        ),
        is_authoritative=False,
    )


def _bounded(records: Iterator[RRset] | Sequence[RRset], ttl_s: int) -> Iterator[RRset]:
    for each in records:
        yield from_rdata_list(each.name, min(each.ttl, ttl_s), list(each))


def _aged(answer: Answer, age_s: int) -> Answer:
    if not age_s:
        return answer

    def older(records: Sequence[RRset]) -> tuple[RRset, ...]:
        return tuple(from_rdata_list(e.name, max(e.ttl - age_s, 0), list(e)) for e in records)

    return replace(answer, answer=older(answer.answer), authority=older(answer.authority))
