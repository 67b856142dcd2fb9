"""`cli/trace/server_flows.py`: flows of one gRPC server."""

import asyncio
from pathlib import Path

from tests.unit.cli.hubble.running_server import Answers, running
from tests.unit.cli.trace.seen_flows import CTR, POD, WORLD, message, toward

from ciliate.cli.hubble.target import Target
from ciliate.cli.trace.agent_flows import Ended, Item, Ready, Told
from ciliate.cli.trace.server_flows import ServerFlows, read_target
from ciliate.flows.pb.observer.observer_pb2 import GetFlowsRequest, GetFlowsResponse

ANSWER = GetFlowsResponse(
    flow=message(*(0, CTR, "to-network", f"{POD}:1", f"{WORLD}:80"), packet="SYN")
)


async def test_what_a_server_keeps_is_told_to_its_end(tmp_path: Path) -> None:
    answers, found = Answers(flows=[ANSWER]), list[Item]()
    with running(answers, tmp_path) as address:
        source = ServerFlows(Target(server=address), toward(WORLD), follows=False)
        await source.tell(found.append)

    assert found == [Ready(), Told(ANSWER), Ended()]
    (request,) = answers.asked
    assert isinstance(request, GetFlowsRequest)
    assert request.whitelist[0].source_ip == [POD]
    assert request.number > 0


async def test_who_leaves_ends_the_call(tmp_path: Path) -> None:
    answers, heard = Answers(flows=[ANSWER], follows=True), asyncio.Event()
    with running(answers, tmp_path) as address:
        source = ServerFlows(Target(server=address), toward(WORLD), follows=True)
        telling = asyncio.create_task(
            source.tell(lambda item: heard.set() if item == Told(ANSWER) else None)
        )
        await heard.wait()
        telling.cancel()
        await asyncio.wait((telling,))

        assert await asyncio.to_thread(answers.left.wait, 10)


def test_address_may_ask_for_tls_by_itself() -> None:
    options = {"tls": False, "tls_ca_cert_files": "a.pem, b.pem", "tls_server_name": "relay"}

    target = read_target("tls://relay:443", options)

    assert (target.server, target.tls) == ("relay:443", True)
    assert target.tls_ca_cert_files == ("a.pem", "b.pem")
