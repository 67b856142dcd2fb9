"""`lab/dns/forwarder.py`: other servers are asked once, believed when they answer, and not for long."""

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from dns.flags import QR
from dns.message import from_wire, make_query, make_response
from dns.name import from_text
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from tests.unit.lab.dns.cluster_samples import UDP, service, told, zone_of
from tests.unit.lab.dns.loopback import HOST, serving

from ciliate.lab.dns import forwarder as module
from ciliate.lab.dns.answer import Answer
from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.forwarder import REMEMBERED_MAX, UNDER_WAY_MAX, WAITING_MAX, Forwarder
from ciliate.lab.dns.internet_zone import InternetZone
from ciliate.lab.dns.responder import Responder

WORLD = InternetZone([ip_address("203.0.113.10")])
NAME = from_text("www.example.com.")


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket that nobody reads: who asks there waits."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((HOST, 0))
        bound.setblocking(False)
        yield bound


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers get less time than in a lab."""
    monkeypatch.setattr(module, "_SERVER_S", 0.2)
    monkeypatch.setattr(module, "_TOTAL_S", 30.0)


async def test_answer_of_another_server_is_told_and_remembered() -> None:
    counts = Counts()
    async with asyncio.TaskGroup() as tasks, serving(Responder(WORLD, Counts()), tasks) as port:
        forwarder = Forwarder([HOST], counts, tasks, port=port)

        answer = await forwarder.ask(NAME, RdataType.A)
        again = forwarder.remembered(from_text("WWW.Example.com."), RdataType.A)

    assert told(answer) == ["www.example.com. A 203.0.113.10"]
    assert not answer.is_authoritative
    assert again == answer
    assert counts.forwarded == {HOST: 1}


async def test_denial_is_remembered_with_its_authority() -> None:
    async with asyncio.TaskGroup() as tasks, serving(Responder(WORLD, Counts()), tasks) as port:
        forwarder = Forwarder([HOST], Counts(), tasks, port=port)

        await forwarder.ask(from_text("nope.example.com."), RdataType.A)
        denial = forwarder.remembered(from_text("nope.example.com."), RdataType.A)

    assert denial is not None
    assert (denial.rcode, len(denial.authority)) == (Rcode.NXDOMAIN, 1)


async def test_answer_that_no_datagram_holds_is_asked_for_by_stream() -> None:
    async with asyncio.TaskGroup() as tasks, serving(Responder(WORLD, Counts()), tasks) as port:
        forwarder = Forwarder([HOST], Counts(), tasks, port=port)

        answer = await forwarder.ask(from_text("many.example.com."), RdataType.A)

    assert len(told(answer)) == 100


async def test_same_question_of_many_is_asked_once() -> None:
    counts = Counts()
    async with asyncio.TaskGroup() as tasks, serving(Responder(WORLD, Counts()), tasks) as port:
        forwarder = Forwarder([HOST], counts, tasks, port=port)

        answers = await asyncio.gather(*(forwarder.ask(NAME, RdataType.A) for _ in range(50)))

    assert {answer.rcode for answer in answers} == {Rcode.NOERROR}
    assert counts.forwarded == {HOST: 1}


async def test_silence_becomes_a_failure_before_programs_give_up(silent: socket.socket) -> None:
    counts = Counts()
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([HOST], counts, tasks, port=silent.getsockname()[1])

        answer = await forwarder.ask(NAME, RdataType.A)

        assert forwarder.remembered(NAME, RdataType.A) is None
    assert answer.rcode is Rcode.SERVFAIL
    assert counts.forward_failures == {HOST: 2}


async def test_second_server_answers_where_the_first_does_not(silent: socket.socket) -> None:
    port = silent.getsockname()[1]
    async with asyncio.TaskGroup() as tasks:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
            second.bind(("127.0.0.2", port))
            second.setblocking(False)
            forwarder = Forwarder([HOST, "127.0.0.2"], Counts(), tasks, port=port)
            asking = asyncio.ensure_future(forwarder.ask(NAME, RdataType.A))
            loop = asyncio.get_running_loop()
            data, client = await loop.sock_recvfrom(second, 4096)
            found = WORLD.find(NAME, RdataType.A)
            reply = make_response(from_wire(data))
            reply.answer = list(found.answer)
            await loop.sock_sendto(second, reply.to_wire(), client)

            assert (await asking).rcode is Rcode.NOERROR


@pytest.mark.parametrize("forgery", ["number", "question", "no answer", "garbage"])
async def test_answer_to_another_question_is_not_taken(
    silent: socket.socket, forgery: str
) -> None:
    """Whoever guesses the port has to guess the number, too."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([HOST], Counts(), tasks, port=silent.getsockname()[1])
        asking = asyncio.ensure_future(forwarder.ask(NAME, RdataType.A))
        data, client = await loop.sock_recvfrom(silent, 4096)
        query = from_wire(data)
        forged = make_response(query)
        if forgery == "number":
            forged.id ^= 1
        elif forgery == "question":
            forged = make_response(make_query("other.example.", "A", id=query.id))
        elif forgery == "no answer":
            forged.flags &= ~QR
        wire = b"\xc0\x0c" * 20 if forgery == "garbage" else forged.to_wire()
        await loop.sock_sendto(silent, wire, client)

        assert (await asking).rcode is Rcode.SERVFAIL


@pytest.fixture
def patient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up while a test looks."""
    monkeypatch.setattr(module, "_SERVER_S", 600.0)
    monkeypatch.setattr(module, "_TOTAL_S", 600.0)


async def test_port_that_nobody_has_is_a_failure_at_once(patient: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        answer = await Forwarder([HOST], Counts(), tasks, port=port).ask(NAME, RdataType.A)

    assert answer.rcode is Rcode.SERVFAIL


async def rejected(counts: Counts, number: int) -> None:
    """Wait until so many questions were turned away."""
    async with asyncio.timeout(30):
        while counts.forward_rejects < number:
            await asyncio.sleep(0)


async def test_questions_under_way_are_bounded(silent: socket.socket, patient: None) -> None:
    counts = Counts()
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([HOST], counts, tasks, port=silent.getsockname()[1])
        wanted = [from_text(f"host-{n}.example.") for n in range(UNDER_WAY_MAX + 5)]
        asking = [asyncio.ensure_future(forwarder.ask(name, RdataType.A)) for name in wanted]
        await rejected(counts, 5)

        assert len(forwarder._under_way) == UNDER_WAY_MAX
        assert {(await each).rcode for each in asking[UNDER_WAY_MAX:]} == {Rcode.SERVFAIL}
        for task in forwarder._under_way.values():
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def test_clients_that_wait_for_one_answer_are_bounded(
    silent: socket.socket, patient: None
) -> None:
    counts = Counts()
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([HOST], counts, tasks, port=silent.getsockname()[1])
        asking = [
            asyncio.ensure_future(forwarder.ask(NAME, RdataType.A)) for _ in range(WAITING_MAX + 7)
        ]
        await rejected(counts, 7)

        assert forwarder._waiting == WAITING_MAX
        assert {(await each).rcode for each in asking[WAITING_MAX:]} == {Rcode.SERVFAIL}
        for task in forwarder._under_way.values():
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert forwarder._waiting == 0


async def test_memory_is_bounded() -> None:
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([], Counts(), tasks)
        answer = WORLD.find(NAME, RdataType.A)
        for number in range(REMEMBERED_MAX + 10):
            forwarder._remember((from_text(f"host-{number}.example."), RdataType.A), answer)

        assert len(forwarder._answers) == REMEMBERED_MAX


async def test_answer_ages_while_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([], Counts(), tasks)
        forwarder._remember((NAME, RdataType.A), WORLD.find(NAME, RdataType.A))
        loop = asyncio.get_running_loop()
        now = loop.time()

        monkeypatch.setattr(loop, "time", lambda: now + 12.5)
        aged = forwarder.remembered(NAME, RdataType.A)
        monkeypatch.setattr(loop, "time", lambda: now + 31)
        gone = forwarder.remembered(NAME, RdataType.A)

    assert aged is not None
    assert aged.answer[0].ttl in (17, 18)
    assert gone is None


async def answered(responder: Responder, name: str) -> Answer:
    response = responder.respond(make_query(name, "A").to_wire(), UDP)
    wire = response if isinstance(response, bytes) or response is None else await response
    assert wire is not None
    message = from_wire(wire)
    return Answer(rcode=message.rcode(), answer=tuple(message.answer))


@pytest.mark.parametrize(
    ("external_name", "rcode", "records"),
    [
        (
            "web.example.net",
            Rcode.NOERROR,
            [
                "ext.shop.svc.cluster.local. CNAME web.example.net.",
                "web.example.net. CNAME www.example.com.",
                "www.example.com. A 203.0.113.10",
            ],
        ),
        (
            "nope.example.com",
            Rcode.NXDOMAIN,
            ["ext.shop.svc.cluster.local. CNAME nope.example.com."],
        ),
    ],
)
async def test_external_name_is_followed_into_the_world(
    external_name: str, rcode: Rcode, records: list[str]
) -> None:
    zone = zone_of(service("ext", type="ExternalName", externalName=external_name))
    async with asyncio.TaskGroup() as tasks, serving(Responder(WORLD, Counts()), tasks) as port:
        forwarder = Forwarder([HOST], Counts(), tasks, port=port)
        responder = Responder(zone, Counts(), forwarder)

        for _ in range(2):  # Asked for, and remembered.
            answer = await answered(responder, "ext.shop.svc.cluster.local.")
            assert (answer.rcode, told(answer)) == (rcode, records)


async def test_external_name_whose_server_is_silent_is_a_failure(silent: socket.socket) -> None:
    """An alias alone would be taken for a name without addresses."""
    zone = zone_of(service("ext", type="ExternalName", externalName="www.example.com"))
    async with asyncio.TaskGroup() as tasks:
        forwarder = Forwarder([HOST], Counts(), tasks, port=silent.getsockname()[1])

        answer = await answered(
            Responder(zone, Counts(), forwarder), "ext.shop.svc.cluster.local."
        )

    assert answer.rcode is Rcode.SERVFAIL
