"""`lab/dns/streams.py`: any number of questions on a connection, and none that holds up others."""

import asyncio
import contextlib
import socket

from dns.message import make_query
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from tests.unit.lab.dns.cluster_samples import endpoint, headless, service, slice_of, zone_of
from tests.unit.lab.dns.loopback import HOST, framed, read_message, serving

from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.forwarder import Forwarder
from ciliate.lab.dns.responder import Responder

WEB = service("web", clusterIP="10.96.1.1", clusterIPs=["10.96.1.1"])
NAME = "web.shop.svc.cluster.local."


def web() -> Responder:
    return Responder(zone_of(WEB), Counts())


async def test_questions_of_a_connection_are_all_answered() -> None:
    queries = [make_query(NAME, "A") for _ in range(200)]
    async with asyncio.TaskGroup() as tasks, serving(web(), tasks) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(*queries))

        for query in queries:
            assert query.is_response(await read_message(reader))
        writer.close()


async def test_question_may_come_octet_by_octet() -> None:
    query = make_query(NAME, "A")
    async with asyncio.TaskGroup() as tasks, serving(web(), tasks) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in framed(query):
            writer.write(bytes((octet,)))
            await writer.drain()

        assert query.is_response(await read_message(reader))
        writer.close()


async def test_sixty_four_kilobytes_of_nonsense_get_a_refusal_and_the_next_question_an_answer() -> (
    None
):
    query = make_query(NAME, "A")
    async with asyncio.TaskGroup() as tasks, serving(web(), tasks) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"\xff\xff" + b"\0\7\0\0\0\1" + b"\0" * 65529 + framed(query))

        assert (await read_message(reader)).rcode() is Rcode.FORMERR
        assert query.is_response(await read_message(reader))
        writer.close()


async def test_connection_of_what_are_no_questions_ends() -> None:
    async with asyncio.TaskGroup() as tasks, serving(web(), tasks) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"\0\0GET / HTTP/1.1\r\n\r\n")

        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_client_that_takes_no_answers_costs_no_memory_and_holds_up_nobody() -> None:
    """Answers of 16 KiB each, for questions of 50 octets: it is read no further."""
    endpoints = [endpoint(f"10.244.{n // 200}.{n % 200 + 1}") for n in range(1000)]
    responder = Responder(zone_of(headless("db"), slice_of("db", *endpoints), WEB), Counts())
    greedy_query = framed(make_query("db.shop.svc.cluster.local.", "A"))
    async with asyncio.TaskGroup() as tasks, serving(responder, tasks) as port:
        _, greedy = await asyncio.open_connection(HOST, port)
        greedy.write(greedy_query * 2000)
        reader, writer = await asyncio.open_connection(HOST, port)
        for _ in range(20):
            query = make_query(NAME, "A")
            writer.write(framed(query))
            assert query.is_response(await read_message(reader))
        answered = responder._counts.requests.total()

        assert answered < 1000, "it has asked 2000 times"
        greedy.transport.abort()
        writer.close()


async def test_connection_waits_for_others_answers_without_holding_up_its_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        async with asyncio.TaskGroup() as tasks:
            forwarder = Forwarder([HOST], Counts(), tasks, port=silent.getsockname()[1])
            responder = Responder(zone_of(WEB), Counts(), forwarder)
            async with serving(responder, tasks) as port:
                reader, writer = await asyncio.open_connection(HOST, port)
                query = make_query(NAME, "A")
                writer.write(framed(make_query("www.example.com.", "A"), query))

                assert query.is_response(await read_message(reader))
                writer.close()
            for task in forwarder._under_way.values():
                task.cancel()


async def test_address_family_is_counted() -> None:
    responder = web()
    async with asyncio.TaskGroup() as tasks, serving(responder, tasks) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(framed(make_query(NAME, RdataType.A)))
        await read_message(reader)
        writer.close()

    ((way, kind),) = responder._counts.requests
    assert (way.proto, way.family, kind) == ("tcp", "1", "A")
