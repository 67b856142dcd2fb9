"""What does a Service cost its clients, beside asking the same pod by its own address?

One lab, one server pod, one client pod on the other node. By `ClusterIP` the client's sockets are
translated when they connect, as all processes' of pods are. `by packet` is a client whose sockets no
program sees, such as a machine inside of a pod: each of its packets is translated. It is given a
port of its own at the pod: the pod sees all of them come from one address, and a client that asks by
two names at once might use a port twice.
"""

import contextlib
from typing import Final

from benchmarks import traffic
from benchmarks.cluster import cluster, pods_on_two_nodes
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.report import Answer
from benchmarks.service_maps import await_everywhere
from benchmarks.service_objects import ServedService, create_services
from benchmarks.topology import Route
from benchmarks.traffic import CRR_16, EXCHANGE_PORTS, RR_16, Load

QUESTION: Final = "what does a Service cost its clients?"

#: docs/BENCHMARKS.md, "Budgets".
_OF_POD_ADDRESS: Final = {RR_16: 0.99, CRR_16: 0.96}


def _budgets(load: Load) -> tuple[Budget, ...]:
    return (Budget("ClusterIP", "pod address", _OF_POD_ADDRESS[load]),)


def _routes(stack: contextlib.ExitStack) -> dict[str, Route]:
    lab = stack.enter_context(cluster(nodes=2))
    pods = pods_on_two_nodes(lab)
    by_socket, by_packet = (
        ServedService(f"asked-{number}", f"10.96.77.{number}", 80, ((pods.server_address, port),))
        for number, port in enumerate(EXCHANGE_PORTS[:2])
    )
    create_services(lab.directory / "kubeconfig", [by_socket, by_packet])
    await_everywhere(lab, by_socket)
    await_everywhere(lab, by_packet)
    return {
        "pod address": pods.between_pods,
        "ClusterIP": pods.asking(by_socket.address, by_socket.port),
        "ClusterIP, by packet": pods.asking(by_packet.address, by_packet.port, by_socket=False),
    }


def measure(options: Options) -> Answer:
    """Measure both loads at each address."""
    if not options.ciliate:
        return Answer("services", QUESTION, ())
    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "services",
            _routes(stack),
            options,
            baselines=("pod address",),
            budgets=_budgets,
            loads=(RR_16, CRR_16),
        )
    return Answer("services", QUESTION, measurements, traffic.NOTES)
