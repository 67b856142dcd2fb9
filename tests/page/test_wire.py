"""The page reads and writes the messages that Python's protobuf does."""

import base64
import random
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tests.page.browser import Page, PageError
from tests.page.flows import recorded

from ciliate.flows import batches
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

#: Reads octets of a type, and writes what it read.
AGAIN = """
const { reader } = await load("flow_api/wire.js");
const { write } = await load("flow_api/wire_writer.js");
const { plain } = await load("model/fields.js");
const octets = Uint8Array.from(atob(args[1]), (each) => each.charCodeAt(0));
const message = reader(args[0])(octets);
return [btoa(String.fromCharCode(...write(args[0], message))), plain(args[0], message)];
"""

_EDGES = {
    "uint64": (1, 2**53, 2**64 - 1),
    "int64": (1, -1, -(2**63), 2**63 - 1),
    "uint32": (1, 300, 2**32 - 1),
    "int32": (1, -1, -(2**31)),
}


def again(page: Page, message: Message) -> tuple[bytes, Any]:
    octets = base64.b64encode(message.SerializeToString()).decode()
    written, read = page.run(AGAIN, message.DESCRIPTOR.full_name, octets)
    return base64.b64decode(written), read


def fill(message: Any, chance: random.Random, depth: int = 0) -> None:
    """Give some fields of a message a value, edges of their types among them."""
    oneofs = set()
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.4 or field.full_name == "flow.Flow.extensions":
            continue
        if field.containing_oneof is not None:
            if field.containing_oneof.name in oneofs:
                continue
            oneofs.add(field.containing_oneof.name)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if depth < 5:
                value = getattr(message, field.name)
                fill(value.add() if field.is_repeated else value, chance, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(value_of(field, chance) for _ in range(3))
        else:
            setattr(message, field.name, value_of(field, chance))


def value_of(field: FieldDescriptor, chance: random.Random) -> Any:
    kinds = {
        FieldDescriptor.TYPE_UINT64: "uint64",
        FieldDescriptor.TYPE_INT64: "int64",
        FieldDescriptor.TYPE_UINT32: "uint32",
        FieldDescriptor.TYPE_INT32: "int32",
    }
    if field.type in kinds:
        return chance.choice(_EDGES[kinds[field.type]])
    if field.type == FieldDescriptor.TYPE_ENUM:
        assert field.enum_type is not None
        return chance.choice([each.number for each in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return chance.choice((0.1, -1e300, 3.5))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\x00\xff"
    return chance.choice(("curl-pod", "", "ünï\U0001f40b", "a" * 300))


@pytest.mark.parametrize(
    "kind", [flow_pb2.Flow, observer_pb2.GetFlowsRequest, observer_pb2.ServerStatusResponse]
)
def test_what_is_read_and_written_again_is_the_same(modules: Page, kind: type[Message]) -> None:
    for seed in range(12):
        message = kind()
        fill(message, random.Random(seed))

        written, _ = again(modules, message)

        assert kind.FromString(written) == message


def test_fields_of_recorded_flows_are_those_that_python_reads(modules: Page) -> None:
    for answer in recorded():
        _, read = again(modules, answer.flow)

        assert read == MessageToDict(answer.flow, preserving_proto_field_name=True)


def test_fields_that_nobody_knows_are_passed_over(modules: Page) -> None:
    octets = bytes([0xA8, 0xB5, 0x9A, 0x01, 7]) + flow_pb2.Flow(uuid="known").SerializeToString()
    read = modules.run(AGAIN, "flow.Flow", base64.b64encode(octets).decode())[1]

    assert read == {"uuid": "known"}


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"\x0a\x05ab", "longer than its message"),
        (b"\x10", "does not end"),
        (b"\xff" * 11, "does not end"),
        (b"\x0b", "wire type 3"),
        (b"\x12\x01a", "verdict has the wire type 2"),
    ],
)
def test_octets_that_are_no_message_are_refused(
    modules: Page, octets: bytes, problem: str
) -> None:
    with pytest.raises(PageError, match=problem):
        modules.run(AGAIN, "flow.Flow", base64.b64encode(octets).decode())


def test_answers_of_a_batch_come_one_by_one_and_a_single_one_as_it_is(modules: Page) -> None:
    answers = recorded()
    script = """
    const { answersOf } = await load("flow_api/answers.js");
    const { reader } = await load("flow_api/wire.js");
    const octets = Uint8Array.from(atob(args[0]), (each) => each.charCodeAt(0));
    return [...answersOf(octets)].map(({ flow }) => reader("flow.Flow")(octets, ...flow).uuid);
    """
    for some in (answers, answers[:1]):
        octets = base64.b64encode(batches.batch_of(some).SerializeToString()).decode()

        assert modules.run(script, octets) == [each.flow.uuid for each in some]


@pytest.mark.parametrize("size", [1, 3, 7, 4096])
def test_frames_are_put_together_whatever_the_chunks_are(modules: Page, size: int) -> None:
    script = """
    const { Frames, frame } = await load("flow_api/frames.js");
    const sent = [new Uint8Array(0), Uint8Array.of(1, 2, 3), new Uint8Array(700).fill(9)];
    const octets = sent.flatMap((each) => [...frame(each)]), frames = new Frames(), found = [];
    for (let at = 0; at < octets.length; at += args[0]) {
      frames.add(Uint8Array.from(octets.slice(at, at + args[0])));
      for (let next = frames.take(); next; next = frames.take()) found.push([...next.octets]);
    }
    return JSON.stringify(found) === JSON.stringify(sent.map((each) => [...each]));
    """

    assert modules.run(script, size)


def test_status_of_trailers_is_read(modules: Page) -> None:
    script = """
    const { statusOf } = await load("flow_api/grpc_web.js");
    return statusOf(new TextEncoder().encode(args[0]));
    """
    said = "grpc-status: 14\r\ngrpc-message: relay is away: 100%25 %E2%80%A6\r\n"

    assert modules.run(script, said) == {"code": 14, "message": "relay is away: 100% …"}
