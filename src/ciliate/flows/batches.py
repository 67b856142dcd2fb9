"""Several flows in one message, for clients that say that they take them: ours do.

A message costs gRPC, TLS and the loops at both ends many times what a flow costs us. So a client may say
by a header that it takes batches. It gets answers whose flow has nothing but an extension, and in that
others, as many as came while the one before was on its way: while there are few, each comes at once.
Who does not know the header, server or client, goes on as ever.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any, Final

from ciliate.flows.pb.batch import batch_pb2
from ciliate.flows.pb.observer import observer_pb2

Answer = observer_pb2.GetFlowsResponse

#: What a client sends that takes batches.
HEADER: Final = ("ciliate-batches", "1")

#: Answers of a batch; with all fields some 300 KiB, of 4 MiB that clients take.
_ANSWERS_MAX: Final = 256

_TYPE: Final = f"ciliate.io/{batch_pb2.FlowBatch.DESCRIPTOR.full_name}"


def takes_batches(metadata: Iterable[Any] | None) -> bool:
    """Whether a client that sent these headers takes batches."""
    return any(tuple(each) == HEADER for each in metadata or ())


def answers_of(answer: Answer) -> Iterator[Answer]:
    """Yield the answers in a batch; of another answer itself."""
    extensions = answer.flow.extensions if answer.HasField("flow") else None
    if extensions is None or extensions.type_url != _TYPE:
        yield answer
        return
    batch = batch_pb2.FlowBatch()
    batch.ParseFromString(extensions.value)
    yield from batch.answers


def batch_of(answers: list[Answer]) -> Answer:
    """Return answers as one."""
    if len(answers) == 1:
        return answers[0]
    batch = Answer()
    batch.flow.extensions.type_url = _TYPE
    batch.flow.extensions.value = batch_pb2.FlowBatch(answers=answers).SerializeToString()
    return batch


async def in_batches(answers: AsyncGenerator[Answer, None]) -> AsyncGenerator[Answer, None]:
    """Yield what comes while the one before is taken as one."""
    waiting: list[Answer] = []
    more, room = asyncio.Event(), asyncio.Event()

    async def fill() -> None:
        async with contextlib.aclosing(answers):
            async for answer in answers:
                waiting.append(answer)
                more.set()
                while len(waiting) >= _ANSWERS_MAX:
                    room.clear()
                    await room.wait()

    filling = asyncio.create_task(fill())
    filling.add_done_callback(lambda _: more.set())
    try:
        while True:
            await more.wait()
            more.clear()
            if waiting:
                taken = waiting.copy()
                waiting.clear()
                room.set()
                yield batch_of(taken)
            elif filling.done():
                filling.result()
                return
            if waiting or filling.done():
                more.set()
    finally:
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)
