"""Traffic over one route, and its rate: iperf3 for a stream, `exchange.c` for transactions.

Servers start once and wait; a sample is one run of a client. Client and server are held to a
processor each: with two processors the scheduler's choice, to put both ends on one or not, is worth
more than what is measured. TCP uses cubic on every socket: the machine's default may be BBR, which
paces by timers where no fq queueing discipline does it.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import CommandError, Machine, run, running
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.topology import Route

_SOURCE: Final = Path(__file__).with_name("exchange.c")
_PROGRAM: Final = Path(__file__).parents[1] / "build" / "exchange"

#: The server's ports on every machine; the namespaces are ours, no other process listens there.
_IPERF_PORT: Final = 5201
_EXCHANGE_PORT: Final = 5202

#: As many ports from there on are served alike: the endpoints of a Service in one pod.
EXCHANGE_PORTS: Final = range(_EXCHANGE_PORT, _EXCHANGE_PORT + 10)

#: A client gets this long beyond its traffic's duration, in seconds: start, connection, report.
_GRACE_S: Final = 10.0

#: For the reader of a table.
NOTES: Final = (
    "TCP with cubic; client and server held to a processor each",
    "RR and CRR: one byte each way, by connections at a time; one connection is for information",
)


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of traffic: the metric it yields and how many connections carry it."""

    metric: Metric
    connections: int
    verb: str  # "stream", or exchange's word for a client


#: What has a budget, then what is shown for information (one connection is mostly noise).
STREAM: Final = Load(Metric("stream", "Gbit/s", Better.HIGHER), 1, "stream")
RR_16: Final = Load(Metric("RR 16", "1/s", Better.HIGHER), 16, "request")
CRR_16: Final = Load(Metric("CRR 16", "1/s", Better.HIGHER), 16, "connect")
RR_1: Final = Load(Metric("RR 1", "1/s", Better.HIGHER), 1, "request")
CRR_1: Final = Load(Metric("CRR 1", "1/s", Better.HIGHER), 1, "connect")
LOADS: Final = (STREAM, RR_16, CRR_16, RR_1, CRR_1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A route whose servers listen: `sample` sends over it."""

    route: Route
    client_cpu: int | None

    def sample(self, load: Load, *, seconds: int) -> float:
        """Send `load` for `seconds`; return its rate in the unit of its metric.

        Raises:
            CommandError: The client failed, or nothing came back.
        """
        if load.verb == "stream":
            return self._stream(seconds)
        address, port = self.route.asked or (self.route.address, _EXCHANGE_PORT)
        command = self.route.client.command(
            [
                *(str(_PROGRAM), load.verb, address, str(port)),
                *(str(load.connections), str(seconds * 1000)),
            ],
            cpu=self.client_cpu,
        )
        transactions, elapsed_ns = run(command, timeout_s=seconds + _GRACE_S).split()
        return int(transactions) / int(elapsed_ns) * 1e9

    def _stream(self, seconds: int) -> float:
        """Return what arrived, in Gbit/s: one TCP connection, as fast as it goes."""
        command = self.route.client.command(
            [
                *("iperf3", "--client", self.route.address, "--port", str(_IPERF_PORT)),
                *("--congestion", "cubic", "--time", str(seconds), "--json"),
            ],
            cpu=self.client_cpu,
        )
        report = json.loads(run(command, timeout_s=seconds + _GRACE_S))
        received = report["end"]["sum_received"]
        if not received["bytes"]:
            raise CommandError(command, "nothing arrived")
        return float(received["bits_per_second"]) / 1e9


def build() -> None:
    """Compile `exchange.c` unless the program is newer than its source.

    Raises:
        CommandError: The compiler did not like it, or is not there.
    """
    _PROGRAM.parent.mkdir(exist_ok=True)
    if _PROGRAM.exists() and _PROGRAM.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return
    unfinished = f"{_PROGRAM}.{os.getpid()}"
    run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", unfinished, str(_SOURCE)])
    os.replace(unfinished, _PROGRAM)  # Another run never sees half a program.


def processors() -> tuple[int | None, int | None]:
    """Return the processors for client and server: two that we may use, or none to hold to."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


@contextlib.contextmanager
def listening(server: Machine, address: str) -> Iterator[None]:
    """Start the servers of a machine, at an address of its."""
    _client_cpu, cpu = processors()
    iperf = ["iperf3", "--server", "--port", str(_IPERF_PORT), "--forceflush"]
    ports = (str(_EXCHANGE_PORT), str(len(EXCHANGE_PORTS)))
    exchange = [str(_PROGRAM), "serve", address, *ports]
    with (
        running(server.command(iperf, cpu=cpu), ready="Server listening"),
        running(server.command(exchange, cpu=cpu), ready="listening"),
    ):
        yield


def _checked(route: Route) -> Traffic:
    """Return the traffic of a route that carries packets; a Service's address answers no ping."""
    if route.asked is None:
        route.client.run("ping", "-c", "1", "-W", "2", route.address)
    client_cpu, _server_cpu = processors()
    return Traffic(route=route, client_cpu=client_cpu)


def compare(
    name: str,
    routes: Mapping[str, Route],
    options: Options,
    *,
    baselines: tuple[str, ...],
    budgets: Callable[[Load], tuple[Budget, ...]],
    loads: tuple[Load, ...] = LOADS,
) -> tuple[Measurement, ...]:
    """Send every load over every route, one load after the other, the routes taking turns."""
    build()
    measurements = []
    with contextlib.ExitStack() as stack:
        for server, address in {(route.server, route.address) for route in routes.values()}:
            stack.enter_context(listening(server, address))
        ways = {way: _checked(route) for way, route in routes.items()}
        for load in loads:
            options.show(f"{name}: {load.metric.name}")
            samples = interleave(
                [_candidate(way, traffic, load, options) for way, traffic in ways.items()],
                rounds=options.rounds,
            )
            measurements.append(Measurement(load.metric, samples, baselines, budgets(load)))
    return tuple(measurements)


def _candidate(name: str, traffic: Traffic, load: Load, options: Options) -> Candidate[float]:
    """Return the candidate that sends `load` over the route of `traffic`."""
    return Candidate(name, lambda: traffic.sample(load, seconds=options.seconds))
