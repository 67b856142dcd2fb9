"""Do many Services slow those who ask one, and how does kube-proxy do?

One connection after the other through a ClusterIP of ten endpoints, among 10, 1,000 and 10,000
Services of ten endpoints each. `iptables` and `nftables` are the rules that kube-proxy writes in
these modes (`kube_proxy`), on nodes whose pods are connected by `ptp`. Loading 10,000 Services into
those takes minutes, which nobody times.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks import kube_proxy, traffic
from benchmarks.cluster import cluster, pods_on_two_nodes
from benchmarks.kube_proxy import Mode
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.reference import POD_CIDR, reference_pods
from benchmarks.report import Answer
from benchmarks.service_maps import await_everywhere
from benchmarks.service_objects import MAPS_SETTING, ServedService, create_services, simulated
from benchmarks.topology import Route
from benchmarks.traffic import CRR_16, EXCHANGE_PORTS, Load

QUESTION: Final = "do many Services slow those who ask one?"

_FEW: Final = 10


def _name(who: str, count: int) -> str:
    return f"{who}, {count:,}"


def _budgets(many: int) -> tuple[Budget, ...]:
    """Return the limits (docs/BENCHMARKS.md, "Budgets")."""
    ours, ours_few = _name("ciliate", many), _name("ciliate", _FEW)
    return (
        Budget(ours_few, _name("iptables", _FEW), 1.15),
        Budget(ours_few, _name("nftables", _FEW), 1.15),
        Budget(ours, _name("iptables", many), 1.5),
        Budget(ours, _name("nftables", many), 1.15),
        *(Budget(_name("ciliate", count), ours_few, 0.97) for count in _counts(many)[1:]),
    )


def _counts(many: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((_FEW, min(1_000, many), many)))


def _asked(server_address: str) -> ServedService:
    endpoints = tuple((server_address, port) for port in EXCHANGE_PORTS)
    return ServedService("asked", "10.96.77.77", 80, endpoints)


def _ciliate(stack: contextlib.ExitStack, count: int) -> Route:
    """Return the way through a Service of a lab that has `count` others."""
    lab = stack.enter_context(cluster(nodes=2, settings=(MAPS_SETTING,)))
    pods = pods_on_two_nodes(lab)
    asked = _asked(pods.server_address)
    create_services(lab.directory / "kubeconfig", simulated(count))
    create_services(lab.directory / "kubeconfig", [asked])
    await_everywhere(lab, asked)
    return pods.asking(asked.address, asked.port)


def _reference(stack: contextlib.ExitStack, mode: Mode, count: int) -> Route:
    """Return the way through a Service of nodes that have kube-proxy's rules for `count` others."""
    pods = stack.enter_context(reference_pods(ip_masq=False))
    asked = _asked(pods.addresses[1])
    services = kube_proxy.in_the_middle([asked], simulated(count))
    with ThreadPoolExecutor(len(pods.ground.nodes)) as threads:
        done = [
            threads.submit(kube_proxy.serve, node, services, mode=mode, cluster_cidr=POD_CIDR)
            for node in pods.ground.nodes
        ]
        for each in done:
            each.result()
    return Route(pods.pods[0], pods.pods[1], pods.addresses[1], asked=(asked.address, asked.port))


def _routes(stack: contextlib.ExitStack, options: Options) -> dict[str, Route]:
    routes = {}
    for count in _counts(options.services) if options.ciliate else ():
        options.show(f"service_count: a lab with {count:,} Services")
        routes[_name("ciliate", count)] = _ciliate(stack, count)
    for count in (_FEW, options.services):
        for mode in Mode:
            options.show(f"service_count: {mode.value} with {count:,} Services")
            routes[_name(mode.value, count)] = _reference(stack, mode, count)
    return routes


def measure(options: Options) -> Answer:
    """Measure all in turns."""
    many = options.services

    def budgets(_load: Load) -> tuple[Budget, ...]:
        return _budgets(many)

    with contextlib.ExitStack() as stack:
        measurements = traffic.compare(
            "service_count",
            _routes(stack, options),
            options,
            baselines=(
                _name("ciliate", _FEW),
                *(_name(mode.value, count) for count in (_FEW, many) for mode in Mode),
            ),
            budgets=budgets,
            loads=(CRR_16,),
        )
    notes = (
        *traffic.NOTES,
        "each Service has 10 endpoints; the number is of those beside the asked",
    )
    return Answer("service_count", QUESTION, measurements, notes)
