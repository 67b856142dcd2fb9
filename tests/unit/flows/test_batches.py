import asyncio
from collections.abc import AsyncGenerator

import pytest

from ciliate.flows.batches import (
    HEADER,
    Answer,
    answers_of,
    batch_of,
    in_batches,
    takes_batches,
)
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.relay import relay_pb2


def flow(number: int) -> Answer:
    return Answer(flow=flow_pb2.Flow(uuid=str(number)), node_name="k8s-w1")


async def numbers(
    batches: AsyncGenerator[Answer, None], *, at_once: list[int] | None = None
) -> list[int]:
    found = []
    async for batch in batches:
        answers = list(answers_of(batch))
        if at_once is not None:
            at_once.append(len(answers))
        found += [int(answer.flow.uuid) for answer in answers]
    return found


def test_batch_holds_its_answers_whatever_they_are() -> None:
    answers = [
        flow(1),
        Answer(lost_events=flow_pb2.LostEvent(num_events_lost=3)),
        Answer(node_status=relay_pb2.NodeStatusEvent(node_names=["k8s-w2"])),
    ]

    assert list(answers_of(batch_of(answers))) == answers


def test_single_answer_is_itself() -> None:
    assert batch_of([flow(1)]) == flow(1)
    assert list(answers_of(flow(1))) == [flow(1)]


def test_extension_of_somebody_else_is_left_alone() -> None:
    answer = flow(1)
    answer.flow.extensions.type_url = "example.com/vendor.Extension"

    assert list(answers_of(answer)) == [answer]


def test_client_that_sends_no_header_takes_no_batches() -> None:
    assert takes_batches([("user-agent", "grpc-go"), HEADER])
    assert not takes_batches([("user-agent", "grpc-go")])
    assert not takes_batches(None)


async def test_what_comes_while_one_is_taken_comes_together() -> None:
    async def answers() -> AsyncGenerator[Answer, None]:
        for number in range(600):
            yield flow(number)

    at_once: list[int] = []

    assert await numbers(in_batches(answers()), at_once=at_once) == list(range(600))
    assert len(at_once) <= 4
    assert max(at_once) <= 256


async def test_answer_waits_for_no_other() -> None:
    go_on = asyncio.Event()

    async def answers() -> AsyncGenerator[Answer, None]:
        yield flow(1)
        await go_on.wait()
        yield flow(2)

    batches = in_batches(answers())
    async with asyncio.timeout(5):
        assert await anext(batches) == flow(1)
        go_on.set()
        assert await numbers(batches) == [2]


async def test_error_comes_behind_what_came_before() -> None:
    async def answers() -> AsyncGenerator[Answer, None]:
        yield flow(1)
        raise ValueError("the end")

    batches = in_batches(answers())

    assert await anext(batches) == flow(1)
    with pytest.raises(ValueError, match="the end"):
        await anext(batches)


async def test_who_leaves_ends_what_is_asked() -> None:
    ended = asyncio.Event()

    async def answers() -> AsyncGenerator[Answer, None]:
        try:
            yield flow(1)
            await asyncio.Event().wait()
        finally:
            ended.set()

    batches = in_batches(answers())
    await anext(batches)
    await batches.aclose()

    async with asyncio.timeout(5):
        await ended.wait()
