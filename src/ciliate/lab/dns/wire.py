"""Octets to questions, and answers to octets. Pure.

What comes in may be written to harm: it is looked at from its header on, and only what can be a
question goes to the parser. No octets raise anything but RefusedError, which says what to answer.
"""

import struct
from typing import Final

from dns.exception import DNSException, TooBig
from dns.flags import AA, QR, RD, TC
from dns.message import Message, from_wire, make_response
from dns.name import Name
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.renderer import ANSWER, Renderer
from dns.rrset import RRset, from_rdata_list

from ciliate.lab.dns.answer import Answer

_HEADER: Final = struct.Struct("!6H")
HEADER_BYTES: Final = _HEADER.size
_OPCODE_MASK: Final = 0x7800
_OPCODE_SHIFT: Final = 11

#: A question is a name and a few options: what is longer is none.
_QUERY_BYTES_MAX: Final = 4096
#: OPT, and a signature, which is not looked at.
_ADDITIONAL_RECORDS_MAX: Final = 2

#: Without EDNS (RFC 1035, section 4.2.1), and what passes every path unbroken (DNS Flag Day 2020).
_PLAIN_BYTES_MAX: Final = 512
DATAGRAM_BYTES_MAX: Final = 1232
STREAM_BYTES_MAX: Final = 65535

#: Questions that are none for records: transfers of zones, and what is only in transit.
_REFUSED_TYPES: Final = frozenset(
    {
        RdataType.AXFR,
        RdataType.IXFR,
        RdataType.MAILA,
        RdataType.MAILB,
        RdataType.OPT,
        RdataType.TKEY,
        RdataType.TSIG,
    }
)
#: Of a record: a pointer to its name, type, class, TTL, length (RFC 1035, section 4.1.3).
_RECORD_BYTES_MIN: Final = 12
#: Of an OPT record without options (RFC 6891, section 6.1.2).
_OPT_BYTES: Final = 11
_ROTATED_TYPES: Final = frozenset({RdataType.A, RdataType.AAAA})


class RefusedError(Exception):
    """Octets that get no records; `reply` is what to send, None where that would be wrong."""

    def __init__(self, rcode: Rcode | None, reply: bytes | None) -> None:
        self.rcode = rcode
        self.reply = reply
        super().__init__(f"refused: {rcode}")


def read_query(wire: bytes) -> Message:
    """Return the message, which has one question of class IN.

    Raises:
        RefusedError: It is something else.
    """
    if len(wire) < HEADER_BYTES:
        raise RefusedError(None, None)
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(wire)
    if flags & QR:
        raise RefusedError(None, None)  # An answer to an answer would go on for ever.
    if flags & _OPCODE_MASK != Opcode.QUERY << _OPCODE_SHIFT:
        raise _refused(wire, Rcode.NOTIMP)
    if questions != 1 or answers or authorities or additional > _ADDITIONAL_RECORDS_MAX:
        raise _refused(wire, Rcode.FORMERR)
    if len(wire) > _QUERY_BYTES_MAX:
        raise _refused(wire, Rcode.FORMERR)
    try:
        query = from_wire(wire, keyring=False)
    except (DNSException, ValueError) as error:
        raise _refused(wire, Rcode.FORMERR) from error
    if not query.question:
        raise _refused(wire, Rcode.FORMERR)
    if query.edns > 0:
        raise RefusedError(Rcode.BADVERS, render(query, Answer(rcode=Rcode.BADVERS)))
    asked = query.question[0]
    if asked.rdclass != IN or asked.rdtype in _REFUSED_TYPES:
        refusal = Answer(rcode=Rcode.REFUSED, is_authoritative=False)
        raise RefusedError(Rcode.REFUSED, render(query, refusal))
    return query


def _refused(wire: bytes, rcode: Rcode) -> RefusedError:
    """Return the refusal that is a header alone: the rest of the message is not to be trusted."""
    number, flags, *_ = _HEADER.unpack_from(wire)
    header = _HEADER.pack(number, QR | flags & (_OPCODE_MASK | RD) | rcode, 0, 0, 0, 0)
    return RefusedError(rcode, header)


def question_of(query: Message) -> tuple[Name, RdataType]:
    """Return what is asked for, the name in the letters of the question."""
    asked = query.question[0]
    return asked.name, asked.rdtype


def datagram_bytes(query: Message) -> int:
    """Return how long an answer by datagram may be, in octets."""
    if query.edns < 0:
        return _PLAIN_BYTES_MAX
    return min(max(query.payload, _PLAIN_BYTES_MAX), DATAGRAM_BYTES_MAX)


def turns_of(answer: Answer) -> int:
    """Return in how many orders the addresses of an answer can be sent."""
    return max((len(each) for each in answer.answer if each.rdtype in _ROTATED_TYPES), default=1)


def render(
    query: Message, answer: Answer, *, bytes_max: int = DATAGRAM_BYTES_MAX, turn: int = 0
) -> bytes:
    """Return the answer's octets: at most `bytes_max`, and else as many records as fit, with TC set.

    A client that takes no notice of TC, or cannot ask again by TCP, has some of the addresses then.
    `turn` says which address of several is the first.
    """
    response = make_response(
        query, recursion_available=True, our_payload=DATAGRAM_BYTES_MAX, pad=0
    )
    if answer.is_authoritative:
        response.flags |= AA
    response.set_rcode(answer.rcode)
    if sum(map(len, answer.answer)) * _RECORD_BYTES_MIN > bytes_max:
        return _truncated(response, answer, bytes_max, turn)  # To write all of it costs more.
    response.answer = [
        from_rdata_list(each.name, each.ttl, _turned(each, turn)) for each in answer.answer
    ]
    response.authority = list(answer.authority)
    response.additional = list(answer.additional)
    wire = response.to_wire(max_size=bytes_max, prefer_truncation=True, want_shuffle=False)
    return _truncated(response, answer, bytes_max, turn) if wire[2] & TC >> 8 else wire


def _turned(records: RRset, turn: int) -> list[Rdata]:
    items = list(records)
    if len(items) < 2 or records.rdtype not in _ROTATED_TYPES:
        return items
    first = turn % len(items)
    return items[first:] + items[:first]


def _truncated(response: Message, answer: Answer, bytes_max: int, turn: int) -> bytes:
    """Return as many records of the answer as fit, one after the other."""
    renderer = Renderer(response.id, response.flags | TC, bytes_max)
    opt = response.opt
    # The last to be written, and of no length but its own: no option of ours has one.
    renderer.reserve(_OPT_BYTES if opt is not None else 0)
    asked = response.question[0]
    renderer.add_question(asked.name, asked.rdtype, asked.rdclass)
    try:
        for each in answer.answer:
            for rdata in _turned(each, turn):
                renderer.add_rrset(ANSWER, from_rdata_list(each.name, each.ttl, [rdata]))
    except TooBig:
        pass
    renderer.release_reserved()
    if opt is not None:
        renderer.add_opt(opt)
    renderer.write_header()
    wire: bytes = renderer.get_wire()
    return wire
