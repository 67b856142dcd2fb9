"""Does a rolling update lose requests, asked inside the cluster and through a NodePort?

A Deployment of ten whoami pods on two nodes is restarted, pod after pod, while a client asks 1,000
times a second, each time by a new connection: a pod through the ClusterIP, then the router, which is
outside the cluster, through the first node's NodePort. A pod that ends accepts for two seconds more,
which the nodes have to notice in.
"""

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.cluster import Cluster, cluster
from benchmarks.machine import Machine
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer
from benchmarks.request_stream import Requests, stream
from benchmarks.topology import NODE_ADDRESSES

QUESTION: Final = "does a rolling update lose requests?"

_PODS: Final = 10
_RATE: Final = 1_000

_CLUSTER_IP: Final = "10.96.77.77"
_NODE_PORT: Final = 30_080

#: Ten pods, some at a time, each two seconds to end, on a machine that is asked all the time.
_ROLLOUT_TIMEOUT_S: Final = 240

#: Rollouts take long: their share of the rounds.
_ROUNDS_DIVISOR: Final = 3

_LABELS: Final = {"app": "asked"}


@dataclass(frozen=True, slots=True)
class _Way:
    """A client and what it asks."""

    client: Machine
    address: str
    port: int

    def update(self, lab: Cluster) -> Requests:
        """Restart all pods while the client asks."""
        with stream(self.client, self.address, self.port, rate=_RATE) as requests:
            lab.kubectl("rollout", "restart", "deployment/asked")
            _await_rollout(lab)
        return requests.result


def _objects() -> list[dict[str, Any]]:
    container = {
        "name": "whoami",
        "image": "traefik/whoami",
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 80}, "periodSeconds": 1},
    }
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": [container]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "asked"},
        "spec": {
            "replicas": _PODS,
            "selector": {"matchLabels": _LABELS},
            "template": template,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "asked"},
        "spec": {
            "type": "NodePort",
            "clusterIP": _CLUSTER_IP,
            "selector": _LABELS,
            "ports": [{"port": 80, "nodePort": _NODE_PORT}],
        },
    }
    return [deployment, service]


def _await_rollout(lab: Cluster) -> None:
    words = ("rollout", "status", "deployment/asked", f"--timeout={_ROLLOUT_TIMEOUT_S}s")
    lab.kubectl(*words, timeout_s=_ROLLOUT_TIMEOUT_S + 5)


def _figures(taken: dict[str, tuple[Requests, ...]]) -> tuple[Measurement, ...]:
    failed = {name: tuple(float(each.failed) for each in runs) for name, runs in taken.items()}
    rates = {
        name: tuple(each.sent / each.elapsed_s for each in runs) for name, runs in taken.items()
    }
    seconds = {name: tuple(each.elapsed_s for each in runs) for name, runs in taken.items()}
    p99 = {name: tuple(each.p99_s * 1e3 for each in runs) for name, runs in taken.items()}
    return (
        Measurement(
            Metric("failed requests", "of an update", Better.LOWER),
            failed,
            budgets=tuple(Budget(name, None, 0) for name in failed),
        ),
        Measurement(Metric("requests", "1/s", Better.HIGHER), rates),
        Measurement(Metric("update", "s", Better.LOWER), seconds),
        Measurement(Metric("answer, p99", "ms", Better.LOWER), p99),
    )


def _problems(taken: dict[str, tuple[Requests, ...]]) -> tuple[str, ...]:
    """Return a note for each kind of failure there was."""
    return tuple(
        f"{name}: {count} times {problem}"
        for name, runs in taken.items()
        for each in runs
        for problem, count in each.problems.items()
    )


def measure(options: Options) -> Answer:
    """Measure both ways in turns."""
    if not options.ciliate:
        return Answer("rolling_update", QUESTION, ())
    with cluster(nodes=2) as lab:
        lab.create(_objects())
        _await_rollout(lab)
        first = lab.nodes[0]
        lab.start_pods({"client": first})
        ways = {
            "in-cluster": _Way(first.pod("client"), _CLUSTER_IP, 80),
            "NodePort": _Way(lab.router, NODE_ADDRESSES[0], _NODE_PORT),
        }
        options.show("rolling_update: two ways")
        candidates = [Candidate(name, lambda w=way: w.update(lab)) for name, way in ways.items()]  # type: ignore[misc] # the way's own.
        rounds = max(1, options.rounds // _ROUNDS_DIVISOR)
        taken = interleave(candidates, rounds=rounds, warm_ups=0)
    return Answer("rolling_update", QUESTION, _figures(taken), _problems(taken))
