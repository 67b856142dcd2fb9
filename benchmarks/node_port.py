"""How fast is a NodePort for who asks from outside, at the endpoint's node and at another?

The client is the router, which knows no way to pods. It asks the first node: for a Service whose
endpoint is a pod of this node (`local`), and for one whose endpoint is on the other (`remote`), where
the node translates the source as well. `iptables` and `nftables` are kube-proxy's rules on nodes whose
pods are connected by `ptp`.

Servers keep no TIME_WAIT: kube-proxy's rules give a connection a source port by chance, and one client
at full speed comes back within a second to a port that the server still remembers. The client's time
stamps begin elsewhere for each connection, so some SYNs are refused (PAWS, RFC 7323) and sent
again a second later: the rules' rate falls to a tenth, which is no property of node ports.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from benchmarks import kube_proxy, traffic
from benchmarks.cluster import cluster
from benchmarks.kube_proxy import Mode
from benchmarks.machine import Machine
from benchmarks.options import Options
from benchmarks.pairing import Budget
from benchmarks.reference import POD_CIDR, reference_pods
from benchmarks.report import Answer
from benchmarks.service_maps import await_everywhere
from benchmarks.service_objects import ServedService, create_services
from benchmarks.topology import NODE_ADDRESSES, Route
from benchmarks.traffic import CRR_16, EXCHANGE_PORTS, Load

QUESTION: Final = "how fast is a NodePort, from outside?"

#: By where the endpoint is; docs/BENCHMARKS.md, "Budgets".
_LIMITS: Final = {"local": 1.15, "remote": 1.1}


def _budgets(_load: Load) -> tuple[Budget, ...]:
    return tuple(
        Budget(f"ciliate, {place}", f"{mode.value}, {place}", limit)
        for place, limit in _LIMITS.items()
        for mode in Mode
    )


def _asked(addresses: tuple[str, str]) -> tuple[ServedService, ...]:
    """Return a Service for each node, whose endpoint is that node's pod."""
    return tuple(
        ServedService(
            f"asked-{place}",
            f"10.96.77.{number}",
            80,
            ((address, EXCHANGE_PORTS.start),),
            node_port=30_080 + number,
        )
        for number, (place, address) in enumerate(zip(_LIMITS, addresses, strict=True))
    )


def _ways(
    who: str, router: Machine, pods: tuple[Machine, Machine], asked: tuple[ServedService, ...]
) -> Iterator[tuple[str, Route]]:
    """Yield the ways from the router to the pods through the first node."""
    for place, pod, service in zip(_LIMITS, pods, asked, strict=True):
        pod.set_kernel(net__ipv4__tcp_max_tw_buckets=0)
        at = (NODE_ADDRESSES[0], service.node_port)
        yield f"{who}, {place}", Route(router, pod, service.endpoints[0][0], asked=at)


def _ciliate(stack: contextlib.ExitStack) -> Iterator[tuple[str, Route]]:
    lab = stack.enter_context(cluster(nodes=2))
    names = {"server-0": lab.nodes[0], "server-1": lab.nodes[1]}
    addresses = lab.start_pods(names)
    asked = _asked((addresses["server-0"], addresses["server-1"]))
    create_services(lab.directory / "kubeconfig", asked)
    for service in asked:
        await_everywhere(lab, service)
    first, second = (node.pod(name) for name, node in names.items())
    return _ways("ciliate", lab.router, (first, second), asked)


def _reference(stack: contextlib.ExitStack, mode: Mode) -> Iterator[tuple[str, Route]]:
    pods = stack.enter_context(reference_pods(ip_masq=False))
    asked = _asked(pods.addresses)
    for node in pods.ground.nodes:
        kube_proxy.serve(node, asked, mode=mode, cluster_cidr=POD_CIDR)
    return _ways(mode.value, pods.ground.router, pods.pods, asked)


def measure(options: Options) -> Answer:
    """Measure all in turns."""
    with contextlib.ExitStack() as stack:
        routes: dict[str, Route] = {}
        if options.ciliate:
            routes.update(_ciliate(stack))
        for mode in Mode:
            routes.update(_reference(stack, mode))
        measurements = traffic.compare(
            "node_port",
            routes,
            options,
            baselines=tuple(f"{mode.value}, {place}" for place in _LIMITS for mode in Mode),
            budgets=_budgets,
            loads=(CRR_16,),
        )
    return Answer("node_port", QUESTION, measurements, traffic.NOTES)
