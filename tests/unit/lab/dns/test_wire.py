"""`lab/dns/wire.py`: no octets do harm, and answers have the form that clients expect."""

import struct
import time

import pytest
from dns.edns import GenericOption, OptionType
from dns.flags import AA, CD, QR, RA, RD, TC
from dns.message import from_wire, make_query
from dns.name import from_text
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from ciliate.lab.dns.answer import Answer, address_record, rrset
from ciliate.lab.dns.wire import (
    STREAM_BYTES_MAX,
    RefusedError,
    datagram_bytes,
    read_query,
    render,
    turns_of,
)

NAME = from_text("db.shop.svc.cluster.local.")
ASKED = make_query(NAME, "A", id=7).to_wire()
HEADER = struct.Struct("!6H")


def header(*, flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0)) -> bytes:
    return HEADER.pack(7, flags, *counts)


def answer_of(count: int) -> Answer:
    addresses = (f"10.244.{n // 250}.{n % 250 + 1}" for n in range(count))
    return Answer(answer=(rrset(NAME, [address_record(each) for each in addresses]),))


def refusal(wire: bytes) -> tuple[Rcode | None, bytes | None]:
    with pytest.raises(RefusedError) as caught:
        read_query(wire)
    return caught.value.rcode, caught.value.reply


@pytest.mark.parametrize(
    "wire",
    [b"", b"\0" * 11, header(flags=QR) + ASKED[12:], header(flags=QR | 0x2800)],
    ids=lambda wire: f"{len(wire)}-octets",
)
def test_what_is_no_question_gets_no_answer(wire: bytes) -> None:
    """An answer to an answer could go on for ever between two servers."""
    assert refusal(wire) == (None, None)


@pytest.mark.parametrize(
    "wire",
    [
        header(),
        header(counts=(0, 0, 0, 0)),
        header(counts=(2, 0, 0, 0)) + ASKED[12:] * 2,
        header(counts=(1, 1, 0, 0)) + ASKED[12:],
        header(counts=(1, 0, 0, 60000)) + ASKED[12:],
        header() + b"\xc0\x0c\0\1\0\1",  # A pointer to itself.
        header() + b"\xc0\x0e\xc0\x0c\0\1\0\1",  # Two that lead to each other.
        header() + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",  # A label of 64 octets.
        header() + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",  # A name of 257 octets.
        header() + b"\x05abc",
        ASKED[:-1],
        ASKED + b"\0" * 5000,
        header(counts=(1, 0, 0, 1)) + ASKED[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\xff\xff",
    ],
    ids=lambda wire: f"{len(wire)}-octets",
)
def test_malformed_question_is_answered_by_a_header(wire: bytes) -> None:
    rcode, reply = refusal(wire)

    assert rcode is Rcode.FORMERR
    assert reply is not None
    number, flags, *counts = HEADER.unpack(reply)
    assert (number, flags & QR, flags & 0xF, counts) == (
        int.from_bytes(wire[:2]),
        QR,
        Rcode.FORMERR,
        [0, 0, 0, 0],
    )


@pytest.mark.parametrize("opcode", [Opcode.STATUS, Opcode.NOTIFY, Opcode.UPDATE, 3, 15])
def test_other_operations_are_not_there(opcode: int) -> None:
    rcode, reply = refusal(header(flags=opcode << 11) + ASKED[12:])

    assert rcode is Rcode.NOTIMP
    assert reply is not None
    assert HEADER.unpack(reply)[1] >> 11 & 0xF == opcode


@pytest.mark.parametrize(
    ("kind", "rdclass"), [("TXT", RdataClass.CH), ("A", RdataClass.ANY), ("AXFR", RdataClass.IN)]
)
def test_other_classes_and_transfers_are_refused(kind: str, rdclass: RdataClass) -> None:
    rcode, reply = refusal(make_query("version.bind.", kind, rdclass).to_wire())

    assert rcode is Rcode.REFUSED
    assert reply is not None
    assert from_wire(reply).rcode() is Rcode.REFUSED


def test_later_version_of_edns_is_told_which_one_there_is() -> None:
    rcode, reply = refusal(make_query(NAME, "A", use_edns=1).to_wire())

    assert rcode is Rcode.BADVERS
    assert reply is not None
    message = from_wire(reply)
    assert (message.rcode(), message.edns) == (Rcode.BADVERS, 0)


@settings(max_examples=300)
@given(st.binary(max_size=600) | st.binary(max_size=80).map(lambda b: header() + b))
def test_any_octets_are_a_question_or_refused(wire: bytes) -> None:
    try:
        query = read_query(wire)
    except RefusedError:
        return
    assert from_wire(render(query, answer_of(3))).id == query.id


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_a_question_is_a_question_or_refused(data: st.DataObject) -> None:
    wire = bytearray(
        make_query(
            NAME, "SRV", use_edns=0, options=[GenericOption(OptionType.COOKIE, b"8 octets")]
        ).to_wire()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(2, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        query = read_query(bytes(wire))
    except RefusedError:
        return
    render(query, answer_of(200), bytes_max=datagram_bytes(query))


def test_hostile_octets_cost_next_to_nothing() -> None:
    """A stream's message may have 64 KiB: none is parsed that is too long for a question."""
    pointers = header(counts=(1, 0, 0, 2)) + b"\xc0\x0c" * 2000
    long = header(counts=(1, 0, 0, 1)) + ASKED[12:] + b"\0" * 65000
    began = time.process_time()

    for wire in [pointers, long] * 500:
        assert refusal(wire)[0] is Rcode.FORMERR

    assert time.process_time() - began < 1.0


def test_answer_has_the_letters_of_the_question() -> None:
    """Resolvers mix them at random, and take no answer with others (0x20)."""
    query = read_query(make_query("dB.sHoP.Svc.cluster.LOCAL.", "A").to_wire())

    message = from_wire(render(query, answer_of(1)))

    assert message.question[0].name.labels == (b"dB", b"sHoP", b"Svc", b"cluster", b"LOCAL", b"")
    assert message.answer[0].name.labels == message.question[0].name.labels


def test_flags_say_who_answers_and_what_was_asked_for() -> None:
    query = make_query(NAME, "A", flags=RD | CD)

    own = from_wire(render(query, answer_of(1)))
    others = from_wire(render(query, Answer(is_authoritative=False)))

    assert own.flags == QR | AA | RD | RA
    assert others.flags == QR | RD | RA


@pytest.mark.parametrize(
    ("edns", "payload", "allowed"),
    [(-1, 0, 512), (0, 0, 512), (0, 700, 700), (0, 1232, 1232), (0, 65535, 1232)],
)
def test_datagram_is_as_long_as_its_client_takes_and_paths_carry(
    edns: int, payload: int, allowed: int
) -> None:
    query = read_query(make_query(NAME, "A", use_edns=edns, payload=payload).to_wire())

    assert datagram_bytes(query) == allowed
    wire = render(query, answer_of(300), bytes_max=allowed)
    message = from_wire(wire)
    assert allowed - 16 < len(wire) <= allowed, "as many as fit: some clients never ask again"
    assert message.flags & TC
    assert (message.edns, bool(message.answer)) == (edns, True)
    assert len(message.answer[0]) == (allowed - len(render(query, Answer()))) // 16


def test_stream_carries_all_of_it() -> None:
    query = make_query(NAME, "A")

    message = from_wire(render(query, answer_of(1000), bytes_max=STREAM_BYTES_MAX))

    assert not message.flags & TC
    assert len(message.answer[0]) == 1000


def test_no_message_holds_five_thousand_addresses() -> None:
    query = make_query(NAME, "A")

    wire = render(query, answer_of(5000), bytes_max=STREAM_BYTES_MAX)

    assert 65000 < len(wire) <= STREAM_BYTES_MAX
    assert from_wire(wire).flags & TC


def test_addresses_that_are_no_answer_are_left_out_without_a_word() -> None:
    """RFC 2181, section 9: TC is for what was asked for."""
    target = from_text("a.cluster.local.")
    extra = [address_record(f"10.0.0.{n}") for n in range(1, 100)]
    answer = Answer(answer=answer_of(2).answer, additional=(rrset(target, extra),))

    message = from_wire(render(make_query(NAME, "A"), answer, bytes_max=512))

    assert not message.flags & TC
    assert len(message.answer[0]) == 2


def test_each_address_is_the_first_in_its_turn() -> None:
    query = make_query(NAME, "A")
    answer = answer_of(3)

    orders = [
        [each.to_text() for each in from_wire(render(query, answer, turn=turn)).answer[0]]
        for turn in range(turns_of(answer))
    ]

    assert [order[0] for order in orders] == ["10.244.0.1", "10.244.0.2", "10.244.0.3"]
    assert orders[1] == ["10.244.0.2", "10.244.0.3", "10.244.0.1"]


def test_question_of_a_type_nobody_knows_is_a_question() -> None:
    wire = make_query(NAME, "A").to_wire()[:-4] + b"\xff\x01\0\1"

    assert read_query(wire).question[0].rdtype == RdataType.make(0xFF01)
