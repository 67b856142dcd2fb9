"""How long after its packet does a flow stand in `hubble observe -f`, at 2,000 flows a second?

A lab with a pod on each of two nodes. One sends datagrams to the other, each from a port of its own, so
that each is told by both nodes: half as many datagrams as flows. `hubble observe -f` runs on a node, and
asks the relay, or that node's own flow server, which has half of them. A line's delay counts from the
time of the packet that it shows, of the same clock.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from benchmarks import cluster
from benchmarks.cluster import Cluster
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer

QUESTION: Final = "how long after its packet does a flow stand in `hubble observe -f`?"

_FLOWS: Final = 2000
_LIMIT_MS: Final = 150.0
_SECONDS_MIN: Final = 5
_PORT: Final = 9999

#: Behind the last datagram, until its lines must be there.
_LAST_S: Final = 3.0
_BEGIN_S: Final = 20.0

_SENDER: Final = """
import socket, sys, time
address, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
began, sent, first = time.monotonic(), 0, time.monotonic_ns() // 1000 % 50_000
while (passed := time.monotonic() - began) < seconds:
    while sent < passed * rate:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("", 10_000 + (first + sent) % 50_000))  # None twice within the interval.
            one.sendto(b"x", (address, int(sys.argv[4])))
        sent += 1
    time.sleep(0.002)
print(sent)
"""

_WORDS: Final = ("-f", "--protocol", "udp", "--to-port", str(_PORT), "--time-format=RFC3339Milli")


@dataclass(frozen=True, slots=True)
class _Sample:
    """Delays of one run in ms, and how many flows had no line."""

    median_ms: float
    hundredth_ms: float
    missing: int


class _Lines:
    """The lines of an observer, and when they came."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.delays_ms: list[float] = []
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            when = datetime.fromisoformat(line.split(": ", 1)[0])
            self.delays_ms.append((time.time() - when.timestamp()) * 1000)


@contextmanager
def _observing(lab: Cluster, words: Sequence[str]) -> Iterator[_Lines]:
    command = [*lab.lab_exec(lab.nodes[1].name), "hubble", "observe", *_WORDS, *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield _Lines(process)
        finally:
            process.kill()


def _send(lab: Cluster, address: str, seconds: float) -> int:
    rate = _FLOWS / 2
    words = [sys.executable, "-c", _SENDER, address, str(rate), str(seconds), str(_PORT)]
    return int(lab.execute("a", words, timeout_s=seconds + 30))


def _delays(lab: Cluster, words: Sequence[str], address: str, seconds: int, each: int) -> _Sample:
    """Send, and see `each` lines for a datagram."""
    with _observing(lab, words) as lines:
        began = time.monotonic()
        while not lines.delays_ms:  # It listens once it shows something.
            if time.monotonic() - began > _BEGIN_S:
                raise TimeoutError("hubble observe shows nothing")
            _send(lab, address, 0.05)
        time.sleep(_LAST_S)
        lines.delays_ms.clear()
        sent = _send(lab, address, seconds)
        end = time.monotonic() + _LAST_S
        while len(lines.delays_ms) < sent * each and time.monotonic() < end:
            time.sleep(0.05)
        delays = sorted(lines.delays_ms)
    return _Sample(
        median_ms=delays[len(delays) // 2],
        hundredth_ms=delays[len(delays) * 99 // 100],
        missing=sent * each - len(delays),
    )


def measure(options: Options) -> Answer:
    """Observe the cluster by its relay, and a node by its own server."""
    options.show("flow_delay")
    if not options.ciliate:
        return Answer("flow_delay", QUESTION, ())
    seconds = max(options.seconds, _SECONDS_MIN)
    with cluster.cluster(nodes=2, dns=True) as lab:
        here, there = lab.nodes
        address = lab.start_pods({"a": here, "b": there})["b"]
        relay = ("--namespace=kube-system", "service", "hubble-relay", "--output=json")
        service = json.loads(lab.kubectl("get", *relay))["spec"]["clusterIP"]
        wait = ("--namespace=kube-system", "deployment/hubble-relay", "--timeout=30s")
        lab.kubectl("rollout", "status", *wait)
        ways: dict[str, tuple[tuple[str, ...], int]] = {
            "relay": (("--server", f"{service}:80"), 2),
            "node": ((), 1),
        }
        candidates = [
            Candidate(
                name,
                lambda words=words, each=each: _delays(lab, words, address, seconds, each),  # type: ignore[misc] # its own.
            )
            for name, (words, each) in ways.items()
        ]
        taken = interleave(candidates, rounds=options.rounds)
    metrics = (
        (Metric("99 of 100 lines within", "ms", Better.LOWER), "hundredth_ms"),
        (Metric("median", "ms", Better.LOWER), "median_ms"),
        (Metric("flows without a line", "", Better.LOWER), "missing"),
    )
    measurements = tuple(
        Measurement(
            metric,
            {name: tuple(getattr(each, field) for each in found) for name, found in taken.items()},
            budgets=(Budget("relay", None, _LIMIT_MS),) if field == "hundredth_ms" else (),
        )
        for metric, field in metrics
    )
    notes = (f"{_FLOWS} flows a second of two nodes, 1,000 of them the node's",)
    return Answer("flow_delay", QUESTION, measurements, notes)
