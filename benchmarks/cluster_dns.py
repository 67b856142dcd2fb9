"""How long does a pod wait for a name from the cluster's DNS, at 1,000 questions a second?

A lab with 100 Services, and a pod that asks for their names, A and AAAA, as `benchmarks.name_load`
does: at the replicas' addresses in turn, and at the Service's where one answers there. There is
nothing to compare with (no other name server is on these machines); the table's budget is absolute.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import cluster, name_load
from benchmarks.cluster import Cluster
from benchmarks.options import Options
from benchmarks.pairing import Better, Budget, Candidate, Measurement, Metric, interleave
from benchmarks.report import Answer

QUESTION: Final = "how long does a pod wait for a name, at 1,000 questions a second?"

_RATE: Final = 1000
_SERVICES: Final = 100
#: A second has too few questions for a hundredth of them to say much.
_SECONDS_MIN: Final = 5
_LIMIT_MS: Final = 5.0

_POD: Final = "client"
_LOAD: Final = Path(name_load.__file__).read_text(encoding="utf-8")

_DNS: Final = ("--namespace=kube-system",)
_SERVICE: Final = "10.96.0.10"


@dataclass(frozen=True, slots=True)
class _Sample:
    """Delays of one run in ms: the median, and what one in a hundred exceeds."""

    median_ms: float
    hundredth_ms: float
    lost: int


def _asked(lab: Cluster, servers: str, seconds: int, names: list[str]) -> _Sample:
    """Ask from the pod: whole, since sockets are translated by control group."""
    words = [sys.executable, "-c", _LOAD, servers, str(_RATE), str(seconds), *names]
    found: dict[str, Any] = json.loads(lab.execute(_POD, words, timeout_s=seconds + 30))
    delays = found["delays_ms"] + [1000.0] * found["lost"]
    return _Sample(
        median_ms=delays[len(delays) // 2],
        hundredth_ms=delays[len(delays) * 99 // 100],
        lost=found["lost"],
    )


def _prepare(lab: Cluster) -> str:
    """Make Services and the pod that asks; return the replicas' addresses."""
    lab.create([_service(number) for number in range(_SERVICES)])
    lab.kubectl("rollout", "status", "deployment/coredns", *_DNS, "--timeout=30s")
    selected = ("--selector=k8s-app=kube-dns", "--output=json")
    pods = json.loads(lab.kubectl("get", "pods", *_DNS, *selected))["items"]
    lab.start_pods({_POD: lab.nodes[0]})
    return ",".join(pod["status"]["podIP"] for pod in pods)


def _service(number: int) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"web-{number}"},
        "spec": {"selector": {"app": "bench"}, "ports": ports},
    }


def measure(options: Options) -> Answer:
    """Ask the replicas, and the Service where it answers."""
    options.show("cluster_dns")
    if not options.ciliate:
        return Answer("cluster_dns", QUESTION, ())
    seconds = max(options.seconds, _SECONDS_MIN)
    names = [f"web-{number}.default.svc.cluster.local." for number in range(_SERVICES)]
    with cluster.cluster(nodes=2, dns=True) as lab:
        places = {"replicas": _prepare(lab)}
        if not _asked(lab, _SERVICE, 1, names[:1]).lost:
            places["Service"] = _SERVICE
        candidates = [
            Candidate(name, lambda at=at: _asked(lab, at, seconds, names))  # type: ignore[misc] # its own.
            for name, at in places.items()
        ]
        taken = interleave(candidates, rounds=options.rounds)
    metrics = (
        (Metric("99 of 100 answers within", "ms", Better.LOWER), "hundredth_ms"),
        (Metric("median", "ms", Better.LOWER), "median_ms"),
        (Metric("questions without an answer", "", Better.LOWER), "lost"),
    )
    budgets = tuple(Budget(name, None, _LIMIT_MS) for name in places)
    measurements = tuple(
        Measurement(
            metric,
            {name: tuple(getattr(each, field) for each in found) for name, found in taken.items()},
            budgets=budgets if field == "hundredth_ms" else (),
        )
        for metric, field in metrics
    )
    notes = (
        f"{_RATE * seconds} questions a sample, A and AAAA of {_SERVICES} Services in turn",
        "a question is due at its time, and its delay counts from there",
    )
    return Answer("cluster_dns", QUESTION, measurements, notes)
