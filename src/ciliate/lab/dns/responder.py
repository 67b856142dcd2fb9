"""One question from its octets to those of its answer, and what is remembered on the way.

Answers of our own zone are remembered by the octets of the question behind its number, for as long as
nothing changes: what is asked again and again, which is most, costs a look into a table. Addresses of
an answer go out in another order each time.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

from ciliate.lab.dns.answer import SERVER_FAILURE, Answer, Zone
from ciliate.lab.dns.counts import Counts, Way, rcode_label, type_label
from ciliate.lab.dns.forwarder import Forwarder
from ciliate.lab.dns.wire import (
    DATAGRAM_BYTES_MAX,
    STREAM_BYTES_MAX,
    RefusedError,
    datagram_bytes,
    question_of,
    read_query,
    render,
    turns_of,
)

#: Answers remembered, and the octets of all of them.
REMEMBERED_MAX: Final = 2048
REMEMBERED_BYTES_MAX: Final = 4 << 20
#: Orders of one answer's addresses that are remembered.
TURNS_MAX: Final = 8
#: Aliases that are followed from one name to the next (resolvers allow about as many).
ALIASES_MAX: Final = 8

_NUMBER_BYTES: Final = 2

#: The octets to send, None for silence, or what will be them once another server has answered.
Response = bytes | None | Coroutine[Any, Any, bytes]


@dataclass(slots=True)
class _Remembered:
    """Octets of an answer behind its number, one for each order of its addresses."""

    generation: int
    kind: str
    rcode: str
    #: How many orders there are, and those that were asked for so far.
    turns: int
    first: int
    octets: int = 0
    orders: list[bytes] = field(default_factory=list)
    turn: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every order is there."""
        return len(self.orders) == self.turns

    def next(self) -> bytes:
        self.turn = (self.turn + 1) % self.turns
        return self.orders[self.turn]


class Responder:
    """Answers questions from a zone, and the others by a forwarder."""

    def __init__(self, zone: Zone, counts: Counts, forwarder: Forwarder | None = None) -> None:
        self._zone = zone
        self._counts = counts
        self._forwarder = forwarder
        self._remembered: dict[tuple[bytes, bool], _Remembered] = {}
        self._octets = 0
        self._turn = 0

    def respond(self, wire: bytes, way: Way) -> Response:
        """Return the answer to a message, whatever its octets are."""
        key = (wire[_NUMBER_BYTES:], way.is_stream)
        known = self._remembered.get(key)
        is_good = known is not None and known.generation == self._zone.generation
        if known is not None and is_good and known.is_complete:
            self._counts.remembered["local"] += 1
            self._counts.asked(way, known.kind)
            self._counts.responses[known.rcode] += 1
            return wire[:_NUMBER_BYTES] + known.next()
        try:
            query = read_query(wire)
        except RefusedError as refusal:
            self._counts.asked(way, "other")
            if refusal.rcode is not None:
                self._counts.responses[rcode_label(refusal.rcode)] += 1
            return refusal.reply
        return self._answer(query, key, way)

    def _answer(self, query: Message, key: tuple[bytes, bool], way: Way) -> Response:
        name, rdtype = question_of(query)
        self._counts.asked(way, type_label(rdtype))
        self._counts.not_remembered += 1
        local = self._local(name, rdtype)
        if local is not None and local.target is None:
            return self._rendered_and_remembered(query, local, key)
        forwarder = self._forwarder
        if forwarder is None:
            return self._rendered(query, SERVER_FAILURE, way)
        wanted = name if local is None or local.target is None else local.target
        found = forwarder.remembered(wanted, rdtype)
        if found is not None:
            return self._rendered(query, _behind(found, local), way)
        return self._forwarded(forwarder, query, wanted, rdtype, alias=local, way=way)

    def _local(self, name: Name, rdtype: RdataType) -> Answer | None:
        """Return the zone's answer; its target, if it has one, is not the zone's to know."""
        answer = self._zone.find(name, rdtype)
        for _ in range(ALIASES_MAX):
            if answer is None or answer.target is None:
                return answer
            further = self._zone.find(answer.target, rdtype)
            if further is None:
                return answer
            answer = further.behind(answer)
        return SERVER_FAILURE  # Aliases that lead in a circle, or nearly so.

    async def _forwarded(
        self,
        forwarder: Forwarder,
        query: Message,
        wanted: Name,
        rdtype: RdataType,
        *,
        alias: Answer | None,
        way: Way,
    ) -> bytes:
        found = await forwarder.ask(wanted, rdtype)
        return self._rendered(query, _behind(found, alias), way)

    def _rendered(self, query: Message, answer: Answer, way: Way) -> bytes:
        self._counts.responses[rcode_label(answer.rcode)] += 1
        self._turn += 1
        limit = STREAM_BYTES_MAX if way.is_stream else datagram_bytes(query)
        return render(query, answer, bytes_max=limit, turn=self._turn)

    def _rendered_and_remembered(
        self, query: Message, answer: Answer, key: tuple[bytes, bool]
    ) -> bytes:
        _, is_stream = key
        limit = STREAM_BYTES_MAX if is_stream else datagram_bytes(query)
        known = self._remembered.get(key)
        if known is None or known.generation != self._zone.generation:
            known = _Remembered(
                generation=self._zone.generation,
                kind=type_label(question_of(query)[1]),
                rcode=rcode_label(answer.rcode),
                turns=min(turns_of(answer), TURNS_MAX),
                first=self._turn,
            )
            self._turn += 1
        self._counts.responses[known.rcode] += 1
        step = max(turns_of(answer) // known.turns, 1)
        turn = known.first + step * len(known.orders)
        wire = render(query, answer, bytes_max=limit, turn=turn)
        known.orders.append(wire[_NUMBER_BYTES:])
        if len(wire) > DATAGRAM_BYTES_MAX:
            known.turns = 1  # Rare, and long enough.
        self._remember(key, known, len(wire))
        return wire

    def _remember(self, key: tuple[bytes, bool], known: _Remembered, octets: int) -> None:
        """Remember an answer whose octets have become so many more, and forget the oldest."""
        before = self._remembered.pop(key, known)
        if before is not known:
            self._octets -= before.octets
        known.octets += octets
        self._octets += octets
        self._remembered[key] = known
        while len(self._remembered) > REMEMBERED_MAX or self._octets > REMEMBERED_BYTES_MAX:
            self._octets -= self._remembered.pop(next(iter(self._remembered))).octets


def _behind(found: Answer, alias: Answer | None) -> Answer:
    return found if alias is None else found.behind(alias)
