"""A relay that has thousands of flows a second: a process of its own, until its input ends.

    python -m tests.page.flood 5000        # prints its address, then follows whoever asks

Forty workloads of five namespaces with 200 pods ask each other; one flow of fifty is a drop. A flow is as
large as that of a lab (0.8 kB) and has the time at which it is sent.
"""

import itertools
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc
from tests.page.flows import pod, tcp_flow

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

_EACH_S: Final = 0.02
_NODE_LABELS: Final = tuple(f"kubernetes.io/label-{n}=value-{n}" for n in range(6))
_BATCH: Final = "ciliate.io/batch.FlowBatch"


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


def field(number: int, octets: bytes) -> bytes:
    """Return a field that has a length."""
    return varint(number << 3 | 2) + varint(len(octets)) + octets


def workloads() -> list[list[flow_pb2.Endpoint]]:
    """Return the pods of each workload."""
    found = []
    for number in range(40):
        name, namespace = f"service-{number}", f"team-{number % 5}"
        pods = []
        for each in range(5):
            end = pod(f"{name}-5d8f7c6b9-{each:05d}", namespace, identity=1000 + number)
            end.labels.extend(
                f"k8s:io.cilium.k8s.namespace.labels.key-{n}=value" for n in range(3)
            )
            end.workloads.add(name=name, kind="Deployment")
            pods.append(end)
        found.append(pods)
    return found


def templates() -> list[bytes]:
    """Return flows without a time."""
    chance, groups, found = random.Random(1), workloads(), []
    for number in range(2000):
        asker, asked = sorted(chance.sample(range(40), 2))
        flow = tcp_flow(
            chance.choice(groups[asker]),
            chance.choice(groups[asked]),
            chance.choice((80, 443, 8080)),
            dropped=number % 50 == 0,
        )
        flow.ClearField("time")
        flow.node_labels.extend(_NODE_LABELS)
        flow.ethernet.source, flow.ethernet.destination = "e2:5f:6b:a4:f3:64", "16:79:55:82:88:51"
        found.append(flow.SerializeToString())
    return found


def batch(flows: list[bytes]) -> bytes:
    """Return flows as one answer, each with the time that it is."""
    seconds, nanos = divmod(time.time_ns(), 10**9)
    moment = field(1, b"\x08" + varint(seconds) + b"\x10" + varint(nanos))
    answers = b"".join(field(1, field(1, flow + moment)) for flow in flows)
    extensions = field(1, _BATCH.encode()) + field(2, answers)
    return field(1, field(150_000, extensions))


class Flood(grpc.GenericRpcHandler):
    """An Observer whose answers are octets already."""

    def __init__(self, rate: int) -> None:
        self._count = round(rate * _EACH_S)
        self._flows = itertools.cycle(templates())

    def service(
        self, details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Return what answers a method."""
        if details.method.endswith("/GetFlows"):
            return grpc.unary_stream_rpc_method_handler(self._follow)
        empty = observer_pb2.ServerStatusResponse(version="flood").SerializeToString()
        if details.method.endswith("/ServerStatus"):
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: empty)
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    def _follow(self, _request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        due = time.monotonic()
        while context.is_active():
            yield batch(list(itertools.islice(self._flows, self._count)))
            due += _EACH_S
            time.sleep(max(0.0, due - time.monotonic()))  # It is what makes the rate.


def main() -> None:
    """Serve until the input ends."""
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, handlers=[Flood(int(sys.argv[1]))])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(f"127.0.0.1:{port}", flush=True)
        sys.stdin.read()
        server.stop(grace=None).wait()


if __name__ == "__main__":
    main()
