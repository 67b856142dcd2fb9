"""A client that knows nothing but what a server says of itself (gRPC's server reflection).

Its messages are made of those descriptions, not of our generated modules, as grpcurl's are.
"""

import asyncio
from itertools import islice
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


async def described_answers(
    target: str, method: str, *, count: int | None = None, **fields: Any
) -> list[Any]:
    """Return the answers, or the first `count`, to a request with `fields`.

    `method` is such as "observer.Observer/GetFlows".
    """
    return await asyncio.to_thread(_answers, target, method, count, fields)


def _answers(target: str, method: str, count: int | None, fields: dict[str, Any]) -> list[Any]:
    service_name, _, method_name = method.partition("/")
    with grpc.insecure_channel(target) as channel:
        grpc.channel_ready_future(channel).result(timeout=60)
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        found = pool.FindServiceByName(service_name).FindMethodByName(method_name)
        request = message_factory.GetMessageClass(found.input_type)(**fields)
        answer = message_factory.GetMessageClass(found.output_type)
        coders: dict[str, Any] = {
            "request_serializer": type(request).SerializeToString,
            "response_deserializer": answer.FromString,
        }
        if not found.server_streaming:
            return [channel.unary_unary(f"/{method}", **coders)(request, timeout=60)]
        call = channel.unary_stream(f"/{method}", **coders)(request, timeout=60)
        answers = list(islice(call, count))
        call.cancel()
        return answers
