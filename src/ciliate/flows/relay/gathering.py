"""One client's question, asked of every node, and the answers in the order of time."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.flows.batches import HEADER, answers_of
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.relay.channels import ConnectionClosedError, code_of, details_of, unless_closed
from ciliate.flows.relay.merge import Merge, Source
from ciliate.flows.relay.node_statuses import Answer, NodeErrors
from ciliate.flows.relay.pool import Node, Pool
from ciliate.reconcile.backoff import Backoff

#: How long an answer waits for earlier ones of other nodes: of what happens now, of what was.
_HOLD_NOW_S: Final = 0.05
_HOLD_S: Final = 1.0

#: How long errors wait for equal ones of other nodes.
_ERRORS_S: Final = 0.2

#: Before a node that ceased to answer is asked again, the first time and the longest.
_PAUSE_S: Final = 0.5
_PAUSE_MAX_S: Final = 10.0

#: Errors that the same question will meet again.
_FINAL: Final = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNKNOWN,
)

Question = observer_pb2.GetFlowsRequest


class Gathering:
    """Asks every node that answers, while it is followed also those that come."""

    def __init__(self, pool: Pool, question: Question, relay: str) -> None:
        self._pool = pool
        self._question = question
        self._errors = NodeErrors(relay)
        self._merge: Merge[Answer] = Merge(_HOLD_NOW_S if question.follow else _HOLD_S)
        self._asking: dict[Node, asyncio.Task[None]] = {}
        self._last_ns: dict[str, int] = {}  # Node -> the latest that it answered.
        self._telling: set[asyncio.Task[None]] = set()

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """Yield what the nodes answer, in the order of time."""
        for node in self._pool.ready:
            self._ask(node)
        if self._question.follow and not self._question.HasField("until"):
            self._merge.hold_open()
            self._pool.changed.add(self._node_changed)
        try:
            async for answer in self._merge:
                yield answer
            for told in self._errors.take():
                yield told
        finally:
            self._pool.changed.remove(self._node_changed)
            tasks = (*self._asking.values(), *self._telling)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _node_changed(self, node: Node) -> None:
        if not self._pool.has(node):
            if (task := self._asking.pop(node, None)) is not None:
                task.cancel()
        elif node.is_ready and node not in self._asking:
            self._ask(node)

    def _ask(self, node: Node) -> None:
        self._asking[node] = asyncio.create_task(self._asked(node, self._merge.source()))

    async def _asked(self, node: Node, source: Source[Answer]) -> None:
        """Ask a node; while it is followed, again when it ceases to answer, from there on."""
        pause, name = Backoff(first_s=_PAUSE_S, limit_s=_PAUSE_MAX_S), node.peer.name
        try:
            while True:
                question = self._question
                if name in self._last_ns:
                    question = _from(question, self._last_ns[name])
                self._last_ns.setdefault(name, 0)
                try:
                    async with aclosing(self._stream(node, question)) as answers:
                        async for answer in answers:
                            time_ns = _time_ns(answer)
                            self._last_ns[name] = max(self._last_ns[name], time_ns)
                            pause.reset()
                            await source.put(time_ns, answer)
                except grpc.RpcError as error:
                    self._note_error(node, error)
                    if code_of(error) in _FINAL:
                        return
                except ConnectionClosedError:
                    pass  # Another one is being made.
                else:
                    return  # It has said everything.
                if not self._question.follow:
                    return
                await asyncio.sleep(pause.next())
                if not node.is_ready:
                    self._asking.pop(node, None)  # It is asked again when it is.
                    return
        finally:
            source.end()

    async def _stream(self, node: Node, question: Question) -> AsyncGenerator[Answer, None]:
        if node.stub is None:
            return
        try:
            call: Any = node.stub.GetFlows(question, metadata=(HEADER,))
        except grpc.aio.UsageError as error:
            raise ConnectionClosedError from error
        with contextlib.ExitStack() as stack:
            stack.callback(call.cancel)
            stack.enter_context(contextlib.suppress(StopAsyncIteration))
            answers = aiter(call)
            while True:
                for answer in answers_of(await unless_closed(anext(answers))):
                    yield answer

    def _note_error(self, node: Node, error: grpc.RpcError) -> None:
        if self._errors.note(node.peer.name, details_of(error)):
            task = asyncio.create_task(self._tell_errors())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell_errors(self) -> None:
        await asyncio.sleep(_ERRORS_S)
        for told in self._errors.take():
            self._merge.tell(told)


def _time_ns(answer: Answer) -> int:
    """Return when a flow was; 0: it goes out at once.

    That is of losses, which are told at another time than they were, and where a mask left times out.
    """
    if not answer.HasField("flow"):
        return 0
    return int(answer.time.seconds) * 10**9 + int(answer.time.nanos)


def _from(question: Question, last_ns: int) -> Question:
    """Return the question for what comes behind a moment; nothing was before: what comes now."""
    anew = Question()
    anew.CopyFrom(question)
    anew.number = 0
    if last_ns:
        seconds, nanos = divmod(last_ns + 1, 10**9)
        anew.since.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    return anew
